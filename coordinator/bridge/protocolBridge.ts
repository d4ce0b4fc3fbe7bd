/**
 * MCP into MCPX and back, without loss, and what a bridge between both is. What MCPX adds travels in `_meta`, so that every message stays a legal
 * MCP message of either era. Sockets are left to others: `client/bridge` has them.
 */
import {
  decodeMessage,
  encodeMessage,
  hasPlace,
  type MCPMessage,
  type MCPXContext,
  type MCPXMessage,
  PARTS,
} from '../protocol/envelope.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {ClaudeCodeInstance} from '../protocol/instance.ts';
import type {ProtocolVersion} from '../protocol/negotiation.ts';
import type {Feature} from '../protocol/version.ts';

export interface ProtocolBridge {
  /** As the function of this name. */
  translateMCPToMCPX(message: MCPMessage, context?: MCPXContext): MCPXMessage;
  /** As the function of this name. */
  translateMCPXToMCP(message: MCPXMessage): MCPMessage;
  /**
   * What is spoken with whoever listens there: MCPX where both sides declare it, plain MCP where the other does not, `incompatible` where the
   * major versions differ. Asks there unless it is connected. Rejects with `unavailable` or `unauthorized`.
   */
  negotiateProtocol(remoteEndpoint: string): Promise<ProtocolVersion>;
  /** Whether both sides declared `feature`. Rejects as `negotiateProtocol` does. */
  supportsFeature(endpoint: string, feature: Feature | (string & {})): Promise<boolean>;
  /** Resolves once something was agreed on. Rejects with `unavailable`, `unauthorized` or `incompatible`. */
  establishConnection(agent: BridgeTarget): Promise<BridgeConnection>;
  /**
   * Keeps it alive: whoever is silent is asked for a sign, a connection that breaks is established again, and messages wait for that. Resolves
   * when it was closed here; rejects when trying again is no use (`unauthorized`, `incompatible`).
   */
  maintainConnection(connection: BridgeConnection): Promise<void>;
  /** Whatever waits for an answer is rejected. Does nothing when there is no such connection. */
  closeConnection(connectionId: string): Promise<void>;
}

/** An instance as everyone sees it, or of it what a bridge needs. */
export type BridgeTarget = Pick<ClaudeCodeInstance, 'id' | 'endpoint'>;

export interface BridgeSendOptions {
  /** Default 30 s. Covers the waiting for a connection that is being established again. */
  readonly timeoutMs?: number;
  /** Aborting tells the other side and rejects with `cancelled`. */
  readonly signal?: AbortSignal;
}

export interface BridgeConnection {
  readonly id: string;
  readonly target: BridgeTarget;
  /** Where it leads. */
  readonly url: string;
  /** What was agreed on last. */
  readonly version: ProtocolVersion;
  readonly isOpen: boolean;
  /**
   * Sends a request and resolves with its response, an error response too; of a notification with undefined. The message's id is its sender's and
   * comes back. Rejects with a `ProtocolError` where there was no answer, and with `methodNotFound` for what is MCPX's alone and the other
   * side does not speak it.
   */
  send(message: MCPXMessage, options?: BridgeSendOptions): Promise<MCPXMessage | undefined>;
}

/**
 * Lifts the parts out of `_meta`; those of `context` are added, and win. Throws `invalidParams` for a part that is malformed, and
 * `invalidRequest` where there is no place for a context. Whatever else is in the message, known or not, stays what and where it is.
 */
export function translateMCPToMCPX(message: MCPMessage, context: MCPXContext = {}): MCPXMessage {
  const translated = decodeMessage(message);
  const added = presentParts(context);
  if (Object.keys(added).length === 0) return translated;
  requirePlace(message);
  return {...translated, ...added};
}

/** Puts the parts into `_meta`. Throws `invalidRequest` where there is no place for them. */
export function translateMCPXToMCP(message: MCPXMessage): MCPMessage {
  const {orchestration, coordination, distribution, ...plain} = message;
  if (Object.keys(presentParts({orchestration, coordination, distribution})).length === 0) return plain;
  requirePlace(plain);
  return encodeMessage(message);
}

function presentParts(context: MCPXContext): MCPXContext {
  return Object.fromEntries(
    PARTS.flatMap(part => (context[part] === undefined ? [] : [[part, context[part]]])),
  );
}

function requirePlace(message: MCPMessage): void {
  if (message.error !== undefined)
    throw new ProtocolError('invalidRequest', 'an error response has no place for a context');
  if (!hasPlace(message))
    throw new ProtocolError('invalidRequest', '_meta: expected an object, to which a context can be added');
}
