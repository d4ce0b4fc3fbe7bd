/**
 * One text frame = one JSON-RPC message, or a batch of them between peers that agreed on that: tells a message from what must be refused, and
 * says why. Parameters and results are checked by their method's schema later.
 */
import type {JSONRPCMessage} from '@modelcontextprotocol/sdk/types.js';
import {type ERROR_CODES, ProtocolError} from '../protocol/errors.ts';

export type FrameKind = 'request' | 'notification' | 'response';

export type Frame =
  | {readonly kind: FrameKind; readonly message: JSONRPCMessage}
  | {readonly kind: 'fault'; readonly id: string | number | undefined; readonly error: ProtocolError};

type Members = Readonly<Record<string, unknown>>;

const REQUEST_MEMBERS: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params']);
const RESPONSE_MEMBERS: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'result', 'error']);

/** Messages of one batch. */
export const MAX_BATCH = 1024;

/** Never throws. `id` of a fault is the request's, where it could be read. An array comes only where batches are accepted. */
export function parseFrame(text: string, acceptsBatches = false): Frame | readonly Frame[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fault(undefined, 'parse', 'the frame is not JSON');
  }
  if (!Array.isArray(value)) return parseMessage(value, () => text);
  if (!acceptsBatches) return fault(undefined, 'invalidRequest', 'batches are not accepted');
  if (value.length === 0) return fault(undefined, 'invalidRequest', 'the batch is empty');
  if (value.length > MAX_BATCH)
    return fault(undefined, 'invalidRequest', `a batch has at most ${MAX_BATCH} messages`);
  const mayBeDeep = isTooDeep(text);
  return value.map((message: unknown) => parseMessage(message, () => (mayBeDeep ? deepText(message) : '')));
}

function parseMessage(value: unknown, text: () => string): Frame {
  if (!isMembers(value)) return fault(undefined, 'invalidRequest', 'the frame is not a JSON-RPC message');
  const frame = 'method' in value ? parseCall(value) : parseResponse(value);
  if (frame.kind === 'fault' || !isTooDeep(text())) return frame;
  const id = frame.kind === 'request' ? (value['id'] as string | number) : undefined;
  return fault(id, 'invalidRequest', `nested deeper than ${MAX_DEPTH}`);
}

/** What is too deep for the stack is too deep in any case. */
function deepText(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return '['.repeat(2 * MAX_DEPTH + 1);
  }
}

/** Deeper JSON ends the stack of whoever follows it down. */
const MAX_DEPTH = 200;

/** `text` is valid JSON. */
export function isTooDeep(text: string): boolean {
  if (text.length <= 2 * MAX_DEPTH) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at);
    else if (code === OPEN_BRACKET || code === OPEN_BRACE) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (code === CLOSE_BRACKET || code === CLOSE_BRACE) depth -= 1;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Where the string that opens at `start` closes. */
function stringEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at > 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  return text.length;
}

function parseCall(value: Members): Frame {
  const id = isRequestId(value['id']) ? value['id'] : undefined;
  const invalid = (message: string): Frame => fault(id, 'invalidRequest', message);
  if (value['jsonrpc'] !== '2.0') return invalid('jsonrpc must be "2.0"');
  if (typeof value['method'] !== 'string') return invalid('method must be a string');
  if (value['id'] !== undefined && id === undefined) return invalid('id must be a string or an integer');
  const stranger = Object.keys(value).find(name => !REQUEST_MEMBERS.has(name));
  if (stranger !== undefined) return invalid(`unknown member ${JSON.stringify(stranger)}`);
  const {params} = value;
  if (params !== undefined && !isMembers(params))
    return fault(id, 'invalidParams', 'params must be an object');
  return {
    kind: id === undefined ? 'notification' : 'request',
    message: value as unknown as JSONRPCMessage,
  };
}

function parseResponse(value: Members): Frame {
  const invalid = (message: string): Frame => fault(undefined, 'invalidRequest', message);
  if (value['jsonrpc'] !== '2.0') return invalid('jsonrpc must be "2.0"');
  const hasResult = 'result' in value;
  if (hasResult === 'error' in value) return invalid('neither a call nor a response');
  if (Object.keys(value).some(name => !RESPONSE_MEMBERS.has(name))) return invalid('unknown member');
  if (hasResult && (!isRequestId(value['id']) || !isMembers(value['result'])))
    return invalid('a result needs an id and must be an object');
  if (!hasResult && !isErrorObject(value['error'])) return invalid('error needs a code and a message');
  return {kind: 'response', message: value as unknown as JSONRPCMessage};
}

/** The text of an error response. Without an id it answers a frame whose id could not be read. */
export function errorFrame(id: string | number | undefined, error: ProtocolError): string {
  const {code, message, data} = error;
  return JSON.stringify({
    jsonrpc: '2.0',
    id,
    error: data === undefined ? {code, message} : {code, message, data},
  });
}

function fault(id: string | number | undefined, kind: keyof typeof ERROR_CODES, message: string): Frame {
  return {kind: 'fault', id, error: new ProtocolError(kind, message)};
}

function isRequestId(id: unknown): id is string | number {
  return typeof id === 'string' || Number.isSafeInteger(id);
}

function isErrorObject(error: unknown): boolean {
  return isMembers(error) && Number.isSafeInteger(error['code']) && typeof error['message'] === 'string';
}

function isMembers(value: unknown): value is Members {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
