/** A run in a process of its own that outlives us: what it needs is written down, then it is started. */
import path from 'node:path';
import {counted} from '../../runtime/counted.ts';
import {answer, type JsonOption} from '../answer.ts';
import type {CommandIo} from '../io.ts';
import {ensurePrivateDirectory, userDirectories} from '../local/directories.ts';
import {childEnvironment} from '../local/selfCommand.ts';
import {startAndHear} from '../local/starter.ts';
import {type RunRequest, writeRun} from './runFolders.ts';

export interface BackgroundRun {
  readonly session: string;
  /** Of the process that hosts it. */
  readonly pid: number;
  readonly log: string;
  /** Started on this machine. */
  readonly agents: number;
}

/** Rejects as the run in the foreground would. */
export async function startInBackground(
  request: RunRequest,
  plan: string | undefined,
  token: string | undefined,
  io: CommandIo,
): Promise<BackgroundRun> {
  const directories = userDirectories(io.env);
  const {session} = request;
  await ensurePrivateDirectory(directories.logs);
  const log = path.join(directories.logs, `run-${session}.log`);
  await writeRun(directories, {...request, log}, plan);
  const env = childEnvironment(io.env, token === undefined ? {} : {MCPX_TOKEN: token});
  const {pid, agents} = await startAndHear(['host', session], {env, logFile: log}, io);
  return {session, pid, log, agents};
}

export function tellBackground(run: BackgroundRun, options: JsonOption, io: CommandIo): void {
  const {session, pid, log, agents} = run;
  const text = `Session ${session} runs in the background: process ${pid}, ${counted(agents, 'agent')} here, log ${log}\n`;
  answer(io, options, run, text);
}
