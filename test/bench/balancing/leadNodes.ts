/** What the lead would hold of modelled agents, projects and attempts: real records in real nodes. */
import {DEFAULT_TENANT} from '../../../coordinator/protocol/ids.ts';
import {ClaudeCodeInstance} from '../../../coordinator/protocol/instance.ts';
import {AgentRecord} from '../../../coordinator/protocol/model/agent.ts';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import {SessionRecord} from '../../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../../coordinator/protocol/model/task.ts';
import {type Plan, resolvePlan, type TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {NO_USAGE} from '../../../coordinator/protocol/usage.ts';
import {
  type AgentNode,
  type AttemptNode,
  replaceTask,
  type SessionNode,
  type TaskNode,
} from '../../../coordinator/tasks/fleet/fleet.ts';
import {attemptNode, sessionNode} from '../../../coordinator/tasks/fleet/nodes.ts';
import {CAPABILITIES, type ModelledAgent, REGIONS} from './agents.ts';
import {HUB_REGION, type ModelledTask, type World} from './world.ts';

const TEMPLATE = resolvePlan({name: 'a task', tasks: [{id: 'task', run: 'true'}]})
  .tasks[0] as TaskSpecification;

export function agentRecordOf(world: World, agent: ModelledAgent): AgentRecord {
  const instance = ClaudeCodeInstance.parse({
    id: agent.id,
    endpoint: `/agents/${agent.id}`,
    capabilities: CAPABILITIES.flatMap((domain, at) =>
      agent.holds[at] ? [{domain, proficiencyLevel: agent.declared[at]}] : [],
    ),
    status: 'idle',
    metadata: {
      region: REGIONS[agent.region],
      version: '1',
      maxConcurrentTasks: agent.slots,
      specializations: [],
      performanceMetrics: {},
    },
    healthcheck: {
      lastSeen: 0,
      responseTime: world.roundTripMs(HUB_REGION, agent.region),
      errorRate: 0,
    },
  });
  return AgentRecord.parse({
    v: 1,
    principal: `agent:${agent.id}`,
    instance,
    incarnation: `${agent.id}-1`,
    mode: 'external',
    registeredAt: 0,
  });
}

export function setOnline(node: AgentNode, isOnline: boolean): void {
  const incarnation = node.record?.incarnation ?? '';
  node.live = isOnline
    ? {value: {v: 1, principal: 'bench', incarnation, coordinator: 'bench'}, mod: 1}
    : undefined;
  node.version += 1;
}

/** A session for each project. Without set-up times its work needs no repository. */
export function projectSession(project: number, strategy: string, hasRepository: boolean): SessionNode {
  const id = `project-${project}`;
  const plan: Plan = {...resolvePlan({name: id, tasks: []}), tasks: [TEMPLATE], strategy};
  const commit = '0'.repeat(40);
  const record = SessionRecord.parse({
    v: 1,
    principal: 'bench',
    id,
    name: id,
    state: 'running',
    plan: '0'.repeat(64),
    workspace: hasRepository ? {repositoryId: id, commit, bundles: []} : undefined,
    createdAt: 0,
    strategy,
    spentUsd: 0,
    counts: {total: 0, succeeded: 0, failed: 0, cancelled: 0, running: 0, waiting: 0},
  });
  return sessionNode(DEFAULT_TENANT, plan, record, 1);
}

/** `all`: the tasks among which its parents are. */
export function specificationOf(
  world: World,
  task: ModelledTask,
  all: readonly ModelledTask[],
): TaskSpecification {
  const {name, capability} = world.classes[task.class] ?? {name: '', capability: 0};
  return {
    ...TEMPLATE,
    id: task.id,
    class: name,
    estimateMs: task.estimateMs,
    dependsOn: task.parents.map(parent => all[parent]?.id ?? ''),
    requires: {capabilities: [{domain: CAPABILITIES[capability] ?? ''}]},
  };
}

export function newAttempt(task: TaskNode, agent: AgentNode, now: number): AttemptNode {
  const number = task.record.attempts + 1;
  const record: AttemptRecord = {
    v: 1,
    principal: 'bench',
    id: `${task.session.id}.${task.spec.id}.${number}`,
    sessionId: task.session.id,
    taskId: task.spec.id,
    number,
    agentId: agent.id,
    agentIncarnation: agent.record?.incarnation ?? '',
    coordinator: 'bench',
    state: 'running',
    assignedAt: now,
    startedAt: now,
    usage: NO_USAGE,
    refused: 0,
  };
  task.record = {...task.record, attempts: number};
  return attemptNode(task, agent, record, 1, 1);
}

export function setState(task: TaskNode, state: TaskRecord['state'], bytes?: number): void {
  const result = bytes === undefined ? task.record.result : {summary: '', bundle: bundleOf(bytes)};
  replaceTask(task, {...task.record, state, result}, task.mod + 1);
}

function bundleOf(bytes: number): NonNullable<NonNullable<TaskRecord['result']>['bundle']> {
  return {commit: '0'.repeat(40), sha256: '0'.repeat(64), bytes: Math.round(bytes), prerequisites: []};
}
