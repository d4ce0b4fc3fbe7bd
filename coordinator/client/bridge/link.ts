/**
 * One connection of a bridge: the SDK's client over a WebSocket, or over Streamable HTTP of either era, and what was agreed on over it. When it
 * ends it is not opened again: that is its owner's.
 */
import {
  Client,
  type ClientCapabilities,
  ProtocolError as McpProtocolError,
  type Notification,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  StreamableHTTPClientTransport,
  type Transport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import * as z from 'zod';
import type {BridgeSendOptions} from '../../bridge/protocolBridge.ts';
import {wireError} from '../../bridge/wireErrors.ts';
import type {Logger} from '../../observability/logger.ts';
import type {MCPMessage} from '../../protocol/envelope.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {
  type ExtensionSettings,
  extensionCapabilities,
  negotiateProtocol,
  type ProtocolVersion,
} from '../../protocol/negotiation.ts';
import {DEFAULT_REQUEST_TIMEOUT_MS} from '../../protocol/version.ts';
import {deferred} from '../../runtime/deferred.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import type {OpenSocket} from '../clientSocket.ts';
import {SocketTransport} from './socketTransport.ts';

export interface LinkOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly openSocket: OpenSocket;
  readonly fetch?: typeof fetch | undefined;
  readonly implementation: {readonly name: string; readonly version: string};
  readonly own: ExtensionSettings;
  readonly timeoutMs: number;
  readonly logger: Logger;
  /** Answers what the other side asks, with a result. */
  readonly onRequest: (message: MCPMessage) => Promise<Record<string, unknown>>;
  readonly onNotification: (message: MCPMessage) => Promise<void>;
}

/** Results pass as they are. */
const Passed = z.looseObject({});

export class Link {
  private readonly ended = deferred<void>();
  private isEnded = false;

  private constructor(
    private readonly client: Client,
    readonly version: ProtocolVersion,
  ) {}

  /** Rejects with `unavailable` or `unauthorized`. Versions that do not fit are no error here. */
  static async open(options: LinkOptions): Promise<Link> {
    const {url, own, timeoutMs, implementation} = options;
    const isSocket = /^wss?:/.test(url);
    const client = new Client(implementation, {
      capabilities: extensionCapabilities(own) as ClientCapabilities,
      // Over a WebSocket MCPX is agreed on by `initialize`.
      ...(!isSocket && {versionNegotiation: {mode: 'auto' as const}}),
    });
    serve(client, options);
    const transport = isSocket
      ? new SocketTransport(options.openSocket, {url, token: options.token})
      : httpTransport(options);
    try {
      await client.connect(transport, {timeout: timeoutMs});
    } catch (error) {
      await client.close().catch(() => undefined);
      throw openingFault(url, error);
    }
    const link = new Link(client, negotiateProtocol(client.getServerCapabilities(), own));
    client.onclose = () => link.end();
    return link;
  }

  get isOpen(): boolean {
    return !this.isEnded;
  }

  get whenEnded(): Promise<void> {
    return this.ended.promise;
  }

  /** The answer to a request; of a notification undefined. Rejects with a `ProtocolError` where there is none. */
  async send(
    {jsonrpc, id, method = '', params}: MCPMessage,
    options: BridgeSendOptions,
  ): Promise<MCPMessage | undefined> {
    const {timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS, signal} = options;
    if (method.startsWith('mcpx.') && this.version.kind !== 'mcpx')
      throw new ProtocolError('methodNotFound', `the other side does not speak MCPX, so it has no ${method}`);
    const body = {method, ...(params && {params: {...params}})};
    try {
      if (id === undefined) {
        await this.client.notification(body);
        return undefined;
      }
      const result = await this.client.request(body, Passed, {
        timeout: timeoutMs,
        allowInputRequired: true,
        ...(signal && {signal}),
      });
      return {jsonrpc, id, result};
    } catch (error) {
      if (id !== undefined && error instanceof McpProtocolError) {
        const {code, message, data} = error;
        return {jsonrpc, id, error: {code, message, ...(data !== undefined && {data})}};
      }
      throw sendingFault(method, error, signal);
    }
  }

  /** Rejects when there is no sign of life within `timeoutMs`. */
  async probe(timeoutMs: number): Promise<void> {
    if (this.client.getProtocolEra() === 'modern') await this.client.discover({timeout: timeoutMs});
    else await this.client.ping({timeout: timeoutMs});
  }

  async close(): Promise<void> {
    this.end();
    await this.client.close();
  }

  private end(): void {
    this.isEnded = true;
    this.ended.resolve();
  }
}

function serve(client: Client, {onRequest, onNotification, logger}: LinkOptions): void {
  client.fallbackRequestHandler = async ({jsonrpc, id, method, params}) => {
    try {
      return await onRequest({jsonrpc, id, method, ...(params && {params})});
    } catch (error) {
      const {code, message, data} = wireError(error);
      throw new McpProtocolError(code, message, data);
    }
  };
  client.fallbackNotificationHandler = ({method, params}: Notification) =>
    onNotification({jsonrpc: '2.0', method, ...(params && {params})});
  client.onerror = error => logger.debug('a message was dropped', {error});
}

function httpTransport({url, token, fetch}: LinkOptions): Transport {
  const headers: Record<string, string> = token === undefined ? {} : {authorization: `Bearer ${token}`};
  return new StreamableHTTPClientTransport(new URL(url), {requestInit: {headers}, ...(fetch && {fetch})});
}

function openingFault(url: string, error: unknown): Error {
  if (error instanceof CoordinatorError) return error;
  const status = error instanceof SdkHttpError ? error.status : undefined;
  if (error instanceof UnauthorizedError || status === 401 || status === 403)
    return new CoordinatorError('unauthorized', `${url} refused the token`, {cause: error});
  return new CoordinatorError('unavailable', `cannot speak with ${url}: ${describeError(error)}`, {
    cause: error,
  });
}

function sendingFault(method: string, error: unknown, signal: AbortSignal | undefined): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (signal?.aborted) return new ProtocolError('cancelled', `${method} was cancelled`);
  if (error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout)
    return new ProtocolError('timeout', `${method} was not answered in time`);
  return new ProtocolError('unavailable', `${method}: ${describeError(error)}`);
}
