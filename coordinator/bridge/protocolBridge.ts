/**
 * MCP into MCPX and back, without loss: what MCPX adds travels in `_meta`, so that every message stays a legal MCP message. Sockets and
 * sessions are left to others.
 */
import {
  decodeMessage,
  encodeMessage,
  type MCPMessage,
  type MCPXContext,
  type MCPXMessage,
} from '../protocol/envelope.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {
  type ExtensionSettings,
  negotiateProtocol,
  ownExtension,
  type ProtocolVersion,
  supportsFeature,
} from '../protocol/negotiation.ts';
import type {Feature} from '../protocol/version.ts';

const PARTS = ['orchestration', 'coordination', 'distribution'] as const;

export class ProtocolBridge {
  private negotiated: ProtocolVersion = {kind: 'mcp'};

  constructor(private readonly own: ExtensionSettings = ownExtension()) {}

  /** What was agreed on last; plain MCP before that. */
  get version(): ProtocolVersion {
    return this.negotiated;
  }

  /**
   * Lifts the parts out of `_meta`; those of `context` are added, and win. Throws `invalidParams` for a part that is malformed, and
   * `invalidRequest` where there is no place for a context.
   */
  translateMCPToMCPX(message: MCPMessage, context: MCPXContext = {}): MCPXMessage {
    const translated = decodeMessage(message);
    const added = presentParts(context);
    if (Object.keys(added).length === 0) return translated;
    requirePlace(message);
    return {...translated, ...added};
  }

  /** Puts the parts into `_meta`. Throws `invalidRequest` where there is no place for them. */
  translateMCPXToMCP(message: MCPXMessage): MCPMessage {
    const {orchestration, coordination, distribution, ...plain} = message;
    const parts = presentParts({orchestration, coordination, distribution});
    if (Object.keys(parts).length === 0) return plain;
    requirePlace(message);
    return encodeMessage(message);
  }

  /** From the capabilities of the other side: MCPX where both declare it, plain MCP where it does not, or `incompatible`. */
  negotiateProtocol(capabilities: unknown): ProtocolVersion {
    this.negotiated = negotiateProtocol(capabilities, this.own);
    return this.negotiated;
  }

  /** Whether both sides declared `feature`. */
  supportsFeature(feature: Feature | (string & {})): boolean {
    return supportsFeature(this.negotiated, feature);
  }
}

function presentParts(context: MCPXContext): MCPXContext {
  return Object.fromEntries(
    PARTS.flatMap(part => (context[part] === undefined ? [] : [[part, context[part]]])),
  );
}

function requirePlace(message: MCPMessage): void {
  if (message.error !== undefined)
    throw new ProtocolError('invalidRequest', 'an error response has no place for a context');
}
