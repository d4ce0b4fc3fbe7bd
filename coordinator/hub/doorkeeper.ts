/** Who gets past the door: host and origin names against DNS rebinding, and the bearer token. What a principal may do is security/authorize.ts. */
import type {IncomingMessage} from 'node:http';
import {SUBPROTOCOLS} from '../protocol/version.ts';
import type {Principal} from '../security/principal.ts';

export type Authenticate = (token: string) => Promise<Principal | undefined>;

export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 426 | 429 | 503;
  readonly message: string;
}

export type Admission =
  | {readonly kind: 'admitted'; readonly principal: Principal}
  | ({readonly kind: 'refused'} & Refusal);

/** Where MCP is spoken over HTTP. */
export const MCP_PATH = '/mcp';

const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Browsers cannot set headers on a WebSocket: their token travels as one more subprotocol. */
const TOKEN_SUBPROTOCOL = 'mcpx.token.';

/** A token in a URL ends up in logs and histories. */
const TOKEN_IN_URL = /[?&](token|access_token|authorization)=/i;

export class Doorkeeper {
  private readonly names: ReadonlySet<string>;

  constructor(
    /** Host names and addresses, without port, by which this hub is reached beside loopback. */
    publicNames: readonly string[],
    private readonly authenticate: Authenticate,
  ) {
    this.names = new Set([...LOOPBACK_NAMES, ...publicNames.map(name => name.toLowerCase())]);
  }

  /** Checks that hold for every request, with or without a token. */
  nameFault(request: IncomingMessage): Refusal | undefined {
    const host = request.headers.host;
    const local = request.socket.localAddress;
    if (host === undefined || !this.knows(`http://${host}`, local))
      return {status: 403, message: 'this host name is not served here'};
    const {origin} = request.headers;
    if (origin !== undefined && !this.knows(origin, local))
      return {status: 403, message: 'this origin is not served here'};
    if (TOKEN_IN_URL.test(request.url ?? ''))
      return {status: 400, message: 'send the token in the Authorization header, never in the URL'};
    return undefined;
  }

  async admit(request: IncomingMessage): Promise<Admission> {
    const token = bearerToken(request) ?? subprotocolToken(request);
    if (token === undefined) return {kind: 'refused', status: 401, message: 'a bearer token is required'};
    const principal = await this.authenticate(token);
    if (!principal)
      return {kind: 'refused', status: 401, message: 'the token is unknown, expired or revoked'};
    // Its agent has a token for everything else.
    if (principal.attempt && (request.url ?? '').split('?', 1)[0] !== MCP_PATH)
      return {kind: 'refused', status: 403, message: `the token of an attempt is for ${MCP_PATH} alone`};
    return {kind: 'admitted', principal};
  }

  /** Rebinding needs a name: the very address that a request arrived at is no threat. */
  private knows(url: string, localAddress: string | undefined): boolean {
    if (!URL.canParse(url)) return false;
    const {protocol, hostname} = new URL(url);
    if (protocol !== 'http:' && protocol !== 'https:') return false;
    const local = localAddress?.replace(/^::ffff:/, '');
    return this.names.has(hostname) || hostname === local || hostname === `[${local}]`;
  }
}

/** The subprotocol to speak, best first, or undefined when the peer offers none of ours. */
export function chooseSubprotocol(offered: ReadonlySet<string>): string | undefined {
  return SUBPROTOCOLS.find(name => offered.has(name));
}

export function offeredSubprotocols(request: IncomingMessage): ReadonlySet<string> {
  const header = request.headers['sec-websocket-protocol'] ?? '';
  return new Set(header.split(',').map(name => name.trim()));
}

function bearerToken(request: IncomingMessage): string | undefined {
  return /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

function subprotocolToken(request: IncomingMessage): string | undefined {
  for (const name of offeredSubprotocols(request)) {
    if (!name.startsWith(TOKEN_SUBPROTOCOL)) continue;
    return Buffer.from(name.slice(TOKEN_SUBPROTOCOL.length), 'base64url').toString('utf8');
  }
  return undefined;
}
