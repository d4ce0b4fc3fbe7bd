/** Between a process that outlives its starter and that starter: it is heard until it has begun or failed, over a channel of Node's. */
import type {ChildProcess} from 'node:child_process';
import {readFile} from 'node:fs/promises';
import * as z from 'zod';
import {systemClock} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {noDisposable} from '../../runtime/disposable.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {CommandIo} from '../io.ts';
import {HostFault, hostErrorOf} from './hostFault.ts';
import {spawnVerb} from './selfCommand.ts';

export const StarterMessage = z.discriminatedUnion('kind', [
  /** For whoever reads the starter's stderr. */
  z.object({kind: z.literal('said'), text: z.string()}),
  z.object({kind: z.literal('begun'), agents: z.number()}),
  z.object({kind: z.literal('failed'), fault: HostFault}),
]);
export type StarterMessage = z.infer<typeof StarterMessage>;

export interface Begun {
  readonly pid: number;
  /** That it started on this machine. */
  readonly agents: number;
}

const LOG_TAIL = 2000;

export interface StartOptions {
  readonly env: Record<string, string>;
  readonly logFile: string;
  /** How long its beginning is waited for. Default: as long as it takes. */
  readonly patienceMs?: number | undefined;
}

/** Resolves once it has begun; rejects with its own error. It goes on in any case, unless we are interrupted first. */
export async function startAndHear(
  args: readonly string[],
  {env, logFile, patienceMs}: StartOptions,
  io: CommandIo,
): Promise<Begun> {
  const child = spawnVerb(args, {env, logFile, detached: true, tells: true});
  const interrupt = (): void => void child.kill('SIGTERM');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  const heard = hearBeginning(child, logFile, io);
  const late =
    patienceMs === undefined
      ? noDisposable
      : systemClock.schedule(patienceMs, () => heard.reject(tooLate(patienceMs, logFile)));
  try {
    return {agents: await heard.promise, pid: child.pid ?? 0};
  } finally {
    late.dispose();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
    if (child.connected) child.disconnect();
    child.unref();
  }
}

function hearBeginning(child: ChildProcess, log: string, io: CommandIo): Deferred<number> {
  const heard = deferred<number>();
  child.on('message', raw => {
    const message = StarterMessage.parse(raw);
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
  return heard;
}

function tooLate(patienceMs: number, log: string): CoordinatorError {
  return new CoordinatorError(
    'timeout',
    `it has not joined within ${patienceMs / 1000} s, and goes on trying`,
    {
      hint: `Its log says why: ${log}`,
    },
  );
}

async function endOfLog(log: string): Promise<string> {
  return (await readFile(log, 'utf8')).slice(-LOG_TAIL).trimEnd();
}

/** From the process itself. Resolves when it is on its way; whoever started us may have gone, and then nobody wants to know. */
export function tellStarter(message: StarterMessage): Promise<void> {
  return new Promise(resolve => {
    if (!process.send || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

/** The last that the starter hears. */
export async function tellStarterAndPart(message: StarterMessage): Promise<void> {
  await tellStarter(message);
  if (process.connected) process.disconnect?.();
}
