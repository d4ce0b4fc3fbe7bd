/** What a schema left out of a value is put back beside what it gave: fields of a newer peer go on to whoever knows them. */
import {isJsonObject} from '../runtime/json.ts';

/** `parsed` is what a schema made of `raw`, with the same shape where both have something. */
export function keepUnknown(raw: unknown, parsed: unknown): unknown {
  if (Array.isArray(raw) && Array.isArray(parsed))
    return parsed.map((entry, at) => keepUnknown(raw[at], entry));
  if (!isJsonObject(raw) || !isJsonObject(parsed)) return parsed;
  const kept = Object.entries(raw).map(([key, value]): [string, unknown] => [
    key,
    Object.hasOwn(parsed, key) ? keepUnknown(value, parsed[key]) : value,
  ]);
  return Object.fromEntries([...kept, ...Object.entries(parsed).filter(([key]) => !Object.hasOwn(raw, key))]);
}
