/** MCP's opening of a conversation, from either side, and what both then speak. Sending it, and what a transport makes of it, is the peer's. */
import {
  type InitializeRequest,
  InitializeRequestSchema,
  type InitializeResult,
  type JSONRPCRequest,
  LATEST_PROTOCOL_VERSION,
  SUPPORTED_PROTOCOL_VERSIONS,
} from '@modelcontextprotocol/sdk/types.js';
import {ProtocolError} from '../protocol/errors.ts';
import {
  type ExtensionSettings,
  extensionCapabilities,
  negotiateProtocol,
  type ProtocolVersion,
  supportsFeature,
} from '../protocol/negotiation.ts';
import {paramsError} from './wireErrors.ts';

const PLAIN_MCP: ProtocolVersion = {kind: 'mcp'};

export class Handshake {
  private negotiated: ProtocolVersion = PLAIN_MCP;
  private answered = false;

  constructor(
    private readonly implementation: {readonly name: string; readonly version: string},
    private readonly own: ExtensionSettings,
  ) {}

  /** What both sides speak; plain MCP before they have agreed. */
  get version(): ProtocolVersion {
    return this.negotiated;
  }

  get hasBatches(): boolean {
    return supportsFeature(this.negotiated, 'frames.batch');
  }

  /** What the side sends that opens. */
  request(): InitializeRequest {
    return {
      method: 'initialize',
      params: {
        protocolVersion: LATEST_PROTOCOL_VERSION,
        capabilities: extensionCapabilities(this.own),
        clientInfo: this.implementation,
      },
    };
  }

  /** Takes the answer to `request`. Throws `incompatible`. */
  accept({protocolVersion, capabilities}: InitializeResult): void {
    if (!SUPPORTED_PROTOCOL_VERSIONS.includes(protocolVersion))
      throw new ProtocolError('incompatible', `the peer speaks MCP ${protocolVersion}`);
    this.negotiated = this.agreedOn(capabilities);
  }

  /** Answers the other side, once. Throws `invalidParams`, `invalidRequest`, `incompatible`. */
  answer(request: JSONRPCRequest): InitializeResult {
    const parsed = InitializeRequestSchema.safeParse(request);
    if (!parsed.success) throw paramsError('initialize', parsed.error);
    if (this.answered) throw new ProtocolError('invalidRequest', 'initialize was sent before');
    const {protocolVersion, capabilities} = parsed.data.params;
    this.negotiated = this.agreedOn(capabilities);
    this.answered = true;
    const known = SUPPORTED_PROTOCOL_VERSIONS.includes(protocolVersion);
    return {
      protocolVersion: known ? protocolVersion : LATEST_PROTOCOL_VERSION,
      capabilities: this.negotiated.kind === 'mcpx' ? extensionCapabilities(this.own) : {},
      serverInfo: this.implementation,
    };
  }

  private agreedOn(capabilities: unknown): ProtocolVersion {
    const version = negotiateProtocol(capabilities, this.own);
    if (version.kind === 'incompatible') {
      const {theirs, ours} = version;
      throw new ProtocolError('incompatible', `MCPX ${theirs} and ${ours} do not understand each other`, {
        theirs,
        ours,
      });
    }
    return version;
  }
}
