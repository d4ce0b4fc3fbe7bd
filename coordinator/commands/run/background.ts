/** A run in a process of its own that outlives us: started, and heard until its session is stored or it has failed. */
import type {ChildProcess} from 'node:child_process';
import {readFile} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import {deferred} from '../../runtime/deferred.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {answer, type JsonOption} from '../answer.ts';
import type {CommandIo} from '../io.ts';
import {ensurePrivateDirectory, userDirectories} from '../local/directories.ts';
import {childEnvironment, spawnVerb} from '../local/selfCommand.ts';
import {HostFault, hostErrorOf} from './hostFault.ts';
import {type RunRequest, writeRun} from './runFolders.ts';

/** What a host tells whoever started it, until its session has begun. */
export const HostMessage = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('said'), text: z.string()}),
  z.object({kind: z.literal('begun'), agents: z.number()}),
  z.object({kind: z.literal('failed'), fault: HostFault}),
]);
export type HostMessage = z.infer<typeof HostMessage>;

export interface BackgroundRun {
  readonly session: string;
  /** Of the process that hosts it. */
  readonly pid: number;
  readonly log: string;
  /** Started on this machine. */
  readonly agents: number;
}

const LOG_TAIL = 2000;

/** Rejects as the run in the foreground would. */
export async function startInBackground(
  request: RunRequest,
  plan: string | undefined,
  token: string | undefined,
  io: CommandIo,
): Promise<BackgroundRun> {
  const directories = userDirectories(io.env);
  await ensurePrivateDirectory(directories.logs);
  const log = path.join(directories.logs, `run-${request.session}.log`);
  await writeRun(directories, {...request, log}, plan);
  const env = childEnvironment(io.env, token === undefined ? {} : {MCPX_TOKEN: token});
  const child = spawnVerb(['host', request.session], {env, logFile: log, detached: true, tells: true});
  const interrupt = (): void => void child.kill('SIGTERM');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  try {
    const agents = await hearBeginning(child, log, io);
    return {session: request.session, pid: child.pid ?? 0, log, agents};
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
    if (child.connected) child.disconnect();
    child.unref();
  }
}

export function tellBackground(run: BackgroundRun, options: JsonOption, io: CommandIo): void {
  const {session, pid, log, agents} = run;
  const text = `Session ${session} runs in the background: process ${pid}, ${agents} agent${agents === 1 ? '' : 's'} here, log ${log}\n`;
  answer(io, options, run, text);
}

function hearBeginning(child: ChildProcess, log: string, io: CommandIo): Promise<number> {
  const heard = deferred<number>();
  child.on('message', raw => {
    const message = HostMessage.parse(raw);
    if (message.kind === 'said') io.stderr(message.text);
    else if (message.kind === 'begun') heard.resolve(message.agents);
    else heard.reject(hostErrorOf(message.fault));
  });
  child.once('error', cause =>
    heard.reject(new CoordinatorError('internal', 'the background process could not be started', {cause})),
  );
  // After the last message.
  child.once('disconnect', () => {
    endOfLog(log).then(
      text =>
        heard.reject(
          new CoordinatorError('internal', `the background process ended too early:\n${text}`, {
            hint: `Its log is ${log}.`,
          }),
        ),
      (error: unknown) => heard.reject(error instanceof Error ? error : new Error(String(error))),
    );
  });
  return heard.promise;
}

async function endOfLog(log: string): Promise<string> {
  return (await readFile(log, 'utf8')).slice(-LOG_TAIL).trimEnd();
}
