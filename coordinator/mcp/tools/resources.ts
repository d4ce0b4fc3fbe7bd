/** What the hub shows as resources: agents, sessions, tasks, memory and transcripts, each as JSON under a URI that names it. */
import type {Resource, ResourceTemplateType} from '@modelcontextprotocol/server';
import {snapshotRows} from '../../client/snapshotRows.ts';
import type {Row, ViewSelector} from '../../protocol/commands/watch.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {AttemptId, parseAttemptId, SessionId, TaskId} from '../../protocol/ids.ts';
import {compilePattern} from '../../protocol/keyPattern.ts';
import {MemoryKey} from '../../protocol/model/facts.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Actor} from './actor.ts';
import {agentInfos} from './fleetTools.ts';
import {sessionInfo, sessionRows, taskInfo, taskInfos} from './views.ts';

const MIME = 'application/json';
/** Sessions in the list; the template names every other. */
const MAX_LISTED = 50;
const TRANSCRIPT_EVENTS = 500;

export type ResourceName =
  | {readonly kind: 'agents' | 'sessions'}
  | {readonly kind: 'session'; readonly sessionId: string}
  | {readonly kind: 'tasks'; readonly sessionId: string}
  | {readonly kind: 'memory'; readonly sessionId: string}
  | {readonly kind: 'task'; readonly sessionId: string; readonly taskId: string}
  | {readonly kind: 'key'; readonly sessionId: string; readonly key: string}
  | {readonly kind: 'transcript'; readonly sessionId: string; readonly attemptId: string};

type OfSession = Extract<ResourceName, {kind: 'session' | 'tasks' | 'task'}>;

export const RESOURCE_TEMPLATES: readonly ResourceTemplateType[] = [
  template('mcpx://sessions/{sessionId}', 'session', 'A session: its state, counts, spend and result.'),
  template('mcpx://sessions/{sessionId}/tasks', 'session-tasks', 'The tasks of a session.'),
  template('mcpx://sessions/{sessionId}/tasks/{taskId}', 'task', 'A task: its state, result and failure.'),
  template('mcpx://sessions/{sessionId}/memory', 'session-memory', 'The shared memory of a session.'),
  template('mcpx://sessions/{sessionId}/memory/{+key}', 'memory-key', 'One key of a shared memory.'),
  template(
    'mcpx://sessions/{sessionId}/transcripts/{attemptId}',
    'transcript',
    `The last ${TRANSCRIPT_EVENTS} events of what an attempt said and did.`,
  ),
];

const FLEET: readonly Resource[] = [
  {
    uri: 'mcpx://agents',
    name: 'agents',
    title: 'Agents',
    description: 'The agents of the fleet.',
    mimeType: MIME,
  },
  {
    uri: 'mcpx://sessions',
    name: 'sessions',
    title: 'Sessions',
    description: 'The sessions, the newest first.',
    mimeType: MIME,
  },
];

function template(uriTemplate: string, name: string, description: string): ResourceTemplateType {
  return {uriTemplate, name, description, mimeType: MIME};
}

/** Undefined for what is no address of the hub's. */
export function parseResource(uri: string): ResourceName | undefined {
  const path = /^mcpx:\/\/(.+)$/.exec(uri)?.[1];
  if (path === undefined) return undefined;
  if (path === 'agents' || path === 'sessions') return {kind: path};
  const [root, sessionId = '', kind, ...rest] = path.split('/');
  if (root !== 'sessions' || !SessionId.safeParse(sessionId).success) return undefined;
  if (kind === undefined) return {kind: 'session', sessionId};
  if (rest.length === 0) return kind === 'tasks' || kind === 'memory' ? {kind, sessionId} : undefined;
  const id = rest.join('/');
  if (kind === 'tasks')
    return TaskId.safeParse(id).success ? {kind: 'task', sessionId, taskId: id} : undefined;
  if (kind === 'memory') {
    const key = MemoryKey.safeParse(decoded(id));
    return key.success ? {kind: 'key', sessionId, key: key.data} : undefined;
  }
  if (kind !== 'transcripts' || !AttemptId.safeParse(id).success) return undefined;
  return parseAttemptId(id)?.sessionId === sessionId
    ? {kind: 'transcript', sessionId, attemptId: id}
    : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** Of an attempt, those of its own session. */
export async function listResources({client, attempt}: Actor, clock: Clock): Promise<readonly Resource[]> {
  if (attempt) return [FLEET[0] as Resource, ...ofSession(attempt.sessionId, attempt.sessionId)];
  const rows = await snapshotRows(client, {view: 'sessions'}, clock);
  const newest = rows
    .flatMap(row => (row.kind === 'session' ? [row.session] : []))
    .sort((a, b) => b.createdAt - a.createdAt)
    .slice(0, MAX_LISTED);
  return [...FLEET, ...newest.flatMap(({id, name}) => ofSession(id, name))];
}

function ofSession(sessionId: string, name: string): Resource[] {
  const uri = `mcpx://sessions/${sessionId}`;
  return [
    {uri, name: sessionId, title: name, description: `Session ${sessionId}.`, mimeType: MIME},
    {uri: `${uri}/tasks`, name: `${sessionId}-tasks`, title: `Tasks of ${name}`, mimeType: MIME},
    {uri: `${uri}/memory`, name: `${sessionId}-memory`, title: `Shared memory of ${name}`, mimeType: MIME},
  ];
}

/** Errors: `notFound`, `forbidden`. */
export async function readResource(name: ResourceName, actor: Actor, clock: Clock): Promise<string> {
  checkOwn(name, actor);
  return JSON.stringify(await contentOf(name, actor, clock), undefined, 2);
}

/** An attempt sees its own session and the fleet. */
export function checkOwn(name: ResourceName, {attempt}: Actor): void {
  if (!attempt || name.kind === 'agents') return;
  if ('sessionId' in name && name.sessionId === attempt.sessionId) return;
  throw new ProtocolError(
    'forbidden',
    `attempt ${attempt.attemptId} sees its own session, ${attempt.sessionId}`,
  );
}

async function contentOf(name: ResourceName, actor: Actor, clock: Clock): Promise<object> {
  const {client} = actor;
  switch (name.kind) {
    case 'agents':
      return {agents: await agentInfos({actor, clock})};
    case 'sessions': {
      const rows = await snapshotRows(client, {view: 'sessions'}, clock);
      const sessions = rows.flatMap(row => (row.kind === 'session' ? [row.session] : []));
      return {sessions: sessions.sort((a, b) => b.createdAt - a.createdAt).map(sessionInfo)};
    }
    case 'memory': {
      const {sessionId} = name;
      const page = await actor.request('mcpx.memory.list', {sessionId}, {retry: true});
      const entries = page.entries.map(({key, record, version}) => ({key, value: record.value, version}));
      return {sessionId, revision: page.revision, entries, next: page.next};
    }
    case 'key': {
      const {sessionId, key} = name;
      const {record, version, revision} = await actor.request(
        'mcpx.memory.get',
        {sessionId, key},
        {retry: true},
      );
      if (!record) throw new ProtocolError('notFound', `session ${sessionId} has no key ${key}`);
      return {sessionId, key, value: record.value, version, revision};
    }
    case 'transcript': {
      const {attemptId} = name;
      const read = (fromSeq: number, limit: number) =>
        client.request('mcpx.transcript.read', {attemptId, fromSeq, limit}, {retry: true});
      const {lastSeq} = await read(1, 1);
      return {attemptId, ...(await read(Math.max(1, lastSeq - TRANSCRIPT_EVENTS + 1), TRANSCRIPT_EVENTS))};
    }
    default:
      return sessionContent(name, actor, clock);
  }
}

async function sessionContent(name: OfSession, {client}: Actor, clock: Clock): Promise<object> {
  const {sessionId} = name;
  const rows = sessionRows(await snapshotRows(client, {view: 'session', sessionId}, clock));
  if (!rows.session) throw new ProtocolError('notFound', `there is no session ${sessionId}`);
  if (name.kind === 'session') return sessionInfo(rows.session);
  if (name.kind === 'tasks') return {sessionId, tasks: taskInfos(rows)};
  const task = rows.tasks.get(name.taskId);
  if (!task) throw new ProtocolError('notFound', `session ${sessionId} has no task ${name.taskId}`);
  return taskInfo(task, rows.attemptsOf(task.id), 8192);
}

/** The view in which its changes show, and whether a row is of it. */
export function watchedBy(name: ResourceName): {
  readonly selector: ViewSelector;
  readonly concerns: (row: Pick<Row, 'kind' | 'id'>) => boolean;
} {
  switch (name.kind) {
    case 'agents':
      return {selector: {view: 'agents'}, concerns: () => true};
    case 'sessions':
      return {selector: {view: 'sessions'}, concerns: () => true};
    case 'memory':
      return {selector: {view: 'memory', sessionId: name.sessionId}, concerns: ({kind}) => kind === 'memory'};
    case 'key': {
      const {matches} = compilePattern(name.key.replace(/[*?]/g, '?'));
      return {
        selector: {view: 'memory', sessionId: name.sessionId},
        concerns: row => row.kind === 'memory' && matches(row.id),
      };
    }
    default: {
      const {sessionId} = name;
      const kinds: Readonly<Record<typeof name.kind, readonly string[]>> = {
        session: ['session'],
        tasks: ['task', 'attempt'],
        task: ['task', 'attempt'],
        transcript: ['attempt'],
      };
      return {
        selector: {view: 'session', sessionId},
        concerns: ({kind, id}) =>
          kinds[name.kind].includes(kind) &&
          (name.kind !== 'task' ||
            (kind === 'task' ? id === name.taskId : parseAttemptId(id)?.taskId === name.taskId)) &&
          (name.kind !== 'transcript' || id === name.attemptId),
      };
    }
  }
}
