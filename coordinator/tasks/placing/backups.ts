/**
 * Second attempts of tasks whose first takes far longer than expected. One is worth it where a fresh try elsewhere would be done long before the
 * straggler; all together may cost a small share of the work that was started. Decides; who runs them, and which of the two counts, is the
 * lead's.
 */
import type {BackupOf} from '../../protocol/model/attempt.ts';
import {mayRunTwice} from '../../protocol/plan/speculation.ts';
import {partTaskId} from '../../protocol/plan/split.ts';
import type {AttemptNode, TaskNode} from '../fleet/fleet.ts';
import {describePlacement} from '../queue/readyQueue.ts';
import {Costs} from './expected.ts';
import type {Cell, PassParts} from './pass.ts';
import type {Now} from './placement.ts';

/** Of the expected work of all attempts that were started. */
export const BACKUP_SHARE = 0.05;
/** Expected work that may be spent before anything is earned, in ms. */
const FIRST_CREDIT_MS = 120_000;
const MOST_CREDIT_MS = 3_600_000;
/** What may be owed for tasks that others wait for, until enough is earned again. */
const MOST_DEBT_MS = 1_200_000;
/** The straggler must still need this many times what a fresh try takes. */
const WORTH = 1.3;
/** The same while nothing is left to spend, and how much less for each backup of its size that could be paid. */
const EVEN_WORTH = 2.1;
const WORTH_OF_CREDIT = 0.2;
/** Looked at from this many times the usual duration on: many that are only somewhat late would be done before a second attempt. */
const LOOKED_AT = 2.5;
/** The same of one that other tasks wait for: while it is late, so is all of them. */
const LOOKED_AT_AWAITED = 1.3;
/** All are looked at no more often than this. */
const LOOK_MS = 1000;
/** And each of them no more often than this. */
const RELOOK_MS = 5000;
/** What has taken so long is likely to be stuck: it is expected to take as long once more, times this. */
const TAIL = 1;

export interface Backup {
  readonly task: TaskNode;
  readonly beside: BackupOf;
  readonly index: number;
  readonly costs: Costs;
  readonly costMs: number;
  readonly considered: readonly number[];
}

/** An attempt that has run for far longer than expected; times in ms. */
interface Late {
  readonly attempt: AttemptNode;
  readonly elapsedMs: number;
  readonly expectedMs: number;
  /** What it may still need. */
  readonly leftMs: number;
}

export class Backups {
  private creditMs = FIRST_CREDIT_MS;
  /** Hub time before which the attempt need not be looked at again. */
  private readonly lookedAt = new WeakMap<AttemptNode, number>();
  private nextAt = 0;

  constructor(private readonly parts: PassParts) {}

  /** An attempt was started that is expected to take so long. */
  earn(expectedMs: number): void {
    this.creditMs = Math.min(MOST_CREDIT_MS, this.creditMs + BACKUP_SHARE * expectedMs);
  }

  /** It is time for a look. */
  isDue({hub}: Now): boolean {
    return hub >= this.nextAt;
  }

  /** Those that may start now, the most useful first; the caller reserves as it takes them. */
  *due(cell: Cell, now: Now): Generator<Backup> {
    if (!this.isDue(now)) return;
    this.nextAt = now.hub + LOOK_MS;
    const late = this.late(cell, now, attempt => {
      if (!this.mayDouble(attempt) || (this.lookedAt.get(attempt) ?? 0) > now.hub) return false;
      this.lookedAt.set(attempt, now.hub + RELOOK_MS);
      return true;
    });
    for (const straggler of late) {
      const {attempt, leftMs} = straggler;
      if (waitsForOthers(attempt)) continue;
      const backup = this.backupOf(straggler, cell.free, now);
      if (!backup || leftMs < this.worth(attempt.task, backup.costMs) * backup.costMs) continue;
      this.creditMs -= backup.costMs;
      yield backup;
    }
  }

  /** One that had a backup whose work failed has no other. */
  private mayDouble({task, record}: AttemptNode): boolean {
    if (!mayRunTwice(task.spec) || record.rival !== undefined || task.record.recheck) return false;
    if (task.busy || task.queuedIn || task.wanted) return false;
    return this.parts.mayDouble(task);
  }

  /** Tasks that would be done sooner elsewhere, whether they allow a second attempt or not. */
  stragglers(cell: Cell, now: Now): TaskNode[] {
    return this.late(cell, now, () => true)
      .filter(straggler => this.backupOf(straggler, cell.free, now) !== undefined)
      .map(({attempt}) => attempt.task);
  }

  /**
   * How many times what a fresh try takes the straggler must still need: more, the less credit there is. What is hopeless may run up a debt, so
   * that a large task does not wait for a credit that small ones spend first.
   */
  private worth(task: TaskNode, costMs: number): number {
    if (isAwaited(task) && this.creditMs > -MOST_DEBT_MS) return WORTH;
    return Math.max(WORTH, EVEN_WORTH - WORTH_OF_CREDIT * (this.creditMs / costMs));
  }

  /** Attempts that have run for far longer than expected, with what they may still need, the worst first. */
  private late({members}: Cell, now: Now, isWanted: (attempt: AttemptNode) => boolean): Late[] {
    const late: Late[] = [];
    for (const index of members)
      for (const attempt of this.parts.roster.agents[index]?.attempts ?? []) {
        const {task, record} = attempt;
        const isWorking = record.state === 'assigned' || record.state === 'running';
        if (task.attempt !== attempt || task.backup || !isWorking || !isWanted(attempt)) continue;
        const elapsed = now.wall - record.assignedAt;
        const expectedMs = this.parts.learned.usualMs(task, index, now.hub);
        if (elapsed < (isAwaited(task) ? LOOKED_AT_AWAITED : LOOKED_AT) * expectedMs) continue;
        late.push({attempt, elapsedMs: elapsed, expectedMs, leftMs: TAIL * elapsed});
      }
    return late.sort((a, b) => b.leftMs - a.leftMs);
  }

  private backupOf(
    {attempt: straggler, elapsedMs, expectedMs, leftMs}: Late,
    free: readonly number[],
    now: Now,
  ): Backup | undefined {
    const {roster, learned, eligibility} = this.parts;
    const {task} = straggler;
    const placement = describePlacement(task);
    if (!this.parts.mayStart(placement)) return undefined;
    const among = free.filter(
      index =>
        (roster.free[index] ?? 0) > 0 &&
        roster.agents[index] !== straggler.agent &&
        eligibility.mayTake(placement, task, index, now.wall),
    );
    const costs = new Costs(task, roster, learned, now.hub);
    let best = -1;
    for (const index of among) if (best < 0 || costs.on(index) < costs.on(best)) best = index;
    if (best < 0) return undefined;
    const costMs = costs.on(best);
    if (leftMs < WORTH * costMs) return undefined;
    const beside = {attemptId: straggler.record.id, elapsedMs, expectedMs, leftMs};
    return {task, beside, index: best, costs, costMs, considered: among};
  }
}

function isAwaited(task: TaskNode): boolean {
  return task.dependents.length > 0;
}

/** It has asked for tasks, which a backup may not: that takes long, and would again. */
function waitsForOthers({task: {session, spec}}: AttemptNode): boolean {
  return session.tasks.has(partTaskId(spec.id, 1));
}
