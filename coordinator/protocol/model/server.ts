/** A registered MCP server: how it is reached, how it is shared out, who may use what of it. */
import * as z from 'zod';
import {WallTime} from '../ids.ts';
import {recordFields} from './record.ts';
import {ServerOAuth} from './serverOAuth.ts';

/** Of a server, as people and tool names have it. Two underscores separate it from what it offers. */
export const ServerName = z
  .string()
  .min(1)
  .max(64)
  .regex(
    /^[A-Za-z0-9](?:[A-Za-z0-9.-]|_(?!_))*$/,
    'letters, digits, dots, dashes and single underscores, a letter or digit first',
  );

const Text = z.string().max(8192);
/** May hold ${VAR} and ${VAR:-default}: the coordinator that starts the server fills them in from its own environment. */
const Values = z.record(z.string().min(1).max(256), Text);

export const StdioEndpoint = z.strictObject({
  type: z.literal('stdio'),
  command: Text.min(1),
  args: z.array(Text).max(256).default([]),
  env: Values.default({}),
  /** Default: the coordinator's own. */
  cwd: Text.optional(),
});
export type StdioEndpoint = z.infer<typeof StdioEndpoint>;

export const HttpEndpoint = z.strictObject({
  /** Streamable HTTP, or its predecessor with an event stream beside it. */
  type: z.enum(['http', 'sse']),
  url: Text.min(1),
  headers: Values.default({}),
  oauth: ServerOAuth.optional(),
});
export type HttpEndpoint = z.infer<typeof HttpEndpoint>;

export const ServerEndpoint = z.discriminatedUnion('type', [StdioEndpoint, HttpEndpoint]);
export type ServerEndpoint = z.infer<typeof ServerEndpoint>;

const Pattern = z.string().min(1).max(256);

/** For the callers that it names (all, where it names none): what they see, by patterns of tool and prompt names and resource URIs. */
export const AccessRule = z.strictObject({
  roles: z.array(z.enum(['agent', 'client', 'coordinator', 'peer'])).optional(),
  /** Of what an agent works on. A caller that works on nothing matches no pattern. */
  sessions: z.array(Pattern).optional(),
  tasks: z.array(Pattern).optional(),
  /** Nothing else is seen. Of several rules that apply each must allow it. */
  allow: z.array(Pattern).max(256).optional(),
  deny: z.array(Pattern).max(256).optional(),
});
export type AccessRule = z.infer<typeof AccessRule>;

export const ServerSharing = z.strictObject({
  /** One process or connection for all clients. Default: found out; a stdio server of the 2025 protocol gets one for each client. */
  shared: z.boolean().optional(),
  /** Connections at once to a shared server; each is lent to one call at a time as long as there are enough. */
  pool: z.number().int().min(1).max(256).optional(),
  /** Of one connection: 1 for a server that cannot do two things at a time. Default: as many as there are. */
  callsAtOnce: z.number().int().min(1).max(1024).optional(),
  /** Before the names of what it offers; default: its name. False: names stay as they are. */
  prefix: z.union([z.literal(false), ServerName]).optional(),
  era: z.enum(['auto', 'legacy', 'modern']).optional(),
  startTimeoutMs: z.number().int().min(100).max(3_600_000).optional(),
  /** Without any progress. */
  callTimeoutMs: z.number().int().min(100).max(86_400_000).optional(),
  /** A process or session that nobody used for so long is ended, and its state with it. */
  idleMs: z.number().int().min(100).max(86_400_000).optional(),
  /** Of a Node server's heap, by --max-old-space-size: of what runs in Node, nothing else. */
  maxHeapMb: z.number().int().min(16).max(1_048_576).optional(),
  access: z.array(AccessRule).max(64).optional(),
});
export type ServerSharing = z.infer<typeof ServerSharing>;

/** What somebody registers. */
export const ServerDefinition = z.strictObject({
  name: ServerName,
  title: z.string().max(256).optional(),
  description: z.string().max(4096).optional(),
  endpoint: ServerEndpoint,
  /** Others that do the same: calls are spread over all that live. */
  replicas: z.array(ServerEndpoint).max(16).default([]),
  ...ServerSharing.shape,
});
export type ServerDefinition = z.infer<typeof ServerDefinition>;

/** In the store, known to every coordinator. */
export const ServerRecord = z.looseObject({
  ...recordFields,
  definition: ServerDefinition,
  discoveredAt: WallTime,
  /** The file that it was imported from, which a refresh reads again. */
  source: z.strictObject({file: z.string().max(4096), coordinator: z.string().max(128)}).optional(),
});
export type ServerRecord = z.infer<typeof ServerRecord>;
