/**
 * The hub as an MCP server on a WebSocket: one client a connection, of either era, served once it has asked something. Limits of sockets are the
 * hub's.
 */
import type {JSONRPCMessage, RequestId, Server, Transport} from '@modelcontextprotocol/server';
import {CLIENT_CAPABILITIES_META_KEY, isJSONRPCRequest} from '@modelcontextprotocol/server';
import {serveStdio} from '@modelcontextprotocol/server/stdio';
import type {FrameTransport} from '../bridge/frameTransport.ts';
import type {PlainConnection, ServePlain} from '../hub/plainMcp.ts';
import type {Era, SurfaceCaller} from './surface.ts';
import {SurfaceServer, type SurfaceServerOptions} from './surfaceServer.ts';

export function mcpSocket(options: SurfaceServerOptions): ServePlain {
  return connection => {
    const {surface, settings, logger} = options;
    const wire = new SocketWire(connection);
    const served = new Set<SurfaceServer>();
    const factory = ({era}: {era: Era}): Server => {
      const surfaceServer = serverFor(options, connection, era, wire);
      served.add(surfaceServer);
      return surfaceServer.server;
    };
    serveStdio(factory, {
      transport: wire,
      maxSubscriptions: settings.maxListensPerPrincipal,
      onerror: error => logger.debug('a message of an MCP client was refused', {error}),
    });
    connection.onClose(() => {
      for (const surfaceServer of served) surfaceServer.dispose();
      surface.release(clientKeyOf(connection));
    });
  };
}

function serverFor(
  options: SurfaceServerOptions,
  connection: PlainConnection,
  era: Era,
  wire: SocketWire,
): SurfaceServer {
  const {principal} = connection;
  const clientKey = clientKeyOf(connection);
  const caller = (): SurfaceCaller => ({
    principal,
    era,
    clientKey,
    capabilities:
      (era === 'legacy' ? surfaceServer.server.getClientCapabilities() : wire.declaredCapabilities) ?? {},
  });
  // Whoever declares our extension is served by another peer.
  const surfaceServer = new SurfaceServer(options, caller, undefined);
  if (era === 'modern') surfaceServer.announceChanges();
  else surfaceServer.server.oninitialized = () => surfaceServer.announceChanges();
  return surfaceServer;
}

function clientKeyOf({id}: PlainConnection): string {
  return `socket:${id}`;
}

/** The connection's frames as a transport of the SDK, whose requests count among those of the connection. */
class SocketWire implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** What the newest request of the modern era said that its client can. */
  declaredCapabilities: SurfaceCaller['capabilities'] | undefined;
  private readonly frames: FrameTransport;
  private readonly inWork = new Set<RequestId>();

  constructor(private readonly connection: PlainConnection) {
    this.frames = connection.transport;
  }

  start(): Promise<void> {
    const {frames} = this;
    frames.onmessage = message => this.receive(message as JSONRPCMessage);
    frames.onclose = () => this.onclose?.();
    return Promise.resolve();
  }

  send(message: JSONRPCMessage): Promise<void> {
    if (!('method' in message) && message.id !== undefined) this.settle(message.id);
    return this.frames.send(message as Parameters<FrameTransport['send']>[0]);
  }

  close(): Promise<void> {
    return this.frames.close();
  }

  private receive(message: JSONRPCMessage): void {
    if (isJSONRPCRequest(message)) {
      const refusal = this.inWork.has(message.id) ? undefined : this.connection.admitRequest();
      if (refusal) {
        const {code, message: text, data} = refusal;
        const error = data === undefined ? {code, message: text} : {code, message: text, data};
        void this.frames.send({jsonrpc: '2.0', id: message.id, error}).catch(() => undefined);
        return;
      }
      this.inWork.add(message.id);
      const declared = message.params?._meta?.[CLIENT_CAPABILITIES_META_KEY];
      if (declared) this.declaredCapabilities = declared;
    } else if ('method' in message && message.method === 'notifications/cancelled') {
      // What is cancelled is not answered.
      const id = message.params?.['requestId'];
      if (typeof id === 'string' || typeof id === 'number') this.settle(id);
    }
    this.onmessage?.(message);
  }

  private settle(id: RequestId): void {
    if (this.inWork.delete(id)) this.connection.answered();
  }
}
