/**
 * Calls of tools at their plainest, and results that are: most are, and for these nothing has to be done that takes the SDK. What is plain is decided
 * narrowly: whatever is not surely well-formed, or has anything unusual about it, is for the SDK to take apart and to refuse.
 */
import type {IncomingMessage} from 'node:http';
import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  LOG_LEVEL_META_KEY,
  type LoggingLevel,
  PROTOCOL_VERSION_META_KEY,
  type RequestId,
  type RequestMeta,
} from '@modelcontextprotocol/server';
import {isJsonObject} from '../runtime/json.ts';
import {header} from './webRequest.ts';

export interface PlainCall {
  readonly id: RequestId;
  readonly params: {readonly name: string; readonly arguments?: Record<string, unknown>};
  /** Without the envelope of 2026-07-28. */
  readonly meta: RequestMeta | undefined;
  readonly logLevel: LoggingLevel | undefined;
  /** That envelope, by which requests of one client are alike; '' in the older era. */
  readonly envelope: string;
}

const METHOD = 'tools/call';
const RESERVED = 'io.modelcontextprotocol/';
const ENVELOPE: ReadonlySet<string> = new Set([
  PROTOCOL_VERSION_META_KEY,
  CLIENT_INFO_META_KEY,
  CLIENT_CAPABILITIES_META_KEY,
  LOG_LEVEL_META_KEY,
]);

const MESSAGE_KEYS: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params']);
const PARAMS_KEYS: ReadonlySet<string> = new Set(['name', 'arguments', '_meta']);
const RESULT_KEYS: ReadonlySet<string> = new Set(['content', 'isError']);
const TEXT_KEYS: ReadonlySet<string> = new Set(['type', 'text']);

/** Of the 2025 era, in a session that agreed on `revision`. */
export function plainLegacyCall(
  request: IncomingMessage,
  body: unknown,
  revision: string | undefined,
): PlainCall | undefined {
  if (revision === undefined || header(request, 'mcp-protocol-version') !== revision) return undefined;
  const call = plainCallIn(body);
  return call && acceptsBoth(request) && call.envelope === '' ? call : undefined;
}

/** Of the 2026 era: its headers say what its body says. Whether its envelope is well-formed is not looked at. */
export function plainModernCall(
  request: IncomingMessage,
  body: unknown,
  revision: string,
): PlainCall | undefined {
  const call = plainCallIn(body);
  if (!call || call.envelope === '' || !acceptsBoth(request)) return undefined;
  const {_meta} = (body as {params: {_meta: RequestMeta}}).params;
  const says =
    _meta[PROTOCOL_VERSION_META_KEY] === revision &&
    header(request, 'mcp-protocol-version') === revision &&
    header(request, 'mcp-method') === METHOD &&
    header(request, 'mcp-name') === call.params.name;
  return says && !call.params.name.startsWith('=?') ? call : undefined;
}

/** A result of texts alone. */
export function isPlainResult(result: unknown): result is CallToolResult {
  if (!isJsonObject(result) || !hasOnly(result, RESULT_KEYS)) return false;
  const {content, isError} = result;
  if (isError !== undefined && typeof isError !== 'boolean') return false;
  return Array.isArray(content) && content.every(isText);
}

function isText(block: unknown): boolean {
  return (
    isJsonObject(block) &&
    hasOnly(block, TEXT_KEYS) &&
    block['type'] === 'text' &&
    typeof block['text'] === 'string'
  );
}

/** Whatever its headers say. */
export function plainCallIn(body: unknown): PlainCall | undefined {
  if (!isJsonObject(body) || !hasOnly(body, MESSAGE_KEYS)) return undefined;
  const {jsonrpc, id, method, params} = body;
  if (jsonrpc !== '2.0' || method !== METHOD || !isJsonObject(params)) return undefined;
  if (typeof id !== 'string' && !Number.isSafeInteger(id)) return undefined;
  if (!hasOnly(params, PARAMS_KEYS)) return undefined;
  const {name, arguments: given, _meta: meta} = params;
  if (typeof name !== 'string' || (given !== undefined && !isPlainObject(given))) return undefined;
  const parted = partedMeta(meta);
  return (
    parted && {
      id: id as RequestId,
      params: {name, ...(given !== undefined && {arguments: given})},
      ...parted,
    }
  );
}

function partedMeta(meta: unknown): Pick<PlainCall, 'meta' | 'logLevel' | 'envelope'> | undefined {
  if (meta === undefined) return {meta: undefined, logLevel: undefined, envelope: ''};
  if (!isPlainObject(meta)) return undefined;
  const own: [string, unknown][] = [];
  const envelope: unknown[] = [];
  for (const entry of Object.entries(meta)) {
    const [key, value] = entry;
    if (ENVELOPE.has(key)) envelope.push(entry);
    else if (key.startsWith(RESERVED)) return undefined;
    else if (key === 'progressToken' && typeof value !== 'string' && !Number.isSafeInteger(value))
      return undefined;
    else own.push(entry);
  }
  return {
    meta: own.length > 0 ? (Object.fromEntries(own) as RequestMeta) : undefined,
    logLevel: meta[LOG_LEVEL_META_KEY] as LoggingLevel | undefined,
    envelope: envelope.length > 0 ? JSON.stringify(envelope) : '',
  };
}

/** The SDK lets no `__proto__` through. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  return isJsonObject(value) && !Object.hasOwn(value, '__proto__');
}

function acceptsBoth(request: IncomingMessage): boolean {
  const accept = request.headers.accept;
  return accept?.includes('application/json') === true && accept.includes('text/event-stream');
}

function hasOnly(object: Readonly<Record<string, unknown>>, keys: ReadonlySet<string>): boolean {
  for (const key in object) if (!keys.has(key)) return false;
  return true;
}
