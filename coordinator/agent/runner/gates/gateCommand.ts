/** Runs the command of a gate in the attempt's worktree and keeps what it printed. */

import {ProtocolError} from '../../../protocol/errors.ts';
import type {Clock} from '../../../runtime/clock.ts';
import {type AttemptCommand, runAttemptCommand} from '../../drivers/attemptCommand.ts';
import type {ProcessExit} from '../../supervisor/supervisor.ts';
import type {Attempt} from '../attempt.ts';
import type {RunnerServices} from '../runnerServices.ts';
import type {GateFinding} from './gateFinding.ts';

/** What is kept of an output at most. */
const KEPT_CHARACTERS = 8 * 1024 * 1024;

export interface CommandRequest {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface CommandRun {
  readonly exit: ProcessExit;
  readonly text: string;
  readonly timedOut: boolean;
  /** Null when it was ended. */
  readonly exitCode: number | null;
}

/** Throws `notFound` without a worktree. */
export async function runGateCommand(
  attempt: Attempt,
  {command, env, timeoutMs}: CommandRequest,
  {supervisor, clock, settings}: RunnerServices,
  stop: AbortSignal,
): Promise<CommandRun> {
  if (!attempt.place) throw new ProtocolError('notFound', 'the worktree is gone');
  const output: string[] = [];
  let characters = 0;
  const tooLong = timer(clock, timeoutMs);
  try {
    const {exit} = await runAttemptCommand({
      supervisor,
      clock,
      attemptId: attempt.id,
      command,
      cwd: attempt.place.workspace.path,
      env: {...attempt.place.env, ...env},
      mask: attempt.mask,
      onOutput: event => {
        const text = textOf(event);
        characters += text.length;
        if (characters <= KEPT_CHARACTERS) output.push(text);
      },
      signal: AbortSignal.any([stop, tooLong.signal]),
      graceMs: settings.cancelGraceMs,
    });
    const timedOut = tooLong.signal.aborted;
    const exitCode = exit.kind === 'exited' && !timedOut ? exit.code : null;
    return {exit, text: output.join(''), timedOut, exitCode};
  } finally {
    tooLong.dispose();
  }
}

export function timeoutNote({timedOut}: CommandRun, timeoutMs: number): string {
  return timedOut ? `\n[ended: it took longer than ${Math.round(timeoutMs / 1000)} s]` : '';
}

/** Exit code 0 passes. */
export function commandFinding(run: CommandRun, timeoutMs: number): GateFinding {
  const {exit, text, exitCode} = run;
  if (exit.kind === 'notStarted') return {kind: 'unable', error: exit.error.message};
  return {
    kind: 'verdict',
    passed: exitCode === 0,
    output: text + timeoutNote(run, timeoutMs),
    exitCode,
  };
}

function timer(clock: Clock, ms: number): {readonly signal: AbortSignal; dispose(): void} {
  const abort = new AbortController();
  const scheduled = clock.schedule(ms, () => abort.abort());
  return {signal: abort.signal, dispose: () => scheduled.dispose()};
}

function textOf(event: Parameters<NonNullable<AttemptCommand['onOutput']>>[0]): string {
  switch (event.kind) {
    case 'output':
    case 'notice':
      return event.text;
    case 'gap':
      return '\n[output was left out]\n';
  }
}
