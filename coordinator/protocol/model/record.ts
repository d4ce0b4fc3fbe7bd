/**
 * What every stored record has: a format version and the principal that wrote it last. Records are loose objects, so fields that this build does
 * not know survive a rewrite by it.
 */
import * as z from 'zod';

export const RECORD_VERSION = 1;

export const recordFields = {
  v: z.number().int().positive(),
  principal: z.string().max(256),
};

/** Parses the JSON text of a stored record; throws a `RecordError` that names the key. */
export function parseRecord<S extends z.ZodType>(schema: S, key: string, text: string): z.infer<S> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new RecordError(key, 'is not JSON', {cause: error});
  }
  const parsed = schema.safeParse(json);
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
