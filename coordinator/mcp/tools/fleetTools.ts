/** Tools that look at the fleet: who there is, and why tasks are where they are. */
import * as z from 'zod';
import {placementsOf} from '../../client/report/placements.ts';
import {snapshotRows} from '../../client/snapshotRows.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {SessionId, TaskId} from '../../protocol/ids.ts';
import {InstanceStatusValue} from '../../protocol/instance.ts';
import {FINAL_SESSION_STATES} from '../../protocol/model/session.ts';
import {TaskState} from '../../protocol/model/task.ts';
import {type Actor, sessionOf} from './actor.ts';
import {type HubTool, hubTool, type ToolContext} from './hubTool.ts';
import {AgentInfo, agentInfo} from './views.ts';

/** Unfinished sessions whose attempts are counted, the newest: with more of them the count is at least so many. */
const MAX_COUNTED_SESSIONS = 64;

const agentsList = hubTool({
  name: 'agents_list',
  title: 'Agents',
  description:
    'Lists the agents of the fleet: what each can do, its state, how many attempts it runs and may run. An agent takes a prompt when its claude is "ready". You need not choose one: a task goes to an agent that fits.',
  scope: 'both',
  readOnly: true,
  input: z.object({
    domain: z.string().max(64).optional().describe('Only those that declare this capability.'),
    tag: z.string().max(64).optional(),
    status: z.array(InstanceStatusValue).optional().describe('Default: all that are not offline.'),
  }),
  output: z.object({agents: z.array(AgentInfo)}),
  async run({domain, tag, status}, context) {
    const agents = await agentInfos(context);
    return {
      agents: agents.filter(
        agent =>
          (status ? status.includes(agent.status) : agent.status !== 'offline') &&
          (domain === undefined || agent.capabilities.some(capability => capability.domain === domain)) &&
          (tag === undefined || agent.tags.includes(tag)),
      ),
    };
  },
  say: ({agents}) =>
    agents.length === 0
      ? 'No agent fits. "mcpx agent --join" on any machine adds one.'
      : agents.map(agentLine).join('\n'),
});

export async function agentInfos({actor, clock}: Pick<ToolContext, 'actor' | 'clock'>): Promise<AgentInfo[]> {
  const {client} = actor;
  const [agents, sessions] = await Promise.all([
    snapshotRows(client, {view: 'agents'}, clock),
    snapshotRows(client, {view: 'sessions'}, clock),
  ]);
  const busy = sessions.flatMap(row =>
    row.kind === 'session' && !FINAL_SESSION_STATES.has(row.session.state) ? [row.session] : [],
  );
  const counted = busy
    .sort((a, b) => b.createdAt - a.createdAt)
    .slice(0, MAX_COUNTED_SESSIONS)
    .map(({id}) => id);
  const running = await runningByAgent(actor, counted, clock);
  return agents
    .flatMap(row =>
      row.kind === 'agent' ? [agentInfo(row.agent, row.online, running.get(row.id) ?? 0)] : [],
    )
    .sort((a, b) => (a.agentId < b.agentId ? -1 : 1));
}

async function runningByAgent(
  {client}: Actor,
  sessionIds: readonly string[],
  clock: ToolContext['clock'],
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const views = await Promise.all(
    sessionIds.map(sessionId => snapshotRows(client, {view: 'session', sessionId}, clock)),
  );
  for (const row of views.flat())
    if (row.kind === 'attempt' && row.attempt.state !== 'ended')
      counts.set(row.attempt.agentId, (counts.get(row.attempt.agentId) ?? 0) + 1);
  return counts;
}

export function agentLine(agent: AgentInfo): string {
  const {agentId, status, running, slots, claude, rehearsal, capabilities, region, trouble} = agent;
  const can = capabilities.map(({domain, proficiency}) => `${domain} (${proficiency})`).join(', ');
  const parts = [
    `${agentId}: ${status}, ${running} of ${slots} slots taken`,
    claude === 'ready' ? (rehearsal ? 'rehearses' : 'takes prompts') : 'takes commands only',
    can,
    region,
    trouble ?? '',
  ];
  return parts.filter(part => part !== '').join('; ');
}

const taskExplain = hubTool({
  name: 'task_explain',
  title: 'Why a task is where it is',
  description:
    'Explains the placement of a task: which agent each of its attempts got and why, who was next, what was expected, and what the task waits for.',
  scope: 'both',
  readOnly: true,
  input: z.object({sessionId: SessionId.optional(), taskId: TaskId}),
  output: z.object({
    sessionId: z.string(),
    taskId: z.string(),
    state: TaskState,
    waitingFor: z.string().optional(),
    placements: z.array(
      z.object({
        attemptId: z.string(),
        agentId: z.string(),
        outcome: z.string(),
        reasons: z.array(z.string()),
      }),
    ),
  }),
  async run({sessionId: named, taskId}, {actor, clock}) {
    const sessionId = sessionOf(actor, named);
    const rows = await snapshotRows(actor.client, {view: 'session', sessionId}, clock);
    const found = placementsOf(rows, taskId);
    if (!found) throw new ProtocolError('notFound', `session ${sessionId} has no task ${taskId}`);
    return {
      sessionId,
      taskId,
      state: found.task.state,
      waitingFor: found.task.waitingFor?.message,
      placements: found.placements.map(({attempt, text}) => ({
        attemptId: attempt.id,
        agentId: attempt.agentId,
        outcome: attempt.outcome ?? attempt.state,
        reasons: [...text],
      })),
    };
  },
  say: ({taskId, state, waitingFor, placements}) =>
    [
      `${taskId} is ${state}${waitingFor === undefined ? '' : `: ${waitingFor}`}`,
      ...placements.map(({attemptId, outcome, reasons}) => `${attemptId} (${outcome}): ${reasons.join(' ')}`),
    ].join('\n'),
});

export const FLEET_TOOLS: readonly HubTool[] = [agentsList, taskExplain];
