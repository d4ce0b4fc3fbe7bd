/** What running attempts have changed, on its way into their records: at most one write of each attempt in a while, none without a change. */
import type {Logger} from '../observability/logger.ts';
import type {ChangedPaths} from '../protocol/model/attempt.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import {canonicalJson} from '../runtime/json.ts';
import {exists} from '../store/records.ts';
import type {Fences} from './fences.ts';
import type {LiveAttempts} from './liveAttempts.ts';
import {rewriteAttempt} from './rewriteAttempt.ts';

export interface PathReportsOptions {
  readonly fences: Fences;
  readonly attempts: LiveAttempts;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Least time between two writes of one attempt, in ms. */
  readonly intervalMs?: number;
}

const DEFAULT_INTERVAL_MS = 2000;

interface Pending {
  /** Absent: written, and the pause after it lasts. */
  paths: ChangedPaths | undefined;
  readonly timer: Disposable;
}

export class PathReports implements Disposable {
  private readonly pending = new Map<string, Pending>();
  private readonly gone: Disposable;
  private readonly intervalMs: number;

  constructor(private readonly options: PathReportsOptions) {
    this.intervalMs = options.intervalMs ?? DEFAULT_INTERVAL_MS;
    // What it changed is told by its result from then on.
    this.gone = options.attempts.onGone(({attemptId}) => this.forget(attemptId));
  }

  dispose(): void {
    this.gone.dispose();
    for (const attemptId of [...this.pending.keys()]) this.forget(attemptId);
  }

  /** The newest of a live attempt, whose agent and fence were looked at. */
  note(attemptId: string, paths: ChangedPaths): void {
    const waiting = this.pending.get(attemptId);
    if (waiting) {
      waiting.paths = paths;
      return;
    }
    if (!this.options.attempts.get(attemptId)) return;
    this.write(attemptId, paths);
    this.pause(attemptId);
  }

  private pause(attemptId: string): void {
    const timer = this.options.clock.schedule(
      this.intervalMs,
      () => {
        const paths = this.pending.get(attemptId)?.paths;
        this.pending.delete(attemptId);
        if (!paths) return;
        this.write(attemptId, paths);
        this.pause(attemptId);
      },
      {background: true},
    );
    this.pending.set(attemptId, {paths: undefined, timer});
  }

  private forget(attemptId: string): void {
    this.pending.get(attemptId)?.timer.dispose();
    this.pending.delete(attemptId);
  }

  private write(attemptId: string, paths: ChangedPaths): void {
    // The next report carries what could not be written.
    this.store(attemptId, paths).catch((error: unknown) =>
      this.options.logger.warn('the changed paths of an attempt were not written', {attemptId, error}),
    );
  }

  private async store(attemptId: string, paths: ChangedPaths): Promise<void> {
    const {fences} = this.options;
    await rewriteAttempt(fences, attemptId, before => {
      const {report, state, paths: known} = before;
      if (report || state === 'ended' || (known && canonicalJson(known) === canonicalJson(paths))) return;
      return {value: {...before, paths}, compare: [exists(fences.keys.live(attemptId))]};
    });
  }
}
