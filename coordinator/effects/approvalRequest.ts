/** Makes a request fit into a record: long texts in what a tool was called with are cut, for people to see the rest. Pure. */
import type {ApprovalRequest} from '../protocol/approval.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {JsonValue} from '../runtime/json.ts';

/** Leaves room for the record around it and for the answer. */
const MAX_REQUEST_BYTES = 40 * 1024;
const LONGEST_TEXTS = [8192, 1024, 128];

/** `shortened` tells that what a person sees is not all of it. Throws `tooLarge` when cutting texts does not help. */
export function fitRequest(request: ApprovalRequest): {request: ApprovalRequest; shortened: boolean} {
  if (bytesOf(request) <= MAX_REQUEST_BYTES) return {request, shortened: false};
  if (request.kind === 'permission')
    for (const longest of LONGEST_TEXTS) {
      const cut = {...request, input: cutTexts(request.input, longest)};
      if (bytesOf(cut) <= MAX_REQUEST_BYTES) return {request: cut, shortened: true};
    }
  throw new ProtocolError('tooLarge', `an approval has at most ${MAX_REQUEST_BYTES} bytes`);
}

function bytesOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function cutTexts(value: JsonValue, longest: number): JsonValue {
  if (typeof value === 'string')
    return value.length <= longest
      ? value
      : `${value.slice(0, longest)}… (${value.length - longest} more characters)`;
  if (Array.isArray(value)) return value.map(item => cutTexts(item, longest));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cutTexts(item, longest)]));
}
