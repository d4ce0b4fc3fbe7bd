/** The open session of a lead: on the repository in which it works, with agents on this machine where there are no others, closed when it leaves. */
import {tmpdir} from 'node:os';
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import type {McpxClient} from '../../client/mcpxClient.ts';
import {planOf} from '../../client/orchestrator/session.ts';
import {untilView} from '../../client/orchestrator/untilView.ts';
import {LocalRepository} from '../../client/repository/localRepository.ts';
import {snapshotRows} from '../../client/snapshotRows.ts';
import {startSession} from '../../client/startSession.ts';
import type {Row} from '../../protocol/commands/watch.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../protocol/model/session.ts';
import {RESULT_TASK_ID} from '../../protocol/model/task.ts';
import {systemClock} from '../../runtime/clock.ts';
import {describeError, isCoordinatorError} from '../../runtime/errors.ts';
import type {CommandIo} from '../io.ts';
import {sendWorkspace} from '../run/sendWorkspace.ts';

export interface LeadSessionRequest {
  readonly client: McpxClient;
  readonly artifacts: ArtifactClient;
  readonly sessionId: string;
  readonly name: string;
  readonly uncommitted: boolean;
  readonly rehearsal: boolean;
  readonly signal: AbortSignal;
  readonly io: CommandIo;
}

/** Resolves with the repository that its tasks work on; undefined where the folder is in none: then they get empty folders. */
export async function beginLeadSession(request: LeadSessionRequest): Promise<LocalRepository | undefined> {
  const {client, artifacts, sessionId, name, uncommitted, rehearsal, signal, io} = request;
  const folder = (await repositoryAt(io)) ? io.cwd : undefined;
  const plan = planOf({plan: {name}, folder});
  const workspace = await sendWorkspace({
    ...{plan, client, artifacts, signal, io},
    planFolder: io.cwd,
    includeUncommitted: uncommitted,
    clock: systemClock,
  });
  const source = workspace?.source;
  const start = {sessionId, plan, workspace: source, keep: false, rehearsal, open: true};
  await startSession(client, artifacts, start, signal);
  return workspace?.repository;
}

async function repositoryAt({cwd, env}: CommandIo): Promise<LocalRepository | undefined> {
  try {
    return await LocalRepository.open(cwd, {env, temporaryFolder: tmpdir()});
  } catch (error) {
    if (isCoordinatorError(error)) return undefined;
    throw error;
  }
}

export type LeadSessionEnd =
  /** It had no tasks, and is cancelled. */
  | {readonly kind: 'unused'}
  /** `signal` ended the waiting, or it was lost sight of. */
  | {readonly kind: 'left'}
  | {readonly kind: 'ended'; readonly session: SessionRecord};

/** No more tasks come: without any it is cancelled, else those that are there come to their end and the results are merged. */
export async function endLeadSession(
  client: McpxClient,
  sessionId: string,
  signal: AbortSignal,
  io: CommandIo,
): Promise<LeadSessionEnd> {
  const rows = await snapshotRows(client, {view: 'session', sessionId}, systemClock);
  const before = sessionIn(rows);
  if (!before) return {kind: 'unused'};
  const tasks = rows.filter(row => row.kind === 'task' && row.id !== RESULT_TASK_ID);
  if (!FINAL_SESSION_STATES.has(before.state)) {
    if (tasks.length === 0)
      await client.request('mcpx.orchestrate.session.end', {
        sessionId,
        mode: 'cancel',
        reason: 'nothing was asked',
      });
    else await client.request('mcpx.session.control', {sessionId, action: {kind: 'close'}});
  }
  if (tasks.length === 0) return {kind: 'unused'};
  const left = tasks.filter(row => row.kind === 'task' && row.task.endedAt === undefined).length;
  if (left > 0 && !signal.aborted)
    io.stderr(
      `${left} ${left === 1 ? 'task is' : 'tasks are'} still at work. Ctrl+C leaves them to the coordinator.\n`,
    );
  return followToEnd(client, sessionId, signal, io);
}

async function followToEnd(
  client: McpxClient,
  sessionId: string,
  signal: AbortSignal,
  io: CommandIo,
): Promise<LeadSessionEnd> {
  let session: SessionRecord | undefined;
  const isOver = (now: readonly Row[]): boolean => {
    session = sessionIn(now);
    return !session || FINAL_SESSION_STATES.has(session.state);
  };
  try {
    signal.throwIfAborted();
    await untilView(client, {view: 'session', sessionId}, isOver, {signal});
  } catch (error) {
    if (!signal.aborted) io.stderr(`The session was not followed to its end: ${describeError(error)}\n`);
    return {kind: 'left'};
  }
  return session ? {kind: 'ended', session} : {kind: 'left'};
}

function sessionIn(rows: readonly Row[]): SessionRecord | undefined {
  for (const row of rows) if (row.kind === 'session') return row.session;
  return undefined;
}
