/**
 * One bidirectional MCPX peer over an SDK transport. Correlation, cancellation, progress and timeouts are the SDK's, or those of `DirectCalls`
 * where the transport has that way; the method table decides what a message may be. Runs in browsers too. Sockets, reconnects and rights are left
 * to others.
 */
import {Protocol, type RequestHandlerExtra} from '@modelcontextprotocol/sdk/shared/protocol.js';
import type {Transport} from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  EmptyResultSchema,
  InitializeResultSchema,
  type JSONRPCRequest,
  type Notification,
  type Request,
  type Result as SdkResult,
} from '@modelcontextprotocol/sdk/types.js';
import type {Logger} from '../observability/logger.ts';
import {
  isMethod,
  METHODS,
  type Method,
  methodSpec,
  type Params,
  type ParamsInput,
  type Result,
} from '../protocol/commands/table.ts';
import {decodeContext, encodeContext, type MCPXContext} from '../protocol/envelope.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {type ExtensionSettings, ownExtension, type ProtocolVersion} from '../protocol/negotiation.ts';
import {DEFAULT_REQUEST_TIMEOUT_MS} from '../protocol/version.ts';
import {type Clock, systemClock} from '../runtime/clock.ts';
import {deferred} from '../runtime/deferred.ts';
import {DirectCalls, type DirectTransport, type Served} from './directCalls.ts';
import type {FrameKind} from './frame.ts';
import {Handshake} from './handshake.ts';
import {callError, parseParams, wireError} from './wireErrors.ts';

export interface PeerOptions {
  readonly implementation: {readonly name: string; readonly version: string};
  readonly logger: Logger;
  readonly extension?: ExtensionSettings;
  /** Times requests out. Default: the system's. */
  readonly clock?: Clock;
}

export interface CallOptions {
  /** Default 30 s. */
  readonly timeoutMs?: number;
  /** Aborting tells the peer and rejects with `cancelled`. */
  readonly signal?: AbortSignal;
  readonly context?: MCPXContext;
  /** Each report starts the timeout anew. */
  readonly onProgress?: (report: ProgressReport) => void;
}

export interface ProgressReport {
  readonly progress: number;
  readonly total?: number;
  readonly message?: string;
}

export interface CallInfo {
  readonly context: MCPXContext;
  /** Aborts when the caller cancels or the connection closes. */
  readonly signal: AbortSignal;
  /** Does nothing unless the caller asked for progress. */
  progress(report: ProgressReport): void;
}

/** A request or notification of the peer, its parameters parsed. */
export type IncomingCall<M extends Method = Method> = M extends Method
  ? {readonly method: M; readonly params: Params<M>} & CallInfo
  : never;

/** Answers with the method's result; what it throws becomes an error response. */
export type CallHandler = (call: IncomingCall) => Promise<object>;

/** What a transport may have beside the SDK's. */
interface TransportExtras {
  /** Told, while a message is being delivered, that the peer could not place it. */
  reportRefusal(): void;
  /** From now on the peer may send batches. */
  acceptBatches(): void;
  /** From now on the peer takes batches. */
  sendBatches(): void;
}

export type PeerTransport = Transport & Partial<TransportExtras> & Partial<DirectTransport>;

type Extra = RequestHandlerExtra<Request, Notification>;

const INITIALIZED = 'notifications/initialized';

/** The SDK's protocol without its rules for methods: the table has ours. */
class OpenProtocol extends Protocol<Request, Notification, SdkResult> {
  constructor() {
    super();
    // The SDK numbers requests from 0 but ignores the cancellation of a request whose id is falsy.
    Reflect.set(this, '_requestMessageId', 1);
  }

  protected override assertCapabilityForMethod(): void {}
  protected override assertNotificationCapability(): void {}
  protected override assertRequestHandlerCapability(): void {}
  protected override assertTaskCapability(): void {}
  protected override assertTaskHandlerCapability(): void {}
}

export class Peer {
  private readonly protocol = new OpenProtocol();
  private readonly handshake: Handshake;
  private handler: CallHandler | undefined;
  private direct: DirectCalls | undefined;
  private transport: PeerTransport | undefined;
  private readonly closed = deferred<void>();

  constructor(private readonly peerOptions: PeerOptions) {
    const {implementation, extension = ownExtension()} = peerOptions;
    this.handshake = new Handshake(implementation, extension);
    this.protocol.fallbackRequestHandler = (request, extra) => this.onRequest(request, extra);
    this.protocol.fallbackNotificationHandler = notification => this.onCallNotification(notification);
  }

  /** What both sides speak, after `initialize`. */
  get version(): ProtocolVersion {
    return this.handshake.version;
  }

  /** Resolves when the connection has closed, from either side. */
  get whenClosed(): Promise<void> {
    return this.closed.promise;
  }

  /** Starts serving `transport`; its messages may arrive as soon as this returns. */
  attach(transport: PeerTransport): void {
    this.protocol.onerror = error => {
      transport.reportRefusal?.();
      this.peerOptions.logger.debug('the peer dropped a message', {error});
    };
    this.protocol.onclose = () => {
      this.direct?.close();
      this.closed.resolve();
    };
    this.transport = transport;
    if (hasDirectWay(transport)) this.direct = this.directCalls(transport);
    this.protocol
      .connect(transport)
      .catch((error: unknown) => this.peerOptions.logger.warn('the transport did not start', {error}));
  }

  /** Closes the transport; every request that waits is rejected. */
  close(): Promise<void> {
    return this.protocol.close();
  }

  /** Serves whatever the peer sends from now on. */
  handle(handler: CallHandler): void {
    this.handler = handler;
  }

  /** Opens the conversation, as the MCP client does. Throws `incompatible` when the majors differ. */
  async initialize(
    options: {readonly timeoutMs?: number; readonly signal?: AbortSignal} = {},
  ): Promise<ProtocolVersion> {
    const result = await this.call(
      'initialize',
      signal =>
        this.protocol.request(this.handshake.request(), InitializeResultSchema, {
          timeout: options.timeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
          signal,
        }),
      options.signal,
    );
    this.handshake.accept(result);
    if (this.handshake.hasBatches) this.transport?.acceptBatches?.();
    await this.protocol.notification({method: INITIALIZED});
    if (this.handshake.hasBatches) this.transport?.sendBatches?.();
    return this.version;
  }

  /** Resolves when the peer answers at all. */
  async ping(timeoutMs: number): Promise<void> {
    await this.call('ping', () =>
      this.protocol.request({method: 'ping'}, EmptyResultSchema, {timeout: timeoutMs}),
    );
  }

  /** Calls a method of the peer and checks its answer. Rejects with a `ProtocolError` only. */
  request<M extends Method>(
    method: M,
    params: ParamsInput<M>,
    options: CallOptions = {},
  ): Promise<Result<M>> {
    const {onProgress, context, timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS} = options;
    if (this.direct && !onProgress && !context)
      return this.direct.request(method, params, timeoutMs, options.signal) as Promise<Result<M>>;
    const body = params as Record<string, unknown>;
    const request = {method, params: context ? encodeContext(body, context) : body};
    return this.call(
      method,
      signal =>
        this.protocol.request(request, METHODS[method].result, {
          timeout: timeoutMs,
          ...(signal && {signal}),
          ...(onProgress && {onprogress: onProgress, resetTimeoutOnProgress: true}),
        }) as Promise<Result<M>>,
      options.signal,
    );
  }

  /** Sends a notification; a closed connection is no error, its loss is reported by the close. */
  notify<M extends Method>(method: M, params: ParamsInput<M>): void {
    if (this.direct) {
      try {
        this.direct.notify(method, params);
      } catch (error) {
        this.peerOptions.logger.debug('a notification was not sent', {method, error});
      }
      return;
    }
    this.protocol
      .notification({method, params: params as Record<string, unknown>})
      .catch((error: unknown) =>
        this.peerOptions.logger.debug('a notification was not sent', {method, error}),
      );
  }

  /** The SDK never forgets a signal that it was given, so it gets one that lives as long as the call. */
  private async call<T>(
    method: string,
    send: (signal: AbortSignal | undefined) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    if (!signal) {
      try {
        return await send(undefined);
      } catch (error) {
        throw callError(error, method);
      }
    }
    if (signal.aborted) throw new ProtocolError('cancelled', `${method} was cancelled`);
    const own = new AbortController();
    const abort = (): void => own.abort(signal.reason);
    signal.addEventListener('abort', abort, {once: true});
    try {
      return await send(own.signal);
    } catch (error) {
      throw own.signal.aborted
        ? new ProtocolError('cancelled', `${method} was cancelled`)
        : callError(error, method);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  private async onRequest(request: JSONRPCRequest, extra: Extra): Promise<SdkResult> {
    const {method} = request;
    try {
      if (method === 'initialize') return this.onInitialize(request);
      const call = this.incoming(method, request.params, extra, report => {
        const token = extra._meta?.progressToken;
        if (token === undefined) return;
        const params = {...report, progressToken: token};
        extra
          .sendNotification({method: 'notifications/progress', params})
          .catch((error: unknown) => this.peerOptions.logger.debug('progress was not sent', {method, error}));
      });
      if (isNotification(call.method))
        throw new ProtocolError('invalidRequest', `${method} is a notification`);
      return (await this.served(method)(call)) as SdkResult;
    } catch (error) {
      throw this.fault(method, error);
    }
  }

  private directCalls(transport: DirectTransport): DirectCalls {
    const {logger, clock = systemClock} = this.peerOptions;
    return new DirectCalls({
      transport,
      clock,
      logger,
      accepts: (kind, method) => this.acceptsDirect(kind, method),
      serve: async (method, params, served) => {
        try {
          return await this.served(method)(this.incoming(method, params, served, () => undefined));
        } catch (error) {
          throw this.fault(method, error);
        }
      },
    });
  }

  private acceptsDirect(kind: FrameKind, method: string): boolean {
    if (this.version.kind !== 'mcpx' || !isMethod(method)) return false;
    return isNotification(method) === (kind === 'notification');
  }

  private fault(method: string, error: unknown): ProtocolError {
    const fault = wireError(error);
    if (fault.kind === 'internal') this.peerOptions.logger.error('a request failed', {method, error});
    return fault;
  }

  private async onCallNotification(notification: Notification): Promise<void> {
    const {method} = notification;
    // Before that, the peer may not know yet what was agreed on.
    if (method === INITIALIZED && this.handshake.hasBatches) this.transport?.sendBatches?.();
    if (!isMethod(method)) return;
    const call = this.incoming(method, notification.params, {signal: NEVER_ABORTED}, () => undefined);
    if (!isNotification(call.method)) throw new ProtocolError('invalidRequest', `${method} is a request`);
    await this.served(method)(call);
  }

  private incoming(
    method: string,
    params: Readonly<Record<string, unknown>> | undefined,
    served: Served,
    progress: (report: ProgressReport) => void,
  ): IncomingCall {
    if (!isMethod(method) || this.version.kind !== 'mcpx')
      throw new ProtocolError('methodNotFound', `method ${method.slice(0, 128)} is not known here`);
    const spec = METHODS[method];
    if ('later' in spec)
      throw new ProtocolError('notAvailable', `${method} is not available in this version`);
    const {body, context} = decodeContext(params);
    const call = {
      method,
      params: parseParams(method, body),
      context,
      get signal() {
        return served.signal;
      },
      progress,
    };
    return call as IncomingCall;
  }

  private served(method: string): CallHandler {
    if (!this.handler) throw new ProtocolError('methodNotFound', `method ${method} is not served here`);
    return this.handler;
  }

  private onInitialize(request: JSONRPCRequest): SdkResult {
    const result = this.handshake.answer(request);
    if (this.handshake.hasBatches) this.transport?.acceptBatches?.();
    return result;
  }
}

function isNotification(method: Method): boolean {
  return methodSpec(method).notification === true;
}

function hasDirectWay(transport: PeerTransport): transport is PeerTransport & DirectTransport {
  return transport.sendDirect !== undefined;
}

const NEVER_ABORTED = new AbortController().signal;
