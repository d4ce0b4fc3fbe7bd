/**
 * Spend of attempts on its way into their records: coalesced, at most one write of each attempt in a while, none without a change. What comes
 * after the end of an attempt was spent too: that is accounting and no effect, so it needs no fence. Budgets and totals are the lead's.
 */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import type {MetricsReport} from '../protocol/commands/agent.ts';
import {mergeUsage, sameUsage, type Usage} from '../protocol/usage.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {Principal} from '../security/principal.ts';
import {exists} from '../store/records.ts';
import type {Fences} from './fences.ts';
import {KeyedQueue} from './keyedQueue.ts';
import {storeLateUsage} from './lateUsage.ts';
import type {LiveAttempts} from './liveAttempts.ts';
import {rewriteAttempt} from './rewriteAttempt.ts';

export interface UsageReportsOptions {
  readonly fences: Fences;
  readonly attempts: LiveAttempts;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Least time between two writes of one attempt, in ms. */
  readonly intervalMs?: number;
}

const DEFAULT_INTERVAL_MS = 1000;
/** Of attempts that are not known to live, beside those that are: an agent may name what it likes. */
const MAX_PENDING = 20_000;

interface Report {
  readonly attemptId: string;
  readonly usage: Usage;
  readonly principal: Principal;
}

interface Pending {
  /** Absent: written, and the pause after it lasts. */
  report: Report | undefined;
  readonly timer: Disposable;
}

export class UsageReports implements Disposable {
  /** Attempts that reported within the interval: bounded by the attempts that live. */
  private readonly pending = new Map<string, Pending>();
  private readonly queue = new KeyedQueue();
  private readonly gone: Disposable;
  private readonly intervalMs: number;

  constructor(private readonly options: UsageReportsOptions) {
    this.intervalMs = options.intervalMs ?? DEFAULT_INTERVAL_MS;
    this.gone = options.attempts.onGone(({agentId, attemptId}) => this.settle(nameOf(agentId, attemptId)));
  }

  dispose(): void {
    this.gone.dispose();
    for (const {timer} of this.pending.values()) timer.dispose();
    this.pending.clear();
  }

  /** As `dispose`; resolves when what was begun has settled. */
  async stop(): Promise<void> {
    this.dispose();
    await this.queue.idle();
  }

  /** Takes what an agent says of its attempts; those that are not its own are passed over. */
  metrics(report: z.infer<typeof MetricsReport>, principal: Principal): void {
    for (const {attemptId, usage} of report.attempts) this.note(attemptId, usage, principal);
  }

  /** The newest usage of an attempt; written soon. */
  note(attemptId: string, usage: Usage, principal: Principal): void {
    const {agentId} = principal;
    const live = this.options.attempts.get(attemptId);
    if (agentId === undefined || (live && live.agentId !== agentId)) return;
    const report: Report = {attemptId, usage, principal};
    const name = nameOf(agentId, attemptId);
    const waiting = this.pending.get(name);
    if (waiting) {
      waiting.report = waiting.report ? {...report, usage: mergeUsage(waiting.report.usage, usage)} : report;
      return;
    }
    if (!live && this.pending.size >= MAX_PENDING) return;
    this.write(report);
    this.pause(name);
  }

  private pause(name: string): void {
    const timer = this.options.clock.schedule(
      this.intervalMs,
      () => {
        const report = this.pending.get(name)?.report;
        this.pending.delete(name);
        if (!report) return;
        this.write(report);
        this.pause(name);
      },
      {background: true},
    );
    this.pending.set(name, {report: undefined, timer});
  }

  /** The fence fell: nothing more may come, so what waits is written now. */
  private settle(name: string): void {
    const waiting = this.pending.get(name);
    if (!waiting) return;
    waiting.timer.dispose();
    this.pending.delete(name);
    if (waiting.report) this.write(waiting.report);
  }

  private write(report: Report): void {
    const {attemptId} = report;
    // The next report, or the completion, carries what could not be written.
    void this.queue
      .run(attemptId, () => this.store(report))
      .catch((error: unknown) => this.options.logger.warn('usage was not written', {attemptId, error}));
  }

  private async store({attemptId, usage, principal}: Report): Promise<void> {
    const {fences} = this.options;
    let isLate = false;
    await rewriteAttempt(fences, attemptId, before => {
      // A report has the last word on what an attempt spent.
      if (before.agentId !== principal.agentId || before.report) return;
      isLate = before.state === 'ended';
      const value = {...before, usage: mergeUsage(before.usage, usage)};
      if (isLate || sameUsage(value.usage, before.usage)) return;
      return {value, compare: [exists(fences.keys.live(attemptId))]};
    });
    if (isLate) await storeLateUsage(fences, attemptId, usage, principal);
  }
}

/** An agent speaks of its own attempts only, whoever else names them. */
function nameOf(agentId: string, attemptId: string): string {
  return `${agentId} ${attemptId}`;
}
