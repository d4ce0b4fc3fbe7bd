/** What the verbs of `mcpx memory` take: a session, numbers, and values that are JSON or plain text. */
import type {McpxClient} from '../../client/mcpxClient.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {JsonValue} from '../../runtime/json.ts';
import type {JsonOption} from '../answer.ts';
import type {CommandIo} from '../io.ts';
import type {ConnectOptions} from '../local/connect.ts';
import {requireSession} from '../sessions/sessionRows.ts';

export interface MemoryOptions extends ConnectOptions, JsonOption {
  readonly session?: string;
}

/** The id of the session that is named; a whole id is taken as it is. */
export async function sessionOf(
  client: McpxClient,
  {session = ''}: MemoryOptions,
  io: CommandIo,
): Promise<string> {
  const named = session || io.env['MCPX_SESSION_ID'];
  if (!named)
    throw new CoordinatorError('config', 'say which session with --session', {
      hint: 'mcpx sessions list shows them.',
    });
  return (await requireSession(client, named)).id;
}

/** For options that are versions or revisions. */
export function whole(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0)
    throw new CoordinatorError('config', `"${text}" is not a ${what}`);
  return value;
}

export function jsonOrText(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}

/** The past of a key that nobody remembers. */
export function compactedError(what: string, compacted: number): CoordinatorError {
  return new CoordinatorError(
    'notFound',
    `${what} is forgotten: revisions before ${compacted} were compacted`,
    {
      hint: 'historyRevisions of the coordinator says how many are kept; nothing that is stored now was lost.',
    },
  );
}

const LONGEST_PREVIEW = 100;

export function preview(value: JsonValue | undefined): string {
  const text = value === undefined ? '(deleted)' : JSON.stringify(value);
  return text.length > LONGEST_PREVIEW ? `${text.slice(0, LONGEST_PREVIEW - 1)}…` : text;
}

export function timeOf(at: number): string {
  return new Date(at).toISOString().slice(0, 19);
}
