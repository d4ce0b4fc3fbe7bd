/**
 * Connections whose peer speaks MCP and not our extension: when that is known, and what whoever serves them gets. Serving is left to the
 * composition root's MCP server.
 */
import type {FrameTransport} from '../bridge/frameTransport.ts';
import type {ProtocolError} from '../protocol/errors.ts';
import {negotiateProtocol} from '../protocol/negotiation.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {Principal} from '../security/principal.ts';

export const PLAIN_SUBPROTOCOL = 'mcp';

export interface PlainConnection {
  readonly id: string;
  readonly principal: Principal;
  /** Whoever serves the connection takes its messages from now on. */
  readonly transport: FrameTransport;
  /** A request comes in. Undefined when it may be served; `answered` has to be called once then. */
  admitRequest(): ProtocolError | undefined;
  answered(): void;
  onClose(listener: () => void): Disposable;
}

export type ServePlain = (connection: PlainConnection) => void;

/** What a message tells about the peer that sent it. */
export type PeerKind = 'plain' | 'mcpx' | 'undecided';

/** Every request of the 2026-07-28 era carries this; there is no handshake. */
const REVISION_KEY = 'io.modelcontextprotocol/protocolVersion';

const CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities';

export function peerKind(message: object): PeerKind {
  const {method, params} = message as {method?: unknown; params?: Readonly<Record<string, unknown>>};
  if (method === 'initialize') return kindOf(params?.['capabilities']);
  const meta = params?.['_meta'];
  if (meta === null || typeof meta !== 'object' || !(REVISION_KEY in meta)) return 'undecided';
  return kindOf(CAPABILITIES_KEY in meta ? meta[CAPABILITIES_KEY] : undefined);
}

/** Whose major is not ours hears so from the peer. */
function kindOf(capabilities: unknown): PeerKind {
  return negotiateProtocol(capabilities).kind === 'mcp' ? 'plain' : 'mcpx';
}
