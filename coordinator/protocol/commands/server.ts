/** MCP servers behind the hub: registering them, what they are and offer, and finding those that fit. */
import * as z from 'zod';
import {WallTime} from '../ids.ts';
import {AccessRule, ServerDefinition, ServerName} from '../model/server.ts';

/** One thing that a server offers. */
export const MCPCapability = z.object({
  kind: z.enum(['tool', 'resource', 'resourceTemplate', 'prompt']),
  /** As the server has it: a name, a URI, a template of URIs. */
  name: z.string(),
  /** As it appears at the hub; absent where nobody is shown it. */
  shown: z.string().optional(),
  description: z.string().optional(),
  /** Of tools that say so. */
  readOnly: z.boolean().optional(),
});
export type MCPCapability = z.infer<typeof MCPCapability>;

/** What is listed by a method of its own. */
export const MCPList = z.enum(['tools', 'resources', 'resourceTemplates', 'prompts']);
export type MCPList = z.infer<typeof MCPList>;

/**
 * `starting`: nothing is known of it yet. `ready`: what it offers is known. `unavailable`: it cannot be reached, and is tried again.
 * `needsLogin`: somebody has to log in (mcpx.server.login).
 */
export const ServerState = z.enum(['starting', 'ready', 'unavailable', 'needsLogin']);
export type ServerState = z.infer<typeof ServerState>;

/** A server as the coordinator that is asked sees it. */
export const MCPServerInfo = z.object({
  name: ServerName,
  /** Values of variables and headers, and what looks like a secret, are left out. */
  definition: ServerDefinition,
  discoveredAt: WallTime,
  source: z.string().optional(),
  state: ServerState,
  era: z.enum(['legacy', 'modern']).optional(),
  lastError: z.string().optional(),
  /** Where it runs, its own endpoint first, then its replicas; `failed` ones are left alone for a while. */
  places: z.array(
    z.object({state: z.enum(['unused', 'connected', 'failed']), lastError: z.string().optional()}),
  ),
  connections: z.number().int().nonnegative(),
  processes: z.number().int().nonnegative(),
  capabilities: z.array(MCPCapability),
  /** Lists that it declares and does not give, and is asked for again; of these `capabilities` has what was known before. Absent: none. */
  failedLists: z.array(z.object({list: MCPList, reason: z.string()})).optional(),
  /** Who lets the hub in there, where somebody has logged in. */
  login: z.object({issuer: z.string(), loggedInAt: WallTime}).optional(),
});
export type MCPServerInfo = z.infer<typeof MCPServerInfo>;

const Pattern = z.string().min(1).max(256);

/** Whatever is named must be there. Patterns have `*` and `**`. */
export const MCPRequirements = z.object({
  tools: z.array(Pattern).max(64).optional(),
  resources: z.array(Pattern).max(64).optional(),
  prompts: z.array(Pattern).max(64).optional(),
  /** Tools that only read. */
  readOnly: z.boolean().optional(),
  /** Words that what it offers should be about: more of them rank higher. */
  about: z.string().max(1024).optional(),
  /** Servers that cannot be reached now count too. Default: false. */
  unavailable: z.boolean().optional(),
});
export type MCPRequirements = z.infer<typeof MCPRequirements>;

export const ServerRegister = z.object({
  definition: ServerDefinition,
  /** Default: true: it is connected to first, and refused when it does not answer. */
  check: z.boolean().optional(),
  /** Default: false: a name that is taken is refused. */
  replace: z.boolean().optional(),
});
export const ServerRegistered = z.object({server: MCPServerInfo});

export const ServerNamed = z.object({name: ServerName});

/**
 * What became of the tokens of a login at the authorization server (RFC 7009); here they are gone in any case. `notOffered`: it revokes none,
 * they are good until they end by themselves.
 */
export const Revocation = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('revoked')}),
  z.object({kind: z.literal('notOffered'), issuer: z.string()}),
  z.object({kind: z.literal('failed'), issuer: z.string(), reason: z.string()}),
]);
export type Revocation = z.infer<typeof Revocation>;

export const ServerLoggedOut = z.object({revocation: Revocation});
/** `revocation` is absent where nobody was logged in. */
export const ServerRemoved = z.object({revocation: Revocation.optional()});

/** Without a name all of them. */
export const ServerList = z.object({name: ServerName.optional(), requirements: MCPRequirements.optional()});
/** In order of their names, or of how well they fit the requirements. */
export const ServersListed = z.object({servers: z.array(MCPServerInfo)});

/** Who may use what of it, in the place of the rules that it has; whatever else is registered stays, and so do its connections. */
export const ServerAccess = z.object({name: ServerName, access: z.array(AccessRule).max(64)});

const Scope = z.string().min(1).max(8192);

/**
 * A person's login at a server that wants OAuth. `begin` answers where the person goes; the browser comes back to `redirectUrl` with what
 * `finish` takes, on the same coordinator and by the same principal. The login is the hub's: all its clients use the server by it.
 */
export const ServerLogin = z.discriminatedUnion('step', [
  z.object({
    step: z.literal('begin'),
    name: ServerName,
    redirectUrl: z.string().min(1).max(2048),
    /** Wanted beside what was granted before. */
    scope: Scope.optional(),
  }),
  z.object({
    step: z.literal('finish'),
    name: ServerName,
    /** `state`, `code` and `iss` as they came back. */
    state: z.string().min(1).max(1024),
    code: z.string().min(1).max(8192),
    iss: z.string().max(2048).optional(),
  }),
]);
export const ServerLoginResult = z.discriminatedUnion('step', [
  z.object({step: z.literal('begin'), authorizationUrl: z.string(), state: z.string()}),
  z.object({
    step: z.literal('finish'),
    issuer: z.string(),
    scope: z.string().optional(),
    /** Seconds that the access token is good for; it is renewed where the authorization server allows that. */
    expiresIn: z.number().optional(),
    renewable: z.boolean(),
  }),
]);
export type ServerLoginResult = z.infer<typeof ServerLoginResult>;

/** Connects anew, whatever pause a failure has brought; without a name to all. */
export const ServerRefresh = z.object({name: ServerName.optional()});
