/** The MCPX message in our code, and its codec: on the wire the three parts travel in `params._meta` or `result._meta`. */
import * as z from 'zod';
import {CoordinationMetadata, DistributionInfo, OrchestrationContext} from './context.ts';
import {ProtocolError} from './errors.ts';
import {keepUnknown} from './keepUnknown.ts';
import {META_KEYS} from './version.ts';

/** A JSON-RPC 2.0 message of MCP. `params` and `result` are checked by their method's schema later. */
export interface MCPMessage {
  readonly jsonrpc: '2.0';
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: {readonly code: number; readonly message: string; readonly data?: unknown};
}

export interface MCPXContext {
  readonly orchestration?: OrchestrationContext;
  readonly coordination?: CoordinationMetadata;
  readonly distribution?: DistributionInfo;
}

export interface MCPXMessage extends MCPMessage, MCPXContext {}

const Meta = z.looseObject({
  [META_KEYS.orchestration]: OrchestrationContext.optional(),
  [META_KEYS.coordination]: CoordinationMetadata.optional(),
  [META_KEYS.distribution]: DistributionInfo.optional(),
});

export const PARTS = ['orchestration', 'coordination', 'distribution'] as const;

/** Puts the three parts where plain MCP tolerates them. Other `_meta` entries stay. */
export function encodeContext(
  body: Readonly<Record<string, unknown>> | undefined,
  context: MCPXContext,
): Record<string, unknown> | undefined {
  const entries = PARTS.flatMap(part =>
    context[part] === undefined ? [] : [[META_KEYS[part], context[part]] as const],
  );
  if (entries.length === 0) return body as Record<string, unknown> | undefined;
  return {...body, _meta: {...metaOf(body), ...Object.fromEntries(entries)}};
}

/** Takes the three parts out of `_meta` again, with what a newer peer has put into them; throws `invalidParams` when one is malformed. */
export function decodeContext(body: Readonly<Record<string, unknown>> | undefined): {
  body: Record<string, unknown> | undefined;
  context: MCPXContext;
} {
  const meta = metaOf(body);
  if (!body || !meta || !PARTS.some(part => META_KEYS[part] in meta)) return {body, context: {}};
  const parsed = Meta.safeParse(meta);
  if (!parsed.success) throw new ProtocolError('invalidParams', `_meta: ${z.prettifyError(parsed.error)}`);
  const context: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {...meta};
  for (const part of PARTS) {
    const value = parsed.data[META_KEYS[part]];
    delete rest[META_KEYS[part]];
    if (value !== undefined) context[part] = keepUnknown(meta[META_KEYS[part]], value);
  }
  const {_meta, ...others} = body;
  return {body: Object.keys(rest).length > 0 ? {...others, _meta: rest} : others, context};
}

/** Whether a context can be added: what stands in the place of `_meta` must not be something else. */
export function hasPlace({params, result}: MCPMessage): boolean {
  const body = result ?? params;
  return body?.['_meta'] === undefined || metaOf(body) !== undefined;
}

export function encodeMessage(message: MCPXMessage): MCPMessage {
  const {orchestration, coordination, distribution, ...mcp} = message;
  const context: MCPXContext = {orchestration, coordination, distribution};
  if (mcp.result !== undefined) return {...mcp, result: encodeContext(mcp.result, context) ?? {}};
  // An error has no place for a context; its receiver knows the request.
  if (mcp.error !== undefined) return mcp;
  const params = encodeContext(mcp.params, context);
  return params === undefined ? mcp : {...mcp, params};
}

export function decodeMessage(message: MCPMessage): MCPXMessage {
  if (message.result !== undefined) {
    const {body, context} = decodeContext(message.result);
    return {...message, result: body ?? {}, ...context};
  }
  if (message.params === undefined) return message;
  const {body, context} = decodeContext(message.params);
  return {...message, params: body ?? {}, ...context};
}

function metaOf(body: Readonly<Record<string, unknown>> | undefined): Record<string, unknown> | undefined {
  const meta = body?.['_meta'];
  return meta !== null && typeof meta === 'object' && !Array.isArray(meta)
    ? (meta as Record<string, unknown>)
    : undefined;
}
