/**
 * Counts what was spent by attempts that are over: agents tell it after the end, effects put it into the attempt's record with a mark. The
 * difference goes to the totals of task, session and day in the step that takes the mark away, so that no dollar counts twice.
 */
import {parseAttemptId} from '../../protocol/ids.ts';
import {AttemptRecord} from '../../protocol/model/attempt.ts';
import {tenantKeys} from '../../protocol/model/keys.ts';
import {SessionRecord} from '../../protocol/model/session.ts';
import {TaskRecord} from '../../protocol/model/task.ts';
import {addUsage, moreUsage, type Usage} from '../../protocol/usage.ts';
import {putRecord, readRecord, type Stored, unchanged} from '../../store/records.ts';
import type {Compare, Op} from '../../store/store.ts';
import type {SessionNode} from '../fleet/fleet.ts';
import type {SessionWriter} from '../sessions/sessions.ts';
import type {TaskSteps} from '../steps/taskSteps.ts';
import type {Term} from '../term/term.ts';

interface Mark {
  readonly tenant: string;
  readonly attemptId: string;
}

/** What is to be counted, with the step that says it is. */
interface Due {
  readonly more: Usage;
  readonly isBackup: boolean;
  readonly compare: readonly Compare[];
  readonly ops: readonly Op[];
}

export class LateUsages {
  private readonly waiting = new Map<string, Mark>();
  private settling = false;

  constructor(
    private readonly term: Term,
    private readonly steps: TaskSteps,
    private readonly sessions: SessionWriter,
    private readonly spent: (session: SessionNode) => void,
  ) {}

  /** The attempt is marked in the store. */
  note(tenant: string, attemptId: string): void {
    this.waiting.set(`${tenant}/${attemptId}`, {tenant, attemptId});
  }

  /** Counts what is marked. What cannot be counted now is tried again by the next call. */
  async settle(): Promise<void> {
    if (this.settling || this.waiting.size === 0) return;
    this.settling = true;
    try {
      for (const [name, mark] of [...this.waiting]) {
        // A mark that is put again meanwhile counts anew.
        this.waiting.delete(name);
        if (!(await this.count(mark))) this.note(mark.tenant, mark.attemptId);
      }
    } finally {
      this.settling = false;
    }
  }

  private async count(mark: Mark): Promise<boolean> {
    const id = parseAttemptId(mark.attemptId);
    const due = id && (await this.due(mark));
    if (!id || !due) return true;
    const session = this.term.fleet.session(mark.tenant, id.sessionId);
    return session
      ? this.countIn(session, id.taskId, due)
      : this.sessions.alone(() => this.countEnded(mark.tenant, id.sessionId, id.taskId, due));
  }

  /** Undefined when the mark stands for nothing; then it is gone. */
  private async due({tenant, attemptId}: Mark): Promise<Due | undefined> {
    const {store, committer} = this.term;
    const keys = tenantKeys(tenant);
    const unmark: Op = {kind: 'delete', key: keys.lateUsage(attemptId)};
    const attempt = await readRecord(store, AttemptRecord, keys.attempt(attemptId));
    if (!attempt?.value.counted) {
      const key = keys.attempt(attemptId);
      await committer.run([{key, target: 'mod', op: '=', operand: attempt?.modRevision ?? 0}], [unmark]);
      return undefined;
    }
    const {counted, ...value} = attempt.value;
    return {
      more: moreUsage(value.usage, counted),
      isBackup: value.backupOf !== undefined,
      compare: [unchanged(attempt)],
      ops: [putRecord(attempt.key, value), unmark],
    };
  }

  private countIn(
    session: SessionNode,
    taskId: string,
    {more, isBackup, compare, ops}: Due,
  ): Promise<boolean> {
    const task = session.tasks.get(taskId);
    if (!task || task.busy || session.held || session.closed) return Promise.resolve(false);
    const change = {task: {...task.record, usage: addUsage(task.record.usage, more)}};
    return new Promise(resolve => {
      this.steps.submit(task, {
        change,
        compare,
        ops,
        committed: () => {
          session.spentUsd += more.costUsd;
          if (isBackup) session.speculation.spentUsd += more.costUsd;
          session.dirty = true;
          this.spent(session);
          resolve(true);
        },
        refused: () => resolve(false),
        abandoned: () => resolve(false),
      });
    });
  }

  /** Of a session that nobody works on. */
  private async countEnded(tenant: string, sessionId: string, taskId: string, due: Due): Promise<boolean> {
    const {store, fleet, committer, budgets, principal} = this.term;
    if (fleet.session(tenant, sessionId)) return false;
    const keys = tenantKeys(tenant);
    const [session, task] = await Promise.all([
      readRecord(store, SessionRecord, keys.session(sessionId)),
      readRecord(store, TaskRecord, keys.task(sessionId, taskId)),
    ]);
    const {more, isBackup} = due;
    const day = budgets.addToDay(tenant, keys, more.costUsd);
    const revision = await committer.run(
      [
        ...due.compare,
        ...[session, task].flatMap(stored => (stored ? [unchanged(stored)] : [])),
        ...day.compare,
      ],
      [
        ...due.ops,
        ...withMore(task, record => ({...record, principal, usage: addUsage(record.usage, more)})),
        ...withMore(session, record => ({
          ...record,
          principal,
          spentUsd: record.spentUsd + more.costUsd,
          speculation: isBackup ? spentMore(record.speculation, more.costUsd) : record.speculation,
        })),
        ...day.ops,
      ],
    );
    if (revision !== undefined) day.committed(revision);
    return revision !== undefined;
  }
}

function spentMore(speculation: SessionRecord['speculation'], usd: number): SessionRecord['speculation'] {
  return speculation && {...speculation, spentUsd: speculation.spentUsd + usd};
}

function withMore<T extends object>(stored: Stored<T> | undefined, change: (record: T) => T): Op[] {
  return stored ? [putRecord(stored.key, change(stored.value))] : [];
}
