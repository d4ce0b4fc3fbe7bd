/** Makes the nodes of the lead's picture from records, and takes newer records into them. */
import {placementRule} from '../../balancing/placementRules.ts';
import {AttemptRecord} from '../../protocol/model/attempt.ts';
import {tenantKeys} from '../../protocol/model/keys.ts';
import {modesOf} from '../../protocol/model/mode.ts';
import {parseRecord, RECORD_VERSION} from '../../protocol/model/record.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import {type Failure, RESULT_TASK_ID, type TaskRecord} from '../../protocol/model/task.ts';
import type {Plan, TaskSpecification} from '../../protocol/plan/plan.ts';
import {NO_USAGE} from '../../protocol/usage.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {KeyValue} from '../../store/store.ts';
import {constantDurations, type DurationModel} from '../plan/durationModel.ts';
import {resultTask} from '../plan/implicitTasks.ts';
import {upwardRanks} from '../plan/taskGraph.ts';
import {
  type AgentNode,
  type AttemptNode,
  addTask,
  emptyCounts,
  linkDependencies,
  type SessionNode,
  type TaskNode,
  unlinkDependencies,
} from './fleet.ts';
import {Talk} from './talk.ts';

/** Throws `incompatible` when the session's strategy is not known to this build. */
export function sessionNode(tenant: string, plan: Plan, record: SessionRecord, mod: number): SessionNode {
  const rule = placementRule(record.strategy);
  if (!rule)
    throw new CoordinatorError(
      'incompatible',
      `session ${record.id} wants the strategy "${record.strategy}", which this build does not know`,
    );
  return {
    tenant,
    id: record.id,
    keys: tenantKeys(tenant),
    plan,
    rule,
    modes: modesOf('hybrid', record.mode ?? plan.mode),
    record,
    mod,
    tasks: new Map(),
    counts: emptyCounts(),
    aside: 0,
    spentUsd: record.spentUsd,
    speculation: {begun: 0, won: 0, spentUsd: 0},
    dirty: false,
    closed: false,
    held: false,
  };
}

/** The tasks of a plan with those that every session of it gets. */
export function plannedTasks(plan: Plan): TaskSpecification[] {
  const result = resultTask(plan);
  return result ? [...plan.tasks, result] : plan.tasks;
}

export function newTaskRecord(
  sessionId: string,
  spec: TaskSpecification,
  origin: TaskRecord['origin'],
  principal: string,
): TaskRecord {
  return {
    v: RECORD_VERSION,
    principal,
    sessionId,
    id: spec.id,
    state: 'pending',
    attempts: 0,
    retries: 0,
    losses: 0,
    usage: NO_USAGE,
    origin,
    ...(spec.parent && {parentTaskId: spec.parent.taskId}),
  };
}

export function taskNode(
  session: SessionNode,
  spec: TaskSpecification,
  record: TaskRecord,
  mod: number,
): TaskNode {
  return {
    session,
    key: session.keys.task(session.id, spec.id),
    spec,
    record,
    mod,
    dependents: [],
    missing: 0,
    doomed: 0,
    rank: 0,
    traits: undefined,
    rule: placementRule(record.strategy ?? spec.strategy ?? ''),
    attempt: undefined,
    backup: undefined,
    busy: false,
    wanted: undefined,
    avoid: [],
    leastUsd: 0,
    previous: undefined,
    recheckedResult: undefined,
    lastAgent: undefined,
    lostOn: new Set(),
    refunds: 0,
    answer: undefined,
    mergedBy: undefined,
    subject: undefined,
    reuse: undefined,
    advice: undefined,
    queuedIn: undefined,
    ticket: 0,
    queuedRank: 0,
    readySince: 0,
    readyAt: 0,
  };
}

/** Puts the tasks into their session, links and ranks them. Merge tasks come with `mergedBy` set on the tasks they stand in for. */
export function linkSession(
  session: SessionNode,
  nodes: readonly TaskNode[],
  durations: DurationModel = constantDurations,
): void {
  for (const node of nodes) addTask(node);
  for (const node of nodes) linkDependencies(node);
  rankTasks(session, durations);
}

/** Takes added tasks into a session whose merge of the result has not begun. */
export function growSession(
  session: SessionNode,
  plan: Plan,
  added: readonly TaskNode[],
  durations: DurationModel = constantDurations,
): void {
  session.plan = plan;
  for (const node of added) addTask(node);
  for (const node of added) linkDependencies(node);
  for (const spec of plan.tasks) {
    const known = session.tasks.get(spec.id);
    if (known && known.spec !== spec) respecify(known, spec);
  }
  const result = session.tasks.get(RESULT_TASK_ID);
  const spec = result && resultTask(plan);
  if (spec) respecify(result, spec);
  rankTasks(session, durations);
}

function respecify(node: TaskNode, spec: TaskSpecification): void {
  unlinkDependencies(node);
  node.spec = spec;
  linkDependencies(node);
}

/** Upward ranks of all tasks of the session. */
export function rankTasks(session: SessionNode, durations: DurationModel): void {
  const nodes = [...session.tasks.values()];
  const specs = nodes.map(node => node.spec);
  const ranks = upwardRanks(specs, index => durations(specs[index] as TaskSpecification));
  nodes.forEach((node, index) => {
    node.rank = ranks[index] ?? 0;
  });
  for (const node of nodes) {
    const merged = node.record.mergeFor === undefined ? undefined : session.tasks.get(node.record.mergeFor);
    if (merged) node.rank = merged.rank + durations(node.spec);
  }
}

export function attemptNode(
  task: TaskNode,
  agent: AgentNode,
  record: AttemptRecord,
  mod: number,
  fence: number,
): AttemptNode {
  return {
    task,
    key: task.session.keys.attempt(record.id),
    record,
    mod,
    fence,
    agent,
    seen: undefined,
    written: undefined,
    accepted: false,
    worktree: undefined,
    rejected: undefined,
    trimmed: undefined,
    talk: new Talk(),
    verification: undefined,
    silentMs: 0,
    reportingMs: 0,
  };
}

/** What ran out of its allotment needs more: the least of the next one, in dollars. */
export function leastOfNext({budgetUsd}: AttemptRecord, failure: Failure | undefined): number {
  return failure?.kind === 'budget' ? 2 * (budgetUsd ?? 0) : 0;
}

/** Takes a newer state of the attempt's record; false when there is nothing new in it. */
export function takeAttempt(attempt: AttemptNode, kv: KeyValue): boolean {
  if (kv.modRevision <= attempt.mod) return false;
  attempt.mod = kv.modRevision;
  if (kv.value === attempt.written) return false;
  const record = parseRecord(AttemptRecord, kv.key, kv.value);
  const {session} = attempt.task;
  const spent = record.usage.costUsd - attempt.record.usage.costUsd;
  if (spent !== 0) {
    session.spentUsd += spent;
    if (record.backupOf) session.speculation.spentUsd += spent;
    session.dirty = true;
  }
  attempt.record = record;
  return true;
}
