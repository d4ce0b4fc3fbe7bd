/** The bridge between MCP and MCPX over real connections: WebSockets to whoever speaks MCPX or MCP there, Streamable HTTP to MCP servers. */
import {type BackoffSettings, backoffMs} from '../../bridge/backoff.ts';
import {
  type BridgeConnection,
  type BridgeTarget,
  type ProtocolBridge,
  translateMCPToMCPX,
  translateMCPXToMCP,
} from '../../bridge/protocolBridge.ts';
import type {Logger} from '../../observability/logger.ts';
import type {MCPMessage, MCPXContext, MCPXMessage} from '../../protocol/envelope.ts';
import {isProtocolError, ProtocolError} from '../../protocol/errors.ts';
import {
  type ExtensionSettings,
  ownExtension,
  type ProtocolVersion,
  supportsFeature,
} from '../../protocol/negotiation.ts';
import {FEATURES, type Feature} from '../../protocol/version.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import type {OpenSocket} from '../clientSocket.ts';
import {EstablishedConnection} from './bridgeConnection.ts';
import {Link} from './link.ts';

export interface BridgeSettings extends BackoffSettings {
  /** Time to connect and to agree. */
  readonly connectTimeoutMs: number;
  /** A maintained connection is asked for a sign of life this often, and given up when none comes within as long again. */
  readonly probeMs: number;
  /** What was agreed with an address is asked again after this. */
  readonly agreedMs: number;
}

export const BRIDGE_SETTINGS: BridgeSettings = {
  connectTimeoutMs: 10_000,
  probeMs: 20_000,
  agreedMs: 60_000,
  minBackoffMs: 250,
  maxBackoffMs: 15_000,
};

export interface BridgeOptions {
  /** Shown to whoever is at that address. */
  readonly token?: (url: string) => string | undefined;
  /** Where instances are whose endpoint is relative to their coordinator: `ws(s)://host:port`. */
  readonly coordinator?: string;
  readonly openSocket: OpenSocket;
  /** For Streamable HTTP. Default: the platform's. */
  readonly fetch?: typeof fetch;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly implementation: {readonly name: string; readonly version: string};
  readonly settings?: Partial<BridgeSettings>;
  /** Answers requests of the other side with a result, and hears its notifications, whose result nobody waits for. Default: `methodNotFound`. */
  readonly onMessage?: (message: MCPXMessage, target: BridgeTarget) => Promise<Record<string, unknown>>;
}

/** These are agreed on by whoever speaks frames himself. */
const OF_FRAMES: ReadonlySet<string> = new Set<Feature>(['frames.batch', 'watch.shared']);

export class McpxBridge implements ProtocolBridge, Disposable {
  private readonly settings: BridgeSettings;
  private readonly own: ExtensionSettings = ownExtension(FEATURES.filter(feature => !OF_FRAMES.has(feature)));
  private readonly connections = new Map<string, EstablishedConnection>();
  private readonly agreed = new Map<string, {readonly version: ProtocolVersion; readonly at: number}>();
  private issued = 0;

  constructor(private readonly options: BridgeOptions) {
    this.settings = {...BRIDGE_SETTINGS, ...options.settings};
  }

  translateMCPToMCPX(message: MCPMessage, context?: MCPXContext): MCPXMessage {
    return translateMCPToMCPX(message, context);
  }

  translateMCPXToMCP(message: MCPXMessage): MCPMessage {
    return translateMCPXToMCP(message);
  }

  async negotiateProtocol(remoteEndpoint: string): Promise<ProtocolVersion> {
    const url = this.urlOf(remoteEndpoint);
    const connected = [...this.connections.values()].find(
      connection => connection.url === url && connection.isOpen,
    );
    if (connected) return connected.version;
    const link = await this.open(url, {id: url, endpoint: remoteEndpoint});
    await link.close();
    return this.remember(url, link.version);
  }

  async supportsFeature(endpoint: string, feature: Feature | (string & {})): Promise<boolean> {
    const known = this.agreed.get(this.urlOf(endpoint));
    const isFresh = known !== undefined && this.options.clock.now() - known.at < this.settings.agreedMs;
    return supportsFeature(isFresh ? known.version : await this.negotiateProtocol(endpoint), feature);
  }

  async establishConnection(target: BridgeTarget): Promise<BridgeConnection> {
    const url = this.urlOf(target.endpoint);
    const link = await this.agree(url, target);
    const connection = new EstablishedConnection(
      `bridge-${++this.issued}`,
      target,
      url,
      link,
      this.options.clock,
    );
    this.connections.set(connection.id, connection);
    return connection;
  }

  async maintainConnection(given: BridgeConnection): Promise<void> {
    const connection = this.connections.get(given.id);
    if (!connection || connection.isMaintained) return;
    connection.isMaintained = true;
    try {
      while (!connection.isClosed) {
        await this.watch(connection);
        if (!connection.isClosed) await this.reestablish(connection);
      }
    } finally {
      connection.isMaintained = false;
      connection.wake();
    }
  }

  async closeConnection(connectionId: string): Promise<void> {
    const connection = this.connections.get(connectionId);
    this.connections.delete(connectionId);
    await connection?.close();
  }

  /** Closes every connection. */
  dispose(): void {
    for (const id of [...this.connections.keys()])
      this.closeConnection(id).catch((error: unknown) =>
        this.options.logger.debug('a connection was not closed', {error}),
      );
  }

  /** Resolves when the link has ended, or gives no sign of life. */
  private async watch({link}: EstablishedConnection): Promise<void> {
    const {clock, logger} = this.options;
    const {probeMs} = this.settings;
    while (link.isOpen) {
      const pause = new AbortController();
      await Promise.race([link.whenEnded, delay(clock, probeMs, pause.signal).catch(() => undefined)]);
      pause.abort();
      if (!link.isOpen) return;
      try {
        await link.probe(probeMs);
      } catch (error) {
        logger.debug('a connection gives no sign of life', {error});
        await link.close();
      }
    }
  }

  private async reestablish(connection: EstablishedConnection): Promise<void> {
    const {clock, random, logger} = this.options;
    for (let tries = 1; !connection.isClosed; tries++) {
      try {
        const link = await this.agree(connection.url, connection.target);
        if (connection.isClosed) await link.close();
        else connection.replace(link);
        return;
      } catch (error) {
        if (isCoordinatorError(error, 'unauthorized') || isProtocolError(error, 'incompatible')) throw error;
        logger.debug('a connection was not established again', {url: connection.url, error});
        await delay(clock, backoffMs(this.settings, tries, random));
      }
    }
  }

  private async agree(url: string, target: BridgeTarget): Promise<Link> {
    const link = await this.open(url, target);
    const version = this.remember(url, link.version);
    if (version.kind !== 'incompatible') return link;
    await link.close();
    const {theirs, ours} = version;
    throw new ProtocolError(
      'incompatible',
      `${url} speaks MCPX ${theirs}, which ${ours} does not understand`,
      {theirs, ours},
    );
  }

  private open(url: string, target: BridgeTarget): Promise<Link> {
    const {token, openSocket, fetch, implementation, logger, onMessage} = this.options;
    const answer = async (message: MCPMessage): Promise<Record<string, unknown>> => {
      if (!onMessage) throw new ProtocolError('methodNotFound', `${message.method} is not served here`);
      return await onMessage(translateMCPToMCPX(message), target);
    };
    return Link.open({
      url,
      token: token?.(url),
      openSocket,
      fetch,
      implementation,
      own: this.own,
      timeoutMs: this.settings.connectTimeoutMs,
      logger,
      onRequest: answer,
      onNotification: async message => {
        if (onMessage) await answer(message);
      },
    });
  }

  private remember(url: string, version: ProtocolVersion): ProtocolVersion {
    this.agreed.set(url, {version, at: this.options.clock.now()});
    return version;
  }

  /** An instance that only dials out is reached where its coordinator is. */
  private urlOf(endpoint: string): string {
    if (/^(?:wss?|https?):\/\//.test(endpoint)) return endpoint;
    const {coordinator} = this.options;
    if (endpoint.startsWith('/') && coordinator !== undefined) return coordinator;
    throw new CoordinatorError('config', `cannot reach ${JSON.stringify(endpoint)}`, {
      hint: 'It takes ws://, wss://, http:// or https://, or an endpoint at a coordinator, whose address the bridge must be given.',
    });
  }
}
