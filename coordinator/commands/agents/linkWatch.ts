/** Watches an agent's connection: tells whoever started it once it is up, and ends it when it has been down for long. */
import type {Agent} from '../../agent/agent.ts';
import {type Clock, every} from '../../runtime/clock.ts';
import {DisposableStore} from '../../runtime/disposable.ts';
import {tellStarterAndPart} from '../local/starter.ts';

const LOOK_MS = 100;

export class LinkWatch {
  private readonly owned = new DisposableStore();
  private readonly end = new AbortController();
  private lastUp = 0;

  constructor(
    /** Undefined: it waits for as long as it takes. */
    private readonly goneAfterMs: number | undefined,
    private readonly clock: Clock,
    private readonly onGone: () => void,
  ) {}

  get gone(): AbortSignal {
    return this.end.signal;
  }

  /** Connecting has just begun. */
  start(agent: Agent): void {
    let told = false;
    this.lastUp = this.clock.now();
    this.owned.add(
      every(this.clock, LOOK_MS, () => {
        if (!agent.link.isUp) return this.checkGone();
        this.lastUp = this.clock.now();
        if (told) return;
        told = true;
        void tellStarterAndPart({kind: 'begun', agents: 1});
      }),
    );
  }

  dispose(): void {
    this.owned.dispose();
  }

  private checkGone(): void {
    if (this.goneAfterMs === undefined || this.end.signal.aborted) return;
    if (this.clock.now() - this.lastUp < this.goneAfterMs) return;
    this.onGone();
    this.end.abort();
  }
}
