/** The runs of this machine: a folder for each session, held by the process that hosts its agents, with what is needed to take it up again. */
import {mkdir, readdir, readFile, rm, stat} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import {type DirectoryLock, lockDirectory, lockHolder} from '../../runtime/directoryLock.ts';
import {writeFileDurably} from '../../runtime/durableFile.ts';
import {CoordinatorError, isCoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import {type Directories, ensurePrivateDirectory} from '../local/directories.ts';

/** What a host is told. The token of a coordinator elsewhere is not in it: that comes from the context or the environment. */
export const RunRequest = z.object({
  v: z.literal(1),
  kind: z.enum(['run', 'resume']),
  session: z.string(),
  /** Wall time. */
  startedAt: z.number(),
  /** Relative paths start here, and the repository around it gets the result. */
  folder: z.string(),
  /** A rehearsal's script is beside it. */
  planFile: z.string().optional(),
  /** Of a rehearsal without a plan file. */
  script: z.string().optional(),
  /** Its tasks come from a lead: when that has gone, no more of them do. */
  lead: z.boolean().optional(),
  /** Files of MCP servers, for a coordinator that is started here. */
  servers: z.array(z.string()).optional(),
  /** Of a run in the background. */
  log: z.string().optional(),
  agents: z.number().int().nonnegative(),
  slots: z.number().int().positive(),
  connect: z.string().optional(),
  caPin: z.string().optional(),
  rehearse: z.boolean(),
  keep: z.boolean(),
  noCache: z.boolean().optional(),
  uncommitted: z.boolean(),
  verbose: z.boolean(),
  junit: z.string().optional(),
});
export type RunRequest = z.infer<typeof RunRequest>;

export interface RunClaim {
  /** The run is no longer hosted; what it left can be taken up. */
  release(): Promise<void>;
}

const REQUEST = 'run.json';
const PLAN = 'plan.json';
const KEEP_MS = 14 * 86_400_000;

export async function writeRun(
  directories: Directories,
  request: RunRequest,
  plan: string | undefined,
): Promise<void> {
  await ensurePrivateDirectory(directories.runs);
  await dropOldRuns(directories.runs, request.startedAt - KEEP_MS);
  const folder = folderOf(directories, request.session);
  await mkdir(folder, {recursive: true, mode: 0o700});
  if (plan !== undefined) await writeFileDurably(path.join(folder, PLAN), plan);
  await writeFileDurably(path.join(folder, REQUEST), JSON.stringify(request));
}

/** Throws `conflict` while another process hosts the session. */
export async function claimRun(directories: Directories, session: string, random: Random): Promise<RunClaim> {
  const folder = folderOf(directories, session);
  let lock: DirectoryLock;
  try {
    lock = await lockDirectory(folder, random.hex(6), '');
  } catch (error) {
    if (isCoordinatorError(error, 'conflict')) throw await alreadyHosted(directories, session);
    throw error;
  }
  return {release: () => lock.release()};
}

/** Throws `conflict` while a process of this machine hosts the session. */
export async function refuseHosted(directories: Directories, session: string): Promise<void> {
  if ((await hostPid(directories, session)) !== undefined) throw await alreadyHosted(directories, session);
}

async function alreadyHosted(directories: Directories, session: string): Promise<CoordinatorError> {
  const pid = await hostPid(directories, session);
  return new CoordinatorError('conflict', `session ${session} is being run here, by process ${pid}`, {
    hint: `mcpx sessions show ${session} shows how far it is.`,
  });
}

/** Pid of the process that hosts a session's agents on this machine; undefined when there is none. */
export async function hostPid(directories: Directories, session: string): Promise<number | undefined> {
  try {
    return await lockHolder(folderOf(directories, session));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Sessions that processes of this machine host now. */
export async function hostedSessions(directories: Directories): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(directories.runs);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
  const hosted: string[] = [];
  for (const name of names) if ((await hostPid(directories, name)) !== undefined) hosted.push(name);
  return hosted.sort();
}

/** Undefined when the session was not run here, or too long ago. */
export async function readRun(directories: Directories, session: string): Promise<RunRequest | undefined> {
  const text = await readIfThere(path.join(folderOf(directories, session), REQUEST));
  return text === undefined ? undefined : RunRequest.parse(JSON.parse(text));
}

/** The plan as it was read when the run was asked for. */
export function readRunPlan(directories: Directories, session: string): Promise<string | undefined> {
  return readIfThere(path.join(folderOf(directories, session), PLAN));
}

/** For a session that never came to be. */
export function forgetRun(directories: Directories, session: string): Promise<void> {
  return rm(folderOf(directories, session), {recursive: true, force: true});
}

function folderOf({runs}: Directories, session: string): string {
  return path.join(runs, session);
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function dropOldRuns(runs: string, before: number): Promise<void> {
  for (const name of await readdir(runs)) {
    const folder = path.join(runs, name);
    const {mtimeMs} = await stat(folder);
    if (mtimeMs < before && (await lockHolder(folder)) === undefined)
      await rm(folder, {recursive: true, force: true});
  }
}
