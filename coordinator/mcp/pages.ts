/** Pages of a list. A cursor names the entry that it goes on behind, so that nothing is skipped or repeated when the list changes meanwhile. */
import {ProtocolError, ProtocolErrorCode} from '@modelcontextprotocol/server';

export interface Page<T> {
  readonly entries: T[];
  readonly nextCursor?: string;
}

/** Throws `invalid params` for a cursor that is none of ours. */
export function pageOf<T>(
  list: readonly T[],
  keyOf: (entry: T) => string,
  cursor: string | undefined,
  size: number,
): Page<T> {
  const start = cursor === undefined ? 0 : startBehind(list, keyOf, cursor);
  const end = start + size;
  const entries = list.slice(start, end);
  const last = entries.at(-1);
  if (end >= list.length || last === undefined) return {entries};
  return {entries, nextCursor: encodeCursor(end, keyOf(last))};
}

function startBehind<T>(list: readonly T[], keyOf: (entry: T) => string, cursor: string): number {
  const {offset, key} = decodeCursor(cursor);
  const before = list[offset - 1];
  if (before !== undefined && keyOf(before) === key) return offset;
  const moved = list.findIndex(entry => keyOf(entry) === key);
  return moved < 0 ? Math.min(offset, list.length) : moved + 1;
}

function encodeCursor(offset: number, key: string): string {
  return Buffer.from(`${offset} ${key}`).toString('base64url');
}

function decodeCursor(cursor: string): {offset: number; key: string} {
  const [, offset, key] = /^(\d{1,9}) (.*)$/s.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (offset === undefined || key === undefined)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'the cursor is not one of this server');
  return {offset: Number(offset), key};
}
