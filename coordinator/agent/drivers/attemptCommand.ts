/** One shell command as a part of an attempt: the work of a `run` task, a set-up step or a gate. Its outcome is the caller's to judge. */
import {StringDecoder} from 'node:string_decoder';
import {atMost, type Clock} from '../../runtime/clock.ts';
import {NO_MASK, type SecretMask} from '../runner/secretMask.ts';
import type {AttemptProcess, ProcessExit, Supervisor} from '../supervisor/supervisor.ts';
import {type OutputEvent, OutputLimiter} from './outputLimiter.ts';

export interface AttemptCommand {
  readonly supervisor: Supervisor;
  readonly clock: Clock;
  readonly attemptId: string;
  readonly command: string;
  /** A shell that takes `-c`. Default /bin/sh. */
  readonly shell?: string | undefined;
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Takes secrets out of the output before anything else sees it. */
  readonly mask?: SecretMask | undefined;
  /** Output in order, bounded in size and rate; a `gap` and a `notice` say where and how much is missing. */
  onOutput?(event: OutputEvent): void;
  /** Ends the command and all it started: SIGTERM, then SIGKILL after the grace. */
  readonly signal?: AbortSignal | undefined;
  /** Default 5000. */
  readonly graceMs?: number | undefined;
}

export interface CommandResult {
  readonly exit: ProcessExit;
  /** The signal was raised before the command ended. */
  readonly cancelled: boolean;
  /** The last 16 KiB of stdout and stderr as they came. */
  readonly tail: string;
}

const DEFAULT_GRACE_MS = 5000;
/** A process that the supervisor could not end may hold the output open. */
const CLOSE_TIMEOUT_MS = 2000;

/** Resolves when the command and every process that it left behind have ended. */
export async function runAttemptCommand(request: AttemptCommand): Promise<CommandResult> {
  const {supervisor, clock, attemptId, signal} = request;
  const limiter = new OutputLimiter(clock, event => request.onOutput?.(event));
  if (signal?.aborted) return {exit: {kind: 'signalled', signal: 'SIGTERM'}, cancelled: true, tail: ''};
  const running = supervisor.spawn(attemptId, {
    command: request.shell ?? '/bin/sh',
    args: ['-c', request.command],
    cwd: request.cwd,
    env: request.env,
    stdin: 'ignore',
  });
  const closed = readOutput(running, limiter, request.mask ?? NO_MASK);
  let cancelled = false;
  const onAbort = (): void => {
    cancelled = true;
    const graceMs = request.graceMs ?? DEFAULT_GRACE_MS;
    // The exit below says when it is done; a link that closed meanwhile has ended the processes itself.
    supervisor.killTree(attemptId, {signal: 'SIGTERM', to: 'all', graceMs}).catch(() => undefined);
  };
  signal?.addEventListener('abort', onAbort, {once: true});
  try {
    const exit = await running.exit;
    await supervisor.release(attemptId);
    await atMost(clock, CLOSE_TIMEOUT_MS, closed);
    return {exit, cancelled, tail: limiter.finish()};
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Resolves when both outputs have been read to their ends. */
function readOutput({child}: AttemptProcess, limiter: OutputLimiter, mask: SecretMask): Promise<unknown> {
  const read = (name: 'stdout' | 'stderr'): Promise<void> =>
    new Promise(resolve => {
      const stream = child[name];
      if (!stream) {
        resolve();
        return;
      }
      // A character may lie across two chunks.
      const decoder = new StringDecoder('utf8');
      // So may a secret; it is to be found before the text is cut into events.
      const masked = mask.stream();
      stream.on('data', (chunk: Buffer) => limiter.add(name, masked.push(decoder.write(chunk))));
      stream.on('error', () => undefined);
      stream.once('close', () => {
        limiter.add(name, masked.push(decoder.end()) + masked.end());
        resolve();
      });
    });
  return Promise.all([read('stdout'), read('stderr')]);
}
