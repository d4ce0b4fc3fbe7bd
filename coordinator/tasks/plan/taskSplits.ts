/**
 * Divides the task of a running attempt, or adds the tasks that it asks for: the plan grows as it does for a person, in the name of the attempt. Its
 * steps may be repeated: a lead that dies on the way leaves tasks in no plan, which the next one removes, and the attempt asks again.
 */
import type {TaskSplitDone, TaskSplitRequest} from '../../protocol/commands/attempt.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {Plan, TaskSpecification} from '../../protocol/plan/plan.ts';
import {dividedTask, partTaskId} from '../../protocol/plan/split.ts';
import {canonicalJson} from '../../runtime/json.ts';
import type {Principal} from '../../security/principal.ts';
import type {SessionNode, TaskNode} from '../fleet/fleet.ts';
import {taskOfAttempt} from '../results/dependencies.ts';
import type {Term} from '../term/term.ts';
import type {Growth, TaskAdditions} from './taskAdditions.ts';

export class TaskSplits {
  constructor(
    private readonly term: Term,
    private readonly additions: TaskAdditions,
  ) {}

  /**
   * Resolves once the tasks are in the session. Errors: `staleFence`, `forbidden`, `invalidParams`; `conflict` for other words under a number that is taken,
   * with `next`, the first that is free, in `data`.
   */
  async split(params: TaskSplitRequest, principal: Principal): Promise<TaskSplitDone> {
    const task = await taskOfAttempt(this.term, params, principal);
    const {session} = task;
    if (task.backup?.record.id === params.attemptId && task.backup.record.backup)
      throw new ProtocolError(
        'forbidden',
        `attempt ${params.attemptId} runs beside another one of task ${task.spec.id}, which alone may ask for tasks`,
      );
    if (task.mergedBy !== undefined)
      throw new ProtocolError(
        'invalidParams',
        `task ${task.spec.id} begins with a merge of its own and cannot be divided`,
      );
    let taskIds: readonly string[] = [];
    const grow = (): Growth => {
      const {split} = params;
      const grown = split.kind === 'parts' ? divided(task, split.parts) : delegated(task, split);
      taskIds = grown.taskIds;
      return grown;
    };
    const stillRuns = (): void => {
      if (task.attempt?.record.id !== params.attemptId)
        throw new ProtocolError('staleFence', `attempt ${params.attemptId} is over; nothing was added`, {
          attemptId: params.attemptId,
        });
    };
    const audit = {
      action: 'task.split',
      principal: principal.id,
      detail: {attempt: params.attemptId, kind: params.split.kind},
    };
    await this.additions.insert(session, grow, audit, {check: stillRuns, ready: task});
    return {taskIds: [...taskIds]};
  }
}

interface Grown extends Growth {
  readonly taskIds: readonly string[];
}

/** A task that was divided stays as it is, whatever parts are named now. */
function divided(task: TaskNode, parts: readonly (readonly string[])[]): Grown {
  const {session, spec} = task;
  if (spec.parts !== undefined) return {plan: session.plan, fresh: [], taskIds: spec.dependsOn};
  const tasks = dividedTask(spec, parts);
  const fresh = tasks.slice(0, -1);
  const plan = withTasks(session.plan, spec.id, tasks);
  return {plan, fresh, taskIds: fresh.map(({id}) => id)};
}

function delegated(
  {session, spec}: TaskNode,
  {first, tasks}: Extract<TaskSplitRequest['split'], {kind: 'tasks'}>,
): Grown {
  const children = tasks.map((task, at): TaskSpecification => {
    const index = first + at;
    const id = partTaskId(spec.id, index);
    return {...asAllowed(task, spec), id, dependsOn: spec.dependsOn, parent: {taskId: spec.id, index}};
  });
  const fresh = children.filter(child => isNew(session, child, spec.id));
  const taskIds = children.map(({id}) => id);
  if (fresh.length === 0) return {plan: session.plan, fresh, taskIds};
  const own = session.plan.tasks.find(({id}) => id === spec.id) ?? spec;
  const plan = withTasks(session.plan, spec.id, [...fresh, own]);
  const added = new Set(fresh.map(({id}) => id));
  return {plan: {...plan, tasks: plan.tasks.map(task => dependingOn(task, spec.id, added))}, fresh, taskIds};
}

/**
 * What an attempt asks of others may not do more than the attempt itself may: a conversation hands on its own permissions, variables and secrets, and no
 * commands; a command, which may do anything on its machine, hands on the secrets that it has.
 */
function asAllowed(task: TaskSpecification, parent: TaskSpecification): TaskSpecification {
  const {work} = task;
  const secrets = task.secrets.filter(name => parent.secrets.includes(name));
  const missing = task.secrets.find(name => !parent.secrets.includes(name));
  if (missing !== undefined) throw refused(parent, `hand on the secret ${missing}, which it does not have`);
  if (work.kind !== 'prompt' && work.kind !== 'run')
    throw refused(parent, `ask for a task of kind ${work.kind}`);
  if (parent.work.kind !== 'prompt') return {...task, secrets};
  const {permissions} = parent.work;
  if (work.kind === 'run') {
    if (permissions.mode !== 'bypass')
      throw refused(parent, 'ask for commands: it may not run any it likes itself');
    return {...task, secrets};
  }
  const {env} = parent;
  return {
    ...task,
    secrets,
    env,
    gates: [],
    rollback: undefined,
    split: undefined,
    work: {...work, permissions},
  };
}

function refused({id}: TaskSpecification, what: string): ProtocolError {
  return new ProtocolError('forbidden', `an attempt of task ${id} may not ${what}; nothing was added`);
}

function isNew(session: SessionNode, child: TaskSpecification, parentId: string): boolean {
  const known = session.tasks.get(child.id)?.spec;
  if (!known) return true;
  if (canonicalJson(known) === canonicalJson(child)) return false;
  const numbers = [...session.tasks.values()].flatMap(({spec: {parent}}) =>
    parent?.taskId === parentId ? [parent.index] : [],
  );
  throw new ProtocolError('conflict', `task ${child.id} is there already and is another one`, {
    taskId: child.id,
    next: Math.max(...numbers) + 1,
  });
}

/** These tasks in place of the one with this id. */
function withTasks(plan: Plan, id: string, tasks: readonly TaskSpecification[]): Plan {
  return {...plan, tasks: plan.tasks.flatMap(task => (task.id === id ? tasks : [task]))};
}

/** Whoever waits for the task waits for what it has asked for, and starts from that too. */
function dependingOn(task: TaskSpecification, id: string, added: ReadonlySet<string>): TaskSpecification {
  if (!task.dependsOn.includes(id) || added.has(task.id)) return task;
  return {...task, dependsOn: task.dependsOn.flatMap(other => (other === id ? [...added, id] : [other]))};
}
