/** What tools tell of agents, sessions and tasks: short rows with the handles by which they are named. Pure. */
import * as z from 'zod';
import {attemptThatCounts} from '../../client/report/attemptThatCounts.ts';
import type {Row} from '../../protocol/commands/watch.ts';
import {InstanceStatusValue} from '../../protocol/instance.ts';
import {type AgentRecord, openSlots} from '../../protocol/model/agent.ts';
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import {type SessionRecord, SessionState, TaskCounts} from '../../protocol/model/session.ts';
import {type TaskRecord, TaskState} from '../../protocol/model/task.ts';

export const AgentInfo = z.object({
  agentId: z.string(),
  status: InstanceStatusValue,
  online: z.boolean(),
  slots: z.number().describe('Attempts that it runs at once, as things are.'),
  running: z.number().describe('Attempts that it runs now, in sessions that have not ended.'),
  capabilities: z.array(
    z.object({domain: z.string(), proficiency: z.string(), specialization: z.array(z.string())}),
  ),
  specializations: z.array(z.string()),
  tags: z.array(z.string()),
  region: z.string(),
  mode: z.enum(['internal', 'external']),
  claude: z.string().describe('"ready": it takes prompts. Otherwise it takes commands only.'),
  rehearsal: z.boolean().describe('Its Claude Code plays a script: it takes rehearsals only.'),
  trouble: z.string().optional(),
});
export type AgentInfo = z.infer<typeof AgentInfo>;

export function agentInfo(agent: AgentRecord, online: boolean, running: number): AgentInfo {
  const {instance, mode, trouble, pauseReason, quarantine, draining} = agent;
  const {metadata, capabilities} = instance;
  const isSilent = !online && instance.status !== 'offline';
  const why = trouble ?? pauseReason ?? quarantine?.reason ?? (draining ? 'it is draining' : undefined);
  return {
    agentId: instance.id,
    status: isSilent ? 'unreachable' : instance.status,
    online,
    slots: online ? openSlots(agent) : 0,
    running,
    capabilities: capabilities.map(({domain, proficiencyLevel, specialization}) => ({
      domain,
      proficiency: proficiencyLevel,
      specialization,
    })),
    specializations: metadata.specializations,
    tags: metadata.tags,
    region: metadata.region,
    mode,
    claude: metadata.claude.kind,
    rehearsal: metadata.rehearsal,
    ...(why === undefined ? {} : {trouble: why}),
  };
}

export const SessionInfo = z.object({
  sessionId: z.string(),
  name: z.string(),
  state: SessionState,
  open: z.boolean().describe('More tasks may be added; it does not end by itself.'),
  counts: TaskCounts,
  createdAt: z.string(),
  endedAt: z.string().optional(),
  spentUsd: z.number(),
  budgetUsd: z.number().optional(),
  failure: z.string().optional(),
  /** Of the merged results. */
  result: z.object({commit: z.string(), branch: z.string()}).optional(),
});
export type SessionInfo = z.infer<typeof SessionInfo>;

export function sessionInfo(session: SessionRecord): SessionInfo {
  const {id, name, state, open = false, counts, createdAt, endedAt, spentUsd, budgetUsd} = session;
  const {failure, result} = session;
  return {
    sessionId: id,
    name,
    state,
    open,
    counts,
    createdAt: new Date(createdAt).toISOString(),
    spentUsd,
    ...(endedAt === undefined ? {} : {endedAt: new Date(endedAt).toISOString()}),
    ...(budgetUsd === undefined ? {} : {budgetUsd}),
    ...(failure === undefined ? {} : {failure}),
    ...(result ? {result: {commit: result.commit, branch: result.branch}} : {}),
  };
}

export const TaskInfo = z.object({
  sessionId: z.string(),
  taskId: z.string(),
  state: TaskState,
  attempts: z.number(),
  attemptId: z.string().optional().describe('The attempt that stands for it.'),
  agentId: z.string().optional(),
  waitingFor: z.string().optional(),
  summary: z.string().optional().describe('What a succeeded attempt said at its end.'),
  value: z.unknown().optional().describe('The structured result, where one was asked for.'),
  commit: z.string().optional(),
  failure: z.object({kind: z.string(), message: z.string()}).optional(),
  spentUsd: z.number(),
});
export type TaskInfo = z.infer<typeof TaskInfo>;

/** Characters of a summary in a list. */
const SHORT = 600;

export function taskInfo(task: TaskRecord, attempts: readonly AttemptRecord[], longest = SHORT): TaskInfo {
  const counting = attemptThatCounts(task, attempts);
  const {result, failure, waitingFor} = task;
  return {
    sessionId: task.sessionId,
    taskId: task.id,
    state: task.state,
    attempts: task.attempts,
    spentUsd: task.usage.costUsd,
    ...(counting ? {attemptId: counting.id, agentId: counting.agentId} : {}),
    ...(waitingFor ? {waitingFor: waitingFor.message} : {}),
    ...(result ? {summary: clip(result.summary, longest)} : {}),
    ...(result?.value === undefined ? {} : {value: result.value}),
    ...(result?.commit === undefined ? {} : {commit: result.commit}),
    ...(failure ? {failure: {kind: failure.kind, message: clip(failure.message, longest)}} : {}),
  };
}

export function clip(text: string, longest: number): string {
  return text.length <= longest
    ? text
    : `${text.slice(0, longest)}… (${text.length - longest} more characters)`;
}

/** A session's own row and tasks, each with its attempts by number. */
export interface SessionRows {
  readonly session: SessionRecord | undefined;
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  attemptsOf(taskId: string): readonly AttemptRecord[];
}

export function sessionRows(rows: Iterable<Row>): SessionRows {
  let session: SessionRecord | undefined;
  const tasks = new Map<string, TaskRecord>();
  const attempts = new Map<string, AttemptRecord[]>();
  for (const row of rows) {
    if (row.kind === 'session') session = row.session;
    else if (row.kind === 'task') tasks.set(row.task.id, row.task);
    else if (row.kind === 'attempt')
      attempts.set(row.attempt.taskId, [...(attempts.get(row.attempt.taskId) ?? []), row.attempt]);
  }
  for (const ofTask of attempts.values()) ofTask.sort((a, b) => a.number - b.number);
  return {session, tasks, attemptsOf: taskId => attempts.get(taskId) ?? []};
}

export function taskInfos(rows: SessionRows): TaskInfo[] {
  return [...rows.tasks.values()].map(task => taskInfo(task, rows.attemptsOf(task.id)));
}

export function taskLine({taskId, state, agentId, summary, failure, waitingFor}: TaskInfo): string {
  const where = agentId === undefined ? '' : ` on ${agentId}`;
  const what = failure?.message ?? summary ?? waitingFor;
  return `${taskId}: ${state}${where}${what === undefined ? '' : ` - ${clip(what.split('\n')[0] ?? '', 160)}`}`;
}

export function sessionLine({sessionId, name, state, open, counts}: SessionInfo): string {
  return `${sessionId} "${name}": ${state}${open ? ', open' : ''}, ${counts.succeeded} of ${counts.total} tasks succeeded, ${counts.running} running, ${counts.failed} failed`;
}
