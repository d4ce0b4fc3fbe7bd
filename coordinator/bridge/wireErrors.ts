/** Errors across the wire: what a handler threw becomes a `ProtocolError`, and what the SDK or the peer reports becomes one again. */
import {ErrorCode, McpError} from '@modelcontextprotocol/sdk/types.js';
import * as z from 'zod';
// As a member of z.core it would bring everything that zod has, its translations too.
import {$ZodError} from 'zod/v4/core';
import {type Method, methodSpec, type Params} from '../protocol/commands/table.ts';
import {type ErrorName, ProtocolError} from '../protocol/errors.ts';
import {parsePlainly} from '../protocol/plainlyValid.ts';
import {CoordinatorError, type CoordinatorErrorCode} from '../runtime/errors.ts';

/** Local faults that tell the caller something; every other one is `internal` and its details stay here. */
const LOCAL_FAULTS: Readonly<Partial<Record<CoordinatorErrorCode, ErrorName>>> = {
  unavailable: 'unavailable',
  closed: 'unavailable',
  diskFull: 'diskFull',
  cancelled: 'cancelled',
  timeout: 'timeout',
  conflict: 'conflict',
  limit: 'tooLarge',
  unauthorized: 'unauthorized',
  notFound: 'notFound',
  incompatible: 'incompatible',
};

/** What the peer is told of `error`. `internal` says that the details are not for it. */
export function wireError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (error instanceof CoordinatorError) {
    const kind = LOCAL_FAULTS[error.code];
    if (kind) return new ProtocolError(kind, error.message, error.hint ? {hint: error.hint} : undefined);
  }
  return new ProtocolError('internal', 'internal error');
}

/** What a caller of `request` gets for a failure that the SDK reported. */
export function callError(error: unknown, method: string): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (error instanceof McpError) {
    if (error.code === ErrorCode.ConnectionClosed)
      return new ProtocolError('unavailable', `the connection closed before ${method} was answered`);
    if (error.code === ErrorCode.RequestTimeout)
      return new ProtocolError('timeout', `${method} was not answered in time`, error.data);
    // The SDK writes the code in front of the peer's words.
    const prefix = `MCP error ${error.code}: `;
    const message = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
    return ProtocolError.fromWire({code: error.code, message, data: error.data});
  }
  if (error instanceof $ZodError)
    return new ProtocolError('internal', `the answer to ${method} is malformed: ${z.prettifyError(error)}`);
  return new ProtocolError('unavailable', `${method} could not be sent`);
}

/** `invalidParams` that names the first wrong field. */
export function paramsError(method: string, error: $ZodError): ProtocolError {
  const issues = error.issues
    .slice(0, 8)
    .map(issue => ({path: issue.path.join('.'), message: issue.message}));
  const first = issues[0];
  const where = first && first.path !== '' ? `${first.path}: ` : '';
  return new ProtocolError('invalidParams', `${method}: ${where}${first?.message ?? 'malformed'}`, {issues});
}

/** Parameters by the method's schema, or `invalidParams`. */
export function parseParams<M extends Method>(method: M, params: unknown): Params<M> {
  const {params: schema} = methodSpec(method);
  let parsed: z.ZodSafeParseResult<unknown>;
  try {
    parsed = parsePlainly(schema, params ?? {});
  } catch (error) {
    // A schema of any JSON follows it down until the stack ends.
    if (error instanceof RangeError) throw new ProtocolError('invalidParams', `${method}: nested too deeply`);
    throw error;
  }
  if (!parsed.success) throw paramsError(method, parsed.error);
  return parsed.data as Params<M>;
}
