/**
 * One step of a task at a time: its records go to the store in one fenced step, then into the lead's picture; what others wrote meanwhile is
 * taken in before the task is looked at again. Which step is right is decided elsewhere.
 */
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import {encodeRecord} from '../../protocol/model/record.ts';
import {assert} from '../../runtime/assert.ts';
import {putRecord} from '../../store/records.ts';
import type {Compare, Op} from '../../store/store.ts';
import type {Change} from '../deciding/changes.ts';
import {
  type AttemptNode,
  isFinalTask,
  presentAttempts,
  replaceTask,
  type SessionNode,
  type TaskNode,
} from '../fleet/fleet.ts';
import {takeAttempt} from '../fleet/nodes.ts';
import type {Beside} from '../sessions/sessions.ts';
import {guarded, type Term} from '../term/term.ts';
import type {CurrentKeys} from './committer.ts';

export interface StepEffects {
  /** Something about the task may have changed. */
  evaluate(task: TaskNode): void;
  /** An attempt of the task is over; the record is its last state. */
  ended(attempt: AttemptNode, record: AttemptRecord): void;
  finished(task: TaskNode): void;
  /** An attempt of the session may have spent something. */
  spent(session: SessionNode): void;
}

export interface Submission {
  readonly change: Change;
  readonly compare?: readonly Compare[];
  readonly ops?: readonly Op[];
  /** Runs when the task's own records are in place, before anything is decided anew. */
  committed?(revision: number): void;
  /** Runs when nothing was stored, with the compared keys as they are if that was why. */
  refused?(current: CurrentKeys | undefined): void;
  /** Runs when the term ended first. */
  abandoned?(): void;
}

export class TaskSteps {
  private readonly awaited = new Map<TaskNode, (() => void)[]>();
  private readonly idle = new Map<TaskNode, (() => void)[]>();

  constructor(
    private readonly term: Pick<Term, 'committer' | 'depose' | 'faulted' | 'logger'>,
    private readonly effects: StepEffects,
  ) {}

  /** The task must not be busy. */
  submit(task: TaskNode, submission: Submission): void {
    const attempt = endedBy(task, submission.change);
    const {compare, ops} = this.begin(task, submission);
    this.term.committer.submit({
      compare,
      ops,
      committed: revision => this.guarded(task, () => this.committed(task, attempt, submission, revision)),
      refused: current => this.guarded(task, () => this.refused(task, attempt, submission, current)),
      tooLarge: error =>
        this.guarded(task, () => this.tooLarge(task, attempt ?? task.attempt, submission, error)),
      abandoned: () => submission.abandoned?.(),
    });
  }

  /** A step of a task that goes to the store together with its session's record. It must not end an attempt, whose record others write too. */
  beside(task: TaskNode, make: () => Submission): Beside {
    return {
      ready: () => this.whenIdle(task),
      compose: () => {
        const submission = make();
        assert(!submission.change.ended, `a step of ${task.key} beside its session ends no attempt`);
        return {
          ...this.begin(task, submission),
          committed: revision =>
            this.guarded(task, () => this.committed(task, undefined, submission, revision)),
          abandoned: () => {
            this.settled(task);
            this.effects.evaluate(task);
          },
        };
      },
    };
  }

  /** Nothing else is done to the task until this is through. */
  private begin(
    task: TaskNode,
    submission: Submission,
  ): {readonly compare: readonly Compare[]; readonly ops: readonly Op[]} {
    const {change} = submission;
    const {session} = task;
    const attempt = endedBy(task, change);
    const compare: Compare[] = [{key: task.key, target: 'mod', op: '=', operand: task.mod}];
    const ops: Op[] = [putRecord(task.key, change.task)];
    if (attempt && change.ended) {
      const live = session.keys.live(attempt.record.id);
      compare.push(unchangedAttempt(attempt), {key: live, target: 'create', op: '=', operand: attempt.fence});
      ops.push(putRecord(attempt.key, change.ended), {kind: 'delete', key: live});
    }
    if (submission.compare) compare.push(...submission.compare);
    if (submission.ops) ops.push(...submission.ops);
    task.busy = true;
    return {compare, ops};
  }

  /** Stores a new state of a task that changes nothing but itself. */
  rewriteTask(task: TaskNode, change: Change, committed?: () => void): void {
    this.submit(task, committed ? {change, committed} : {change});
  }

  /** Stores a new state of an attempt without ending it, and with it the task's. */
  rewriteAttempt(attempt: AttemptNode, change: Change, record: AttemptRecord, committed?: () => void): void {
    const text = encodeRecord(record);
    this.submit(attempt.task, {
      change,
      compare: [unchangedAttempt(attempt)],
      ops: [{kind: 'put', key: attempt.key, value: text}],
      committed: revision => {
        attempt.record = record;
        attempt.mod = revision;
        attempt.written = text;
        committed?.();
      },
    });
  }

  /** Resolves when no step of the task is under way; never when the term ends first. */
  async whenIdle(task: TaskNode): Promise<void> {
    while (task.busy)
      await new Promise<void>(resolve => {
        this.idle.set(task, [...(this.idle.get(task) ?? []), resolve]);
      });
  }

  /** Resolves when the task has come to its end; never when the term ends first. */
  whenFinal(task: TaskNode): Promise<void> {
    if (isFinalTask(task)) return Promise.resolve();
    return new Promise(resolve => {
      const others = this.awaited.get(task) ?? [];
      this.awaited.set(task, [...others, resolve]);
    });
  }

  private guarded({session}: TaskNode, run: () => void): void {
    guarded(this.term, 'a step of a task', run, session);
  }

  private committed(
    task: TaskNode,
    attempt: AttemptNode | undefined,
    {change, committed}: Submission,
    revision: number,
  ): void {
    this.settled(task);
    if (attempt) {
      if (task.attempt === attempt) task.attempt = task.backup;
      task.backup = undefined;
      attempt.agent.attempts.delete(attempt);
      attempt.talk.end();
    }
    const wasFinal = isFinalTask(task);
    replaceTask(task, change.task, revision);
    committed?.(revision);
    if (attempt && change.ended) this.effects.ended(attempt, change.ended);
    this.catchUp(task);
    if (!wasFinal && isFinalTask(task)) this.finish(task);
  }

  private settled(task: TaskNode): void {
    task.busy = false;
    const waiting = this.idle.get(task);
    this.idle.delete(task);
    for (const resolve of waiting ?? []) resolve();
  }

  private finish(task: TaskNode): void {
    task.wanted = undefined;
    for (const resolve of this.awaited.get(task) ?? []) resolve();
    this.awaited.delete(task);
    this.effects.finished(task);
    for (const dependent of task.dependents)
      if (dependent.missing === 0 || dependent.doomed > 0) this.effects.evaluate(dependent);
  }

  private refused(
    task: TaskNode,
    attempt: AttemptNode | undefined,
    submission: Submission,
    current: CurrentKeys,
  ): void {
    this.settled(task);
    submission.refused?.(current);
    if (current.get(task.key)?.modRevision !== task.mod) {
      this.term.depose(`task ${task.key} was changed by somebody else`);
      return;
    }
    if (attempt) {
      const record = current.get(attempt.key);
      if (!record) {
        this.term.depose(`the record of attempt ${attempt.record.id} is gone`);
        return;
      }
      if (takeAttempt(attempt, record)) this.effects.spent(task.session);
      // Without its live key the attempt has no rights left, and may be ended without it.
      if (!current.has(task.session.keys.live(attempt.record.id))) attempt.fence = 0;
    }
    this.catchUp(task);
  }

  /** The records do not hold it: without the gates' evidence they may, and else the task fails with a text that fits. */
  private tooLarge(
    task: TaskNode,
    attempt: AttemptNode | undefined,
    submission: Submission,
    error: Error,
  ): void {
    this.settled(task);
    submission.refused?.(undefined);
    this.term.logger.warn('what a task left is too large to store', {task: task.key, error});
    const mayFit = attempt?.verification?.verdict !== undefined && attempt.trimmed === undefined;
    if (attempt) attempt.trimmed = mayFit ? 'evidence' : 'report';
    if (!mayFit)
      task.wanted = {kind: 'internal', message: `what it reported is too large to store: ${error.message}`};
    this.effects.evaluate(task);
  }

  /** Takes in what happened while the step was under way, and has the task looked at again. */
  private catchUp(task: TaskNode): void {
    for (const attempt of presentAttempts(task)) {
      const {seen} = attempt;
      attempt.seen = undefined;
      if (seen && takeAttempt(attempt, seen)) this.effects.spent(task.session);
    }
    this.effects.evaluate(task);
  }
}

/** The attempt that the change ends. */
function endedBy(task: TaskNode, {ended}: Change): AttemptNode | undefined {
  return ended && presentAttempts(task).find(({record}) => record.id === ended.id);
}

export function unchangedAttempt(attempt: AttemptNode): Compare {
  return {key: attempt.key, target: 'mod', op: '=', operand: attempt.mod};
}
