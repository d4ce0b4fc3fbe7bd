/** What a verb answers: text for people, or with `--json` one object on the last line of stdout and the text on stderr; errors too. */
import {type Command, CommanderError} from 'commander';
import * as z from 'zod';
import {isProtocolError} from '../protocol/errors.ts';
import {describeError, isCoordinatorError} from '../runtime/errors.ts';
import type {CommandIo} from './io.ts';

export interface JsonOption {
  readonly json: boolean;
}

/** `code` is a `CoordinatorErrorCode`, the name of a wire fault, or `usage`. */
export interface ErrorAnswer {
  readonly error: {readonly code: string; readonly message: string; readonly hint?: string | undefined};
}

export function jsonOption(command: Command): Command {
  return command.option(
    '--json',
    'end with one line of JSON on stdout; everything else goes to stderr',
    false,
  );
}

/** `text` ends with a line feed or is empty. */
export function answer(io: CommandIo, {json}: JsonOption, object: object, text: string): void {
  if (json) io.stderr(text);
  else io.stdout(text);
  if (json) io.stdout(`${JSON.stringify(object)}\n`);
}

export function errorAnswer(error: unknown): ErrorAnswer {
  const hint = isCoordinatorError(error) ? error.hint : undefined;
  return {error: {code: errorCode(error), message: describeError(error), hint}};
}

function errorCode(error: unknown): string {
  if (isCoordinatorError(error)) return error.code;
  if (error instanceof CommanderError) return 'usage';
  return isProtocolError(error) ? error.kind : 'internal';
}

/** The code of the error on the last line of what another `mcpx` wrote to stdout; undefined when there is none. */
export function readErrorCode(stdout: string): string | undefined {
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  try {
    return z.object({error: z.object({code: z.string()})}).parse(JSON.parse(line)).error.code;
  } catch {
    return undefined;
  }
}

/** Known before the options are parsed: a mistake in them is an answer as well. */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? undefined : end).includes('--json');
}
