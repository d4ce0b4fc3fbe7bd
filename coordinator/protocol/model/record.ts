/**
 * What every stored record has: a format version and the principal that wrote it last. Records are loose objects, so fields that this build does
 * not know survive a rewrite by it.
 */
import * as z from 'zod';
import {parsePlainly} from '../plainlyValid.ts';

export const RECORD_VERSION = 1;

export const recordFields = {
  v: z.number().int().positive(),
  principal: z.string().max(256),
};

/** Longer than anything that is on its way through the store and back. */
const REMEMBERED = 512;

/** What this process encoded last, by its text: a newer and an older half, so that forgetting costs nothing. */
let newer = new Map<string, object>();
let older = new Map<string, object>();

/**
 * The JSON text of a record. Records are never changed in place: for a while, parsing this very text gives the value back as it is, since most
 * of what a process reads from the store it has just written itself.
 */
export function encodeRecord(value: object): string {
  const text = JSON.stringify(value);
  if (newer.size >= REMEMBERED) {
    older = newer;
    newer = new Map();
  }
  newer.set(text, value);
  return text;
}

/** Parses the JSON text of a stored record; throws a `RecordError` that names the key. */
export function parseRecord<S extends z.ZodType>(schema: S, key: string, text: string): z.infer<S> {
  const known = newer.get(text) ?? older.get(text);
  if (known) return known as z.infer<S>;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new RecordError(key, 'is not JSON', {cause: error});
  }
  const parsed = parsePlainly(schema, json);
  if (!parsed.success) throw new RecordError(key, z.prettifyError(parsed.error));
  return parsed.data;
}

export class RecordError extends Error {
  override readonly name = 'RecordError';
  constructor(
    readonly key: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`record ${key}: ${problem}`, options);
  }
}
