/** The open session of a lead: on the repository in which it works, with agents on this machine where there are no others, closed when it leaves. */
import {tmpdir} from 'node:os';
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import type {McpxClient} from '../../client/mcpxClient.ts';
import {planOf} from '../../client/orchestrator/session.ts';
import type {SessionReport} from '../../client/report/sessionReport.ts';
import {LocalRepository} from '../../client/repository/localRepository.ts';
import {snapshotRows} from '../../client/snapshotRows.ts';
import {startSession} from '../../client/startSession.ts';
import type {Row} from '../../protocol/commands/watch.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../protocol/model/session.ts';
import {RESULT_TASK_ID} from '../../protocol/model/task.ts';
import {systemClock} from '../../runtime/clock.ts';
import {describeError, isCoordinatorError} from '../../runtime/errors.ts';
import type {CommandIo} from '../io.ts';
import {followSession} from '../run/followSession.ts';
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

export interface LeadGround {
  /** Where the result goes. */
  readonly repository: LocalRepository;
  /** Its tasks begin with it. */
  readonly commit: string;
}

/** Resolves with what its tasks work on; undefined where the folder is in no repository: then they get empty folders. */
export async function beginLeadSession(request: LeadSessionRequest): Promise<LeadGround | undefined> {
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
  return workspace?.repository && source && {repository: workspace.repository, commit: source.commit};
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
  /** It has ended, or waits for a person to raise its budget. */
  | {readonly kind: 'over'; readonly report: SessionReport};

/** No more tasks come: without any it is cancelled, else those that are there are followed to their end, and the results are merged. */
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
  if (signal.aborted) return {kind: 'left'};
  const left = tasks.filter(row => row.kind === 'task' && row.task.endedAt === undefined).length;
  if (left > 0)
    io.stderr(
      `${left} ${left === 1 ? 'task has' : 'tasks have'} not ended yet. Ctrl+C leaves ${left === 1 ? 'it' : 'them'}; nothing is lost.\n`,
    );
  return followToEnd(client, sessionId, signal, io);
}

async function followToEnd(
  client: McpxClient,
  sessionId: string,
  signal: AbortSignal,
  io: CommandIo,
): Promise<LeadSessionEnd> {
  try {
    // Stdout is Claude Code's.
    const told = {...io, stdout: io.stderr};
    const shown = {client, sessionId, plan: undefined, clock: systemClock, io: told, abandon: signal};
    const report = await followSession(shown);
    if (report && !signal.aborted) return {kind: 'over', report};
  } catch (error) {
    io.stderr(`The session was not followed to its end: ${describeError(error)}\n`);
  }
  return {kind: 'left'};
}

function sessionIn(rows: readonly Row[]): SessionRecord | undefined {
  for (const row of rows) if (row.kind === 'session') return row.session;
  return undefined;
}
