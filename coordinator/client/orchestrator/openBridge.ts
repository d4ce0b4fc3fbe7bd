/** A bridge between MCP and MCPX for a program: with Node's sockets, the system's clock, and tokens as the program has them. */
import type {BridgeTarget} from '../../bridge/protocolBridge.ts';
import {type Logger, silentLogger} from '../../observability/logger.ts';
import type {MCPXMessage} from '../../protocol/envelope.ts';
import {systemClock} from '../../runtime/clock.ts';
import {systemRandom} from '../../runtime/random.ts';
import {VERSION} from '../../version.ts';
import {type BridgeSettings, McpxBridge} from '../bridge/mcpxBridge.ts';
import {nodeSocket} from '../nodeSocket.ts';

export interface OpenBridgeOptions {
  /** Shown to everybody, or to whom it is for. Default: none. */
  readonly token?: string | ((url: string) => string | undefined);
  /** PEM of the only authority to trust over `wss://`. Default: the system's. */
  readonly ca?: string;
  /** `ws(s)://host:port`: where instances are reached whose endpoint is relative to it. */
  readonly coordinator?: string;
  /** Answers what the other side of a connection asks, with a result. Default: nothing is served. */
  readonly onMessage?: (message: MCPXMessage, target: BridgeTarget) => Promise<Record<string, unknown>>;
  readonly settings?: Partial<BridgeSettings>;
  /** Default: silent. */
  readonly logger?: Logger;
}

/** Connects to nobody yet. `dispose` closes what it has connected. */
export function openBridge(options: OpenBridgeOptions = {}): McpxBridge {
  const {token, ca, coordinator, onMessage, settings, logger = silentLogger} = options;
  return new McpxBridge({
    token: typeof token === 'string' ? () => token : token,
    coordinator,
    openSocket: nodeSocket({ca: () => ca}),
    clock: systemClock,
    random: systemRandom,
    logger,
    implementation: {name: 'mcpx-bridge', version: VERSION},
    settings,
    onMessage,
  });
}
