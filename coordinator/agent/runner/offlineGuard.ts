/** Stops Claude Code from spending while the hub has been out of reach for long, and lets it go on when the hub is back. */
import {type Clock, every} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore, noDisposable} from '../../runtime/disposable.ts';
import type {AgentLink} from '../link/agentLink.ts';
import type {Attempt} from './attempt.ts';
import type {Attempts} from './attempts.ts';
import {RESUME_TEXT} from './promptText.ts';

const CHECK_MS = 1000;

export class OfflineGuard implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly held = new Map<Attempt, Disposable>();
  private timer: Disposable = noDisposable;

  constructor(
    private readonly attempts: Attempts,
    link: Pick<AgentLink, 'onUp' | 'onDown'>,
    private readonly clock: Clock,
    private readonly maxOfflineMs: number,
  ) {
    this.owned.add(link.onDown.event(() => this.arm()));
    // What lost its fence meanwhile was dropped at the registration, before the link counts as up.
    this.owned.add(link.onUp.event(() => this.resume()));
  }

  dispose(): void {
    this.timer.dispose();
    this.owned.dispose();
  }

  private arm(): void {
    this.timer.dispose();
    this.timer = this.clock.schedule(this.maxOfflineMs, () => {
      this.hold();
      // Also those that only then begin, or were waiting for a person.
      this.timer = every(this.clock, CHECK_MS, () => this.hold());
    });
  }

  private hold(): void {
    for (const attempt of this.attempts.all()) {
      const {state, assign} = attempt;
      // One that waits for a person spends nothing, and has no turn that could be ended.
      if (state.kind !== 'running' || assign.task.work.kind !== 'prompt' || this.held.has(attempt)) continue;
      const seconds = Math.round(this.maxOfflineMs / 1000);
      attempt.note(
        'warn',
        `The hub has been out of reach for ${seconds} s: Claude Code is interrupted so that it stops spending, and goes on when the hub is back.`,
      );
      this.held.set(attempt, attempt.activeClock.hold());
      void attempt.control(run => run.interrupt());
    }
  }

  private resume(): void {
    this.timer.dispose();
    const held = [...this.held];
    this.held.clear();
    for (const [attempt, clockHold] of held) {
      clockHold.dispose();
      if (attempt.state.kind !== 'running' || attempt.work.signal.aborted) continue;
      attempt.note('info', 'The hub is back: the work goes on.');
      void attempt.control(run => run.send(RESUME_TEXT));
    }
  }
}
