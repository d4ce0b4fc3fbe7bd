/**
 * One text frame = one JSON-RPC message: tells a message from what must be refused, and says why. Parameters and results are checked by their
 * method's schema later.
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

/** Never throws. `id` of a fault is the request's, where it could be read. */
export function parseFrame(text: string): Frame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fault(undefined, 'parse', 'the frame is not JSON');
  }
  if (Array.isArray(value)) return fault(undefined, 'invalidRequest', 'batches are not accepted');
  if (!isMembers(value)) return fault(undefined, 'invalidRequest', 'the frame is not a JSON-RPC message');
  return 'method' in value ? parseCall(value) : parseResponse(value);
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
