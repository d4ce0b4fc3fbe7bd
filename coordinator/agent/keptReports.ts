/** Tells the hub which worktrees this agent keeps for people and what disk they take: each is measured once, and only a change is told. */
import path from 'node:path';
import type {Logger} from '../observability/logger.ts';
import {type KeptWorktrees, MAX_KEPT_SESSIONS} from '../protocol/model/agent.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore, noDisposable} from '../runtime/disposable.ts';
import type {AgentLink} from './link/agentLink.ts';
import {diskUsage} from './workspace/diskUsage.ts';
import type {Workspaces} from './workspace/workspaces.ts';

export interface KeptReportsOptions {
  readonly agentId: string;
  readonly incarnation: string;
  readonly workspaces: Pick<Workspaces, 'kept' | 'onKept'>;
  readonly link: Pick<AgentLink, 'deliver'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Least time between two measurements, in ms. */
  readonly measureMs: number;
}

const MAX_FAULTS = 5;

export class KeptReports implements Disposable {
  /** By attempt. */
  private readonly sizes = new Map<string, number>();
  private readonly owned = new DisposableStore();
  private readonly over = new AbortController();
  private timer: Disposable = noDisposable;
  private measuredAt = Number.NEGATIVE_INFINITY;
  private working = false;
  private again = false;
  /** What the hub has taken, as JSON. */
  private told: string | undefined;

  constructor(private readonly options: KeptReportsOptions) {
    this.owned.add(options.workspaces.onKept(() => this.wake()));
  }

  dispose(): void {
    this.over.abort();
    this.timer.dispose();
    this.owned.dispose();
  }

  /** The hub may know another state: it is told what is. */
  registered(): void {
    this.told = undefined;
    this.wake();
  }

  private wake(): void {
    this.again = true;
    if (this.working || this.over.signal.aborted) return;
    this.working = true;
    void this.work()
      .catch((error: unknown) => {
        if (!this.over.signal.aborted)
          this.options.logger.warn('the hub does not know which worktrees are kept', {error});
      })
      .finally(() => {
        this.working = false;
        if (this.again) this.wake();
      });
  }

  private async work(): Promise<void> {
    const {agentId, incarnation, link} = this.options;
    while (this.again && !this.over.signal.aborted) {
      this.again = false;
      const kept = await this.look();
      const text = JSON.stringify(kept);
      if (text === this.told) continue;
      await link.deliver(
        'mcpx.agent.kept',
        {agentId, incarnation, kept},
        {signal: this.over.signal, maxFaults: MAX_FAULTS},
      );
      this.told = text;
    }
  }

  /** What went is left out at once; what is new waits until it may be measured. */
  private async look(): Promise<KeptWorktrees> {
    const {workspaces, clock, measureMs} = this.options;
    const all = await workspaces.kept();
    const ids = new Set(all.map(({attemptId}) => attemptId));
    for (const attemptId of this.sizes.keys()) if (!ids.has(attemptId)) this.sizes.delete(attemptId);
    const fresh = all.filter(({attemptId}) => !this.sizes.has(attemptId));
    const wait = this.measuredAt + measureMs - clock.now();
    if (fresh.length > 0 && wait > 0) this.wakeAfter(wait);
    else if (fresh.length > 0) {
      for (const each of fresh)
        this.sizes.set(each.attemptId, await diskUsage(path.dirname(each.path), this.over.signal));
      this.measuredAt = clock.now();
    }
    const sessions = new Map<string, {attempts: number; bytes: number}>();
    for (const {sessionId, attemptId} of all) {
      const bytes = this.sizes.get(attemptId);
      if (bytes === undefined) continue;
      const sum = sessions.get(sessionId) ?? {attempts: 0, bytes: 0};
      sessions.set(sessionId, {attempts: sum.attempts + 1, bytes: sum.bytes + bytes});
    }
    return [...sessions]
      .map(([sessionId, sum]) => ({sessionId, ...sum}))
      .sort((a, b) => b.bytes - a.bytes || (a.sessionId < b.sessionId ? -1 : 1))
      .slice(0, MAX_KEPT_SESSIONS);
  }

  private wakeAfter(waitMs: number): void {
    this.timer.dispose();
    this.timer = this.options.clock.schedule(waitMs, () => this.wake(), {background: true});
  }
}
