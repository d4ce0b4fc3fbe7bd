/**
 * Undoes what tasks did: the intent is in the store, each task is one step after its compensation, and the session's end is the one flip that
 * people see. Every step follows from the records, so another lead goes on where one was killed; nothing is undone twice but what the plan's own
 * command does.
 */
import {AttemptRecord} from '../../protocol/model/attempt.ts';
import type {TaskResult} from '../../protocol/model/task.ts';
import {readRecord} from '../../store/records.ts';
import {reportedResult} from '../controls/steering.ts';
import {lastAttemptId} from '../deciding/changes.ts';
import {taskTransition} from '../deciding/taskMachine.ts';
import {isWorkedOff, type SessionNode, type TaskNode} from '../fleet/fleet.ts';
import type {AuditAction, SessionWriter} from '../sessions/sessions.ts';
import {leadLost} from '../steps/committer.ts';
import type {Conductor} from '../steps/conductor.ts';
import type {SubjectTasks} from '../subjects/subjectTasks.ts';
import type {Term} from '../term/term.ts';
import {MemoryUndo} from './memoryUndo.ts';
import {rollbackIntent} from './rollbackIntent.ts';
import {isRollingBack, isUndoDue, nextToUndo, strategyOf} from './rollbackScope.ts';
import {undoTask} from './undoTask.ts';

export interface RollbackParts {
  readonly term: Term;
  readonly sessions: SessionWriter;
  readonly subjects: SubjectTasks;
  readonly conductor: () => Pick<Conductor, 'steps'>;
  /** Looks at every task of the session that is not at its end. */
  readonly reconsider: (session: SessionNode) => void;
  /** Its last step is done, and it was not the session that was rolled back. */
  readonly workedOff: (session: SessionNode) => void;
  readonly ended: (session: SessionNode) => void;
}

const TROUBLES_NAMED = 5;

export class Rollbacks {
  /** Sessions that are being worked on, and whether to look at them once more. */
  private readonly busy = new Map<SessionNode, {again: boolean}>();

  private readonly memory: MemoryUndo;

  constructor(private readonly parts: RollbackParts) {
    this.memory = new MemoryUndo(parts.term);
  }

  /** Something of the session is to be undone before it may end. */
  holds(session: SessionNode): boolean {
    if (isRollingBack(session)) return true;
    for (const task of session.tasks.values()) if (isUndoDue(task)) return true;
    return false;
  }

  /** Call whenever something of it may be undone now. */
  advance(session: SessionNode): void {
    const state = this.busy.get(session);
    if (state) {
      state.again = true;
      return;
    }
    if (session.closed) return;
    const mine = {again: false};
    this.busy.set(session, mine);
    void this.run(session)
      .catch((error: unknown) => {
        if (!this.parts.term.signal.aborted) this.parts.term.faulted('a rollback', error, session);
      })
      .finally(() => {
        this.busy.delete(session);
        if (mine.again && !this.parts.term.signal.aborted) this.advance(session);
      });
  }

  private async run(session: SessionNode): Promise<void> {
    for (;;) {
      if (session.closed) return;
      // Nothing is undone while something may still be done.
      if (isRollingBack(session) && !isWorkedOff(session)) return;
      const task = nextToUndo(session);
      if (!task) break;
      const {scope, syncPoint} = strategyOf(task);
      const isWider = scope === 'session' || scope === 'syncPoint';
      if (isWider && !isRollingBack(session)) await this.widen(task, syncPoint);
      else await this.undo(task);
    }
    if (isRollingBack(session)) await this.finish(session);
    else if (isWorkedOff(session)) this.parts.workedOff(session);
  }

  /** The gate of one task takes the session with it. */
  private async widen({session, spec, record}: TaskNode, syncPoint: string | undefined): Promise<void> {
    const {term, sessions, reconsider} = this.parts;
    const {principal, clock} = term;
    const why = `task ${spec.id}: ${record.failure?.message.split('\n', 1)[0] ?? 'a gate failed'}`;
    const audit: AuditAction = {
      action: 'session.rollback',
      principal,
      detail: {mode: 'rollback', task: spec.id, ...(syncPoint === undefined ? {} : {syncPoint})},
    };
    await sessions.update(session, () => rollbackIntent(syncPoint, principal, clock.wallNow(), why), audit);
    reconsider(session);
  }

  private async undo(task: TaskNode): Promise<void> {
    const {steps} = this.parts.conductor();
    const troubles = [await this.compensate(task), await this.memory.undo(task)].filter(
      one => one !== undefined,
    );
    const trouble = troubles.length > 0 ? troubles.join('\n').slice(0, 2048) : undefined;
    await steps.whenIdle(task);
    const {session, spec} = task;
    const record = taskTransition(task.record, 'rollBack', {
      undo: undefined,
      rolledBack: {at: this.parts.term.clock.wallNow(), ...(trouble === undefined ? {} : {trouble})},
    });
    await new Promise<void>((resolve, reject) => {
      steps.submit(task, {
        change: {task: record},
        // What names the result goes with it.
        ops: [{kind: 'delete', key: session.keys.ref(session.id, spec.id)}],
        committed: () => resolve(),
        abandoned: () => reject(leadLost()),
      });
    });
  }

  /** By the plan's command, as an attempt like any other. Resolves to what went wrong. */
  private async compensate(task: TaskNode): Promise<string | undefined> {
    const {session, spec, record} = task;
    const undo = undoTask(spec);
    if (!undo || record.attempts === 0) return undefined;
    const result = await this.resultOf(task);
    const about = {
      taskId: spec.id,
      attemptId: lastAttemptId(record),
      to: result.commit,
    };
    const node = await this.parts.subjects.begin(session, {spec: undo, origin: 'undo', about, result});
    await this.parts.conductor().steps.whenFinal(node);
    if (node.record.state === 'succeeded') return undefined;
    return `its compensation did not succeed: ${node.record.failure?.message ?? node.record.state}`.slice(
      0,
      2048,
    );
  }

  private async resultOf({session, record}: TaskNode): Promise<TaskResult> {
    if (record.state === 'succeeded') return record.result ?? {summary: ''};
    const key = session.keys.attempt(lastAttemptId(record));
    const stored = await readRecord(this.parts.term.store, AttemptRecord, key);
    return (stored && reportedResult(stored.value)) ?? {summary: ''};
  }

  private async finish(session: SessionNode): Promise<void> {
    const {term, sessions, ended} = this.parts;
    const failure = outcomeText(session);
    await sessions.update(
      session,
      () => ({
        state: 'rolledBack',
        endedAt: term.clock.wallNow(),
        endingAs: undefined,
        endMode: undefined,
        pauseReason: undefined,
        result: undefined,
        failure,
      }),
      {action: 'session.rolledBack', principal: term.principal, detail: {spentUsd: session.spentUsd}},
    );
    term.fleet.dropSession(session);
    ended(session);
  }
}

function outcomeText({record, tasks}: SessionNode): string {
  const nodes = [...tasks.values()].filter(node => node.record.state === 'rolledBack');
  const point = record.rollback?.syncPoint;
  const troubled = nodes.filter(node => node.record.rolledBack?.trouble !== undefined);
  const lines = [
    ...(record.failure === undefined ? [] : [record.failure]),
    `rolled back${point === undefined ? '' : ` to the synchronisation point "${point}"`}: ${nodes.length} ${nodes.length === 1 ? 'task is' : 'tasks are'} undone`,
    ...troubled
      .slice(0, TROUBLES_NAMED)
      .map(({spec, record: {rolledBack}}) => `${spec.id}: ${rolledBack?.trouble?.split('\n', 1)[0]}`),
  ];
  if (troubled.length > TROUBLES_NAMED) lines.push(`and ${troubled.length - TROUBLES_NAMED} more`);
  return lines.join('\n').slice(0, 8192);
}
