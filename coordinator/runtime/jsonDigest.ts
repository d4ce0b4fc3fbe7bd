/** The digest of a JSON value, by which a reader sees that it is the value that was written. */
import * as crypto from 'node:crypto';
import {canonicalJson, type JsonValue} from './json.ts';

/** SHA-256 of the canonical JSON, in lower-case hex. */
export function jsonDigest(value: JsonValue): string {
  return sha256(canonicalJson(value));
}

/** In one call where this Node has it, which takes half as long. */
const sha256: (text: string) => string =
  typeof crypto.hash === 'function'
    ? text => crypto.hash('sha256', text, 'hex')
    : text => crypto.createHash('sha256').update(text).digest('hex');
