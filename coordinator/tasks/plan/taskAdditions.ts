/**
 * Adds tasks to a session that runs or is paused: the grown plan becomes an artifact, each task a record, and last of all the session's own
 * record names the new plan. What was cut off before that leaves tasks in no plan, which the next lead removes.
 */
import {ProtocolError} from '../../protocol/errors.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import {RESULT_TASK_ID} from '../../protocol/model/task.ts';
import {MAX_PLAN_TASKS, type Plan, type TaskSpecification} from '../../protocol/plan/plan.ts';
import {expandTasks} from '../../protocol/plan/split.ts';
import {canonicalJson} from '../../runtime/json.ts';
import {putRecord} from '../../store/records.ts';
import type {Op} from '../../store/store.ts';
import type {TaskControls} from '../controls/taskControls.ts';
import {taskTransition} from '../deciding/taskMachine.ts';
import type {SessionNode, TaskNode} from '../fleet/fleet.ts';
import {growSession, newTaskRecord, taskNode} from '../fleet/nodes.ts';
import type {Admission} from '../sessions/admission.ts';
import {checkPlan} from '../sessions/sessionStarts.ts';
import type {AuditAction, Beside, SessionWriter} from '../sessions/sessions.ts';
import {leadLost} from '../steps/committer.ts';
import type {Conductor} from '../steps/conductor.ts';
import type {Term} from '../term/term.ts';

/** A plan with tasks that the session does not have yet. */
export interface Growth {
  readonly plan: Plan;
  readonly fresh: readonly TaskSpecification[];
}

const TASKS_A_STEP = 100;

export class TaskAdditions {
  constructor(
    private readonly term: Term,
    private readonly admission: Admission,
    private readonly conductor: Conductor,
    private readonly sessions: SessionWriter,
    private readonly controls: Pick<TaskControls, 'inTurn' | 'reconsider'>,
    private readonly added: (tasks: readonly TaskNode[]) => void,
  ) {}

  /**
   * Resolves when the tasks are in the session; those that it has already, word for word, are passed over. Errors: `invalidParams` (the grown
   * plan has problems), `conflict` (with `reason: 'resultBegun'` when the session's result is being merged or was), `tooLarge`, `overloaded` (more than may be open at once).
   */
  async add(
    session: SessionNode,
    tasks: readonly TaskSpecification[],
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const {length} = freshTasks(session.plan, expandTasks(tasks));
    const place = this.admission.open({tenant: session.tenant, sessions: 0, tasks: length});
    const grow = (): Growth => {
      const fresh = freshTasks(session.plan, expandTasks(tasks));
      return {plan: {...session.plan, tasks: [...session.plan.tasks, ...fresh]}, fresh};
    };
    return this.insert(session, grow, audit).finally(() => place.dispose());
  }

  /** As `add`, with a plan whose other tasks may have changed too; `grow` is asked, and `still.check` throws, when its turn has come. */
  insert(
    session: SessionNode,
    grow: () => Growth,
    audit: AuditAction,
    still?: {check(): void; readonly ready: TaskNode},
  ): Promise<SessionRecord> {
    return this.controls.inTurn(session, async () => {
      still?.check();
      const {plan, fresh} = grow();
      if (fresh.length === 0) return session.record;
      checkGrown(session, plan);
      checkOpen(session);
      const digest = await this.term.plans.put(session.tenant, canonicalJson(plan));
      // Nothing is placed and nothing ends until they are in: the result would be merged without them.
      session.held = true;
      try {
        const nodes = fresh.map(spec =>
          taskNode(session, spec, newTaskRecord(session.id, spec, 'plan', audit.principal), 0),
        );
        if (still) await this.conductor.steps.whenIdle(still.ready);
        still?.check();
        await this.putTasks(nodes);
        return await this.store(session, plan, digest, nodes, audit).catch(async (error: unknown) => {
          await this.removeTasks(nodes);
          throw error;
        });
      } finally {
        session.held = false;
        this.controls.reconsider(session);
      }
    });
  }

  private store(
    session: SessionNode,
    plan: Plan,
    digest: string,
    nodes: readonly TaskNode[],
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const {counts} = session;
    const patch = (): Partial<SessionRecord> => ({
      plan: digest,
      counts: {
        ...counts,
        total: counts.total + nodes.length,
        waiting: counts.waiting + nodes.length,
      },
    });
    const grow = (): void => this.grow(session, plan, nodes);
    return this.sessions.update(session, patch, audit, this.beside(session, grow));
  }

  /** The merge of the result waits for the added tasks too, so it is moved in the same transaction. */
  private beside(session: SessionNode, grow: () => void): Beside {
    const result = session.tasks.get(RESULT_TASK_ID);
    if (result)
      return this.conductor.steps.beside(result, () => {
        checkOpen(session);
        const {record} = result;
        const task =
          record.state === 'ready'
            ? taskTransition(record, 'defer', {waitingFor: undefined, readyAt: undefined})
            : record;
        return {change: {task}, committed: grow};
      });
    return {
      ready: () => Promise.resolve(),
      compose: () => {
        checkOpen(session);
        return {compare: [], ops: [], committed: grow, abandoned: () => undefined};
      },
    };
  }

  /** Tasks that wait are put in order anew: the added ones may have changed which of them matters most. */
  private grow(session: SessionNode, plan: Plan, nodes: readonly TaskNode[]): void {
    for (const task of session.tasks.values()) this.term.queue.remove(task);
    growSession(session, plan, nodes);
    session.dirty = true;
    this.added(nodes);
  }

  /** Overwrites what an earlier try may have left. */
  private async putTasks(nodes: readonly TaskNode[]): Promise<void> {
    for (let at = 0; at < nodes.length; at += TASKS_A_STEP) {
      const step = nodes.slice(at, at + TASKS_A_STEP);
      const revision = await this.term.committer.run(
        [],
        step.map(({key, record}) => putRecord(key, record)),
      );
      if (revision === undefined) throw leadLost();
      for (const node of step) node.mod = revision;
    }
  }

  /** As well as may be: the next lead removes what is left. */
  private async removeTasks(nodes: readonly TaskNode[]): Promise<void> {
    for (let at = 0; at < nodes.length; at += TASKS_A_STEP) {
      const ops = nodes.slice(at, at + TASKS_A_STEP).map(({key}): Op => ({kind: 'delete', key}));
      await this.term.committer.run([], ops).catch((error: unknown) => {
        if (!this.term.signal.aborted)
          this.term.logger.warn('tasks that were not added are left behind', {error});
      });
    }
  }
}

/** Those that the plan does not have. Throws `conflict` for one that it has under its id with other words. */
function freshTasks(plan: Plan, tasks: readonly TaskSpecification[]): TaskSpecification[] {
  const present = new Map(plan.tasks.map(task => [task.id, task]));
  return tasks.filter(task => {
    const known = present.get(task.id);
    if (!known) return true;
    // One that was divided while it ran is another by now.
    if (task.split && known.parts !== undefined) return false;
    if (canonicalJson(known) === canonicalJson(task)) return false;
    throw new ProtocolError('conflict', `the session has a task "${task.id}" already, which is another one`, {
      taskId: task.id,
    });
  });
}

/** Throws what a session's start with the whole plan would. */
function checkGrown({record}: SessionNode, plan: Plan): void {
  checkPlan(plan, {workspace: record.workspace});
  if (plan.tasks.length > MAX_PLAN_TASKS)
    throw new ProtocolError('tooLarge', `a session has at most ${MAX_PLAN_TASKS} tasks`);
}

/** Throws `conflict` when nothing can be added any more. */
function checkOpen(session: SessionNode): void {
  const {state} = session.record;
  if (state !== 'running' && state !== 'paused')
    throw new ProtocolError('conflict', `session ${session.id} is ${state}: it takes no more tasks`);
  const result = session.tasks.get(RESULT_TASK_ID);
  if (result && (result.record.attempts > 0 || result.mergedBy !== undefined))
    throw new ProtocolError(
      'conflict',
      `the results of session ${session.id} are being merged: it takes no more tasks. Nothing was added; a new session can start from its result`,
      {reason: 'resultBegun'},
    );
}
