/** One session of the 2025-11-25 era: its server and transport, the events that it keeps, and when it was last used. */
import type {IncomingMessage} from 'node:http';
import {
  type JSONRPCMessage,
  type RequestId,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import type {Clock} from '../runtime/clock.ts';
import type {Principal} from '../security/principal.ts';
import {BegunCall} from './begunCall.ts';
import {Activity} from './clients.ts';
import {isOfStandingStream, type KeptBytes, KeptEvents} from './keptEvents.ts';
import {plainLegacyCall} from './plainCall.ts';
import type {SurfaceCaller} from './surface.ts';
import {SurfaceServer, type SurfaceServerOptions} from './surfaceServer.ts';

/** The last revision that allowed several messages in one body. */
const BATCH_REVISION = '2025-03-26';

export interface LegacySessionOptions extends SurfaceServerOptions {
  readonly clock: Clock;
  readonly keptBytes: KeptBytes;
}

export class LegacySession {
  readonly activity: Activity;
  private readonly events: KeptEvents;
  private readonly transport: WebStandardStreamableHTTPServerTransport;
  private readonly surfaceServer: SurfaceServer;
  /** Those that the SDK does not know of. */
  private readonly begun = new Map<RequestId, BegunCall>();
  private open = true;

  constructor(
    readonly id: string,
    readonly principal: Principal,
    private readonly options: LegacySessionOptions,
    /** What `initialize` says that the client can. */
    declared: unknown,
    onEnd: () => void,
  ) {
    this.activity = new Activity(options.clock);
    this.events = new KeptEvents(options.settings, options.keptBytes);
    this.transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      eventStore: this.events,
      // Whoever writes the response keeps it alive.
      keepAliveMs: 0,
      maxRequestBodySize: options.settings.maxBodyBytes,
    });
    this.transport.onmessage = message => this.heed(message);
    this.surfaceServer = new SurfaceServer(options, () => this.caller, declared);
    const {server} = this.surfaceServer;
    server.oninitialized = () => this.surfaceServer.announceChanges();
    server.onclose = () => {
      this.open = false;
      for (const call of this.begun.values()) call.stop();
      this.events.clear();
      this.surfaceServer.dispose();
      onEnd();
    };
  }

  /** Connects the server. Once, before the first request. */
  start(): Promise<void> {
    return this.surfaceServer.server.connect(this.transport);
  }

  get isOpen(): boolean {
    return this.open;
  }

  get isInitialized(): boolean {
    return this.transport.sessionId !== undefined;
  }

  get takesBatches(): boolean {
    return this.surfaceServer.server.getNegotiatedProtocolVersion() === BATCH_REVISION;
  }

  /** Begins what is plainly a call of a tool. Undefined: not begun, it is for `handle`. */
  begin(request: IncomingMessage, body: unknown): BegunCall | undefined {
    const {server} = this.surfaceServer;
    const plain = this.open
      ? plainLegacyCall(request, body, server.getNegotiatedProtocolVersion())
      : undefined;
    if (!plain || this.begun.has(plain.id)) return undefined;
    const call = BegunCall.begin(plain, this.caller, this.options);
    if (call) this.begun.set(plain.id, call);
    return call;
  }

  /** It has been answered, or `handle` goes on with it. */
  leave(call: BegunCall, handedOver: boolean): void {
    this.begun.delete(call.plain.id);
    if (handedOver) this.surfaceServer.expect(call);
  }

  /** Stops what a client cancels that the SDK does not know of. Whether it may, and in which form it says so, the SDK has seen to. */
  private heed(message: JSONRPCMessage): void {
    if (this.begun.size === 0 || !('method' in message) || message.method !== 'notifications/cancelled')
      return;
    const id = message.params?.['requestId'];
    if (!('id' in message)) this.begun.get(id as RequestId)?.stop();
  }

  handle(request: Request, parsedBody?: unknown): Promise<Response> {
    const resumed = request.headers.get('last-event-id');
    // Whoever resumes it has lost it, however long the network lets the old connection seem open.
    if (resumed !== null && isOfStandingStream(resumed)) this.closeStandingStream();
    return this.transport.handleRequest(request, parsedBody === undefined ? {} : {parsedBody});
  }

  /** The client may open it again. */
  closeStandingStream(): void {
    this.transport.closeStandaloneSSEStream();
  }

  close(): Promise<void> {
    return this.surfaceServer.server.close();
  }

  private get caller(): SurfaceCaller {
    return {
      principal: this.principal,
      era: 'legacy',
      clientKey: this.id,
      capabilities: this.surfaceServer.server.getClientCapabilities() ?? {},
    };
  }
}
