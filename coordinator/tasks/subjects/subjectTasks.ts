/**
 * Tasks that are about what an attempt of another task left: one task for all attempts, which begins anew for each. They are placed, run and
 * lost like any other task, but are no part of the plan: they do not count, and nothing depends on them.
 */
import type {AttemptSubject, TaskRecord, TaskResult} from '../../protocol/model/task.ts';
import type {TaskSpecification} from '../../protocol/plan/plan.ts';
import {absent, putRecord} from '../../store/records.ts';
import {taskTransition} from '../deciding/taskMachine.ts';
import {addTask, isFinalTask, type SessionNode, type TaskNode} from '../fleet/fleet.ts';
import {newTaskRecord, taskNode} from '../fleet/nodes.ts';
import {constantDurations} from '../plan/durationModel.ts';
import {leadLost} from '../steps/committer.ts';
import type {Conductor} from '../steps/conductor.ts';
import type {Term} from '../term/term.ts';

export interface SubjectTask {
  readonly spec: TaskSpecification;
  readonly origin: Extract<TaskRecord['origin'], 'review' | 'undo'>;
  readonly about: AttemptSubject;
  /** What the attempt left. */
  readonly result: TaskResult;
}

export class SubjectTasks {
  constructor(
    private readonly term: Term,
    private readonly conductor: () => Pick<Conductor, 'steps' | 'evaluate'>,
  ) {}

  /** The task that is about this subject now; undefined when it was never begun. */
  find(session: SessionNode, id: string, attemptId: string): TaskNode | undefined {
    const node = session.tasks.get(id);
    return node?.record.about?.attemptId === attemptId ? node : undefined;
  }

  /** Resolves when the task is there and about the subject; asked again it is the same one. */
  async begin(session: SessionNode, task: SubjectTask): Promise<TaskNode> {
    const {spec, about, result} = task;
    const known = this.find(session, spec.id, about.attemptId);
    if (known) return known;
    const node = session.tasks.get(spec.id);
    if (!node) return this.insert(session, task);
    this.abandon(node);
    const {steps} = this.conductor();
    await steps.whenFinal(node);
    await steps.whenIdle(node);
    return new Promise((resolve, reject) => {
      const record = taskTransition(node.record, 'redo', {...NOTHING_DONE, about});
      steps.submit(node, {
        change: {task: record},
        committed: () => {
          node.spec = spec;
          node.subject = {taskId: about.taskId, result};
          forgetStart(node);
          resolve(node);
        },
        abandoned: () => reject(leadLost()),
      });
    });
  }

  /** Nobody wants its outcome any more. */
  abandon(node: TaskNode): void {
    if (isFinalTask(node)) return;
    node.wanted = {kind: 'cancelled', message: 'what it is about is over'};
    this.conductor().evaluate(node);
  }

  /** Those that are about what this attempt left. */
  abandonAll(session: SessionNode, attemptId: string): void {
    for (const node of session.tasks.values())
      if (node.record.about?.attemptId === attemptId) this.abandon(node);
  }

  private async insert(session: SessionNode, {spec, origin, about, result}: SubjectTask): Promise<TaskNode> {
    const {committer, principal, depose} = this.term;
    const record: TaskRecord = {...newTaskRecord(session.id, spec, origin, principal), about};
    const key = session.keys.task(session.id, spec.id);
    const revision = await committer.run([absent(key)], [putRecord(key, record)]);
    if (revision === undefined) {
      depose(`task ${key} was made by somebody else`);
      throw leadLost();
    }
    const node = taskNode(session, spec, record, revision);
    node.subject = {taskId: about.taskId, result};
    node.rank = (session.tasks.get(about.taskId)?.rank ?? 0) + constantDurations(spec);
    addTask(node);
    this.conductor().evaluate(node);
    return node;
  }
}

const NOTHING_DONE = {
  retries: 0,
  losses: 0,
  result: undefined,
  failure: undefined,
  gates: undefined,
  endedAt: undefined,
  readyAt: undefined,
  notBefore: undefined,
  waitingFor: undefined,
} satisfies Partial<TaskRecord>;

function forgetStart(node: TaskNode): void {
  node.avoid = [];
  node.previous = undefined;
  node.leastUsd = 0;
  node.lostOn.clear();
}
