/** Nodes of the lead's picture for tests of its pure parts. */
import {DEFAULT_TENANT} from '../../coordinator/protocol/ids.ts';
import {ClaudeCodeInstance} from '../../coordinator/protocol/instance.ts';
import {AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import type {
  AgentNode,
  AttemptNode,
  Fleet,
  SessionNode,
  TaskNode,
} from '../../coordinator/tasks/fleet/fleet.ts';
import {
  attemptNode,
  linkSession,
  newTaskRecord,
  plannedTasks,
  sessionNode,
  taskNode,
} from '../../coordinator/tasks/fleet/nodes.ts';

export function sessionOf(
  plan: Plan,
  patch: Partial<SessionRecord> = {},
  tenant: string = DEFAULT_TENANT,
): SessionNode {
  const record = SessionRecord.parse({
    v: 1,
    principal: 'test',
    id: 's-1',
    name: plan.name,
    state: 'running',
    plan: '0'.repeat(64),
    createdAt: 0,
    strategy: plan.strategy,
    budgetUsd: plan.budgetUsd,
    spentUsd: 0,
    counts: {total: 0, succeeded: 0, failed: 0, cancelled: 0, running: 0, waiting: 0},
    ...patch,
  });
  const session = sessionNode(tenant, plan, record, 1);
  linkSession(
    session,
    plannedTasks(plan).map(spec =>
      taskNode(session, spec, newTaskRecord(record.id, spec, 'plan', 'test'), 1),
    ),
  );
  return session;
}

export function taskOf(session: SessionNode, id: string): TaskNode {
  const task = session.tasks.get(id);
  if (!task) throw new Error(`no task ${id}`);
  return task;
}

export function agentRecord(
  id: string,
  metadata: Record<string, unknown> = {},
  patch: Record<string, unknown> = {},
  instance: Record<string, unknown> = {},
): AgentRecord {
  return AgentRecord.parse({
    v: 1,
    principal: `agent:${id}`,
    instance: ClaudeCodeInstance.parse({
      id,
      endpoint: `/agents/${id}`,
      capabilities: [],
      status: 'idle',
      healthcheck: {lastSeen: 0, responseTime: 0, errorRate: 0},
      ...instance,
      metadata: {
        region: 'local',
        version: '1',
        maxConcurrentTasks: 1,
        specializations: [],
        performanceMetrics: {},
        claude: {kind: 'ready', version: '2', authentication: 'key'},
        ...metadata,
      },
    }),
    incarnation: `${id}-first`,
    mode: 'external',
    registeredAt: 0,
    ...patch,
  });
}

/** A connected agent. */
export function addAgent(fleet: Fleet, record: AgentRecord, tenant: string = DEFAULT_TENANT): AgentNode {
  const agent = fleet.agent(tenant, record.instance.id);
  agent.record = record;
  agent.live = {
    value: {v: 1, principal: 'test', incarnation: record.incarnation, coordinator: 'c-1'},
    mod: 1,
  };
  agent.version += 1;
  return agent;
}

/** The task's current attempt, in the given state, on `agent`. */
export function giveAttempt(
  task: TaskNode,
  agent: AgentNode,
  patch: Partial<AttemptRecord> = {},
): AttemptNode {
  const record = AttemptRecord.parse({
    v: 1,
    principal: 'test',
    id: `${task.session.id}.${task.spec.id}.1`,
    sessionId: task.session.id,
    taskId: task.spec.id,
    number: 1,
    agentId: agent.id,
    agentIncarnation: agent.record?.incarnation ?? '',
    coordinator: 'c-1',
    state: 'running',
    assignedAt: 0,
    usage: NO_USAGE,
    ...patch,
  });
  const attempt = attemptNode(task, agent, record, 1, 1);
  task.attempt = attempt;
  task.record = {...task.record, state: record.state === 'verifying' ? 'verifying' : 'running', attempts: 1};
  agent.attempts.add(attempt);
  return attempt;
}
