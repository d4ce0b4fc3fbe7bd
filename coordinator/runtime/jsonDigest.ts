/** The digest of a JSON value, by which a reader sees that it is the value that was written. */
import {createHash} from 'node:crypto';
import {canonicalJson, type JsonValue} from './json.ts';

/** SHA-256 of the canonical JSON, in lower-case hex. */
export function jsonDigest(value: JsonValue): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}
