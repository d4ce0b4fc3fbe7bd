/**
 * Spend of running attempts on its way into their records: coalesced, at most one write of each attempt in a while, none without a change.
 * Budgets and totals are the lead's.
 */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import type {MetricsReport} from '../protocol/commands/agent.ts';
import type {Usage} from '../protocol/usage.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {Principal} from '../security/principal.ts';
import {exists, found, putRecord, unchanged} from '../store/records.ts';
import type {Fences} from './fences.ts';
import {KeyedQueue} from './keyedQueue.ts';
import type {LiveAttempts} from './liveAttempts.ts';

export interface UsageReportsOptions {
  readonly fences: Fences;
  readonly attempts: LiveAttempts;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Least time between two writes of one attempt, in ms. */
  readonly intervalMs?: number;
}

const DEFAULT_INTERVAL_MS = 1000;

interface Pending {
  /** Absent: written, and the pause after it lasts. */
  usage: Usage | undefined;
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
    this.gone = options.attempts.onGone(({attemptId}) => this.forget(attemptId));
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

  /** Takes what an agent says of its attempts; those that are not its own, or over, are passed over. */
  metrics(report: z.infer<typeof MetricsReport>, principal: Principal): void {
    for (const {attemptId, usage} of report.attempts) this.note(attemptId, usage, principal);
  }

  /** The newest usage of an attempt; written soon. */
  note(attemptId: string, usage: Usage, principal: Principal): void {
    if (this.options.attempts.get(attemptId)?.agentId !== principal.agentId) return;
    const waiting = this.pending.get(attemptId);
    if (waiting) {
      waiting.usage = waiting.usage ? atLeast(waiting.usage, usage) : usage;
      return;
    }
    this.write(attemptId, usage);
    this.pause(attemptId);
  }

  private pause(attemptId: string): void {
    const timer = this.options.clock.schedule(
      this.intervalMs,
      () => {
        const usage = this.pending.get(attemptId)?.usage;
        this.pending.delete(attemptId);
        if (!usage) return;
        this.write(attemptId, usage);
        this.pause(attemptId);
      },
      {background: true},
    );
    this.pending.set(attemptId, {usage: undefined, timer});
  }

  private forget(attemptId: string): void {
    this.pending.get(attemptId)?.timer.dispose();
    this.pending.delete(attemptId);
  }

  private write(attemptId: string, usage: Usage): void {
    // The next report, or the completion, carries what could not be written.
    void this.queue
      .run(attemptId, () => this.store(attemptId, usage))
      .catch((error: unknown) => this.options.logger.warn('usage was not written', {attemptId, error}));
  }

  private async store(attemptId: string, usage: Usage): Promise<void> {
    const {fences} = this.options;
    const {keys, attempts, settings, store} = fences;
    const key = keys.attempt(attemptId);
    let attempt = await attempts.read(key);
    for (let tries = settings.maxTries; tries > 0 && attempt; tries--) {
      // A report has the last word on what an attempt spent.
      if (attempt.value.report || attempt.value.state === 'ended') return;
      const value = {...attempt.value, usage: atLeast(attempt.value.usage, usage)};
      if (sameUsage(value.usage, attempt.value.usage)) return;
      const result = await store.txn({
        compare: [unchanged(attempt), exists(keys.live(attemptId))],
        then: [putRecord(key, value)],
        else: [{kind: 'get', key}],
      });
      if (result.succeeded) {
        attempts.wrote(attempt, value, result.revision);
        return;
      }
      const now = found(result.responses[0]);
      if (!now || now.modRevision === attempt.modRevision) return;
      attempt = attempts.take(now);
    }
  }
}

const COUNTERS = [
  'costUsd',
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'turns',
] as const;

/** Reports may overtake each other, and spend never falls. */
function atLeast(a: Usage, b: Usage): Usage {
  const usage = {...a};
  for (const counter of COUNTERS) usage[counter] = Math.max(a[counter], b[counter]);
  return usage;
}

function sameUsage(a: Usage, b: Usage): boolean {
  return COUNTERS.every(counter => a[counter] === b[counter]);
}
