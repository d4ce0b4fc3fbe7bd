/** A typed client of a coordinator: requests, mirrored views and transcripts over a connection that comes back. Runs in Node and in browsers. */
import type {CallHandler, IncomingCall} from '../bridge/peer.ts';
import type {Method, ParamsInput, Result} from '../protocol/commands/table.ts';
import type {ViewSelector} from '../protocol/commands/watch.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Connection, type ConnectionOptions, type ConnectionState, type RequestOptions} from './connection.ts';
import {TranscriptWatch} from './transcriptWatch.ts';
import {type ViewUpdate, ViewWatch} from './viewWatch.ts';

export interface ClientOptions extends ConnectionOptions {
  /** Pause before a watch that the hub refused is tried again. Default 2 s. */
  readonly watchRetryMs?: number;
}

const DEFAULT_WATCH_RETRY_MS = 2000;

/** Connects, and goes on connecting until the client is disposed. Use `whenConnected` to learn whether it works. */
export function connectClient(options: ClientOptions): McpxClient {
  const client = new McpxClient(options);
  client.connection.start();
  return client;
}

export class McpxClient implements Disposable {
  readonly connection: Connection;
  private readonly views = new Map<string, ViewWatch>();
  private readonly transcripts = new Set<TranscriptWatch>();
  private readonly lifetime = new DisposableStore();
  private watches = 0;

  constructor(private readonly options: ClientOptions) {
    this.connection = this.lifetime.add(
      new Connection({roaming: {}, ...options, handler: this.handler(options.handler)}),
    );
    this.lifetime.add(this.connection.onState(state => this.attachAll(state)));
  }

  get onState(): Connection['onState'] {
    return this.connection.onState;
  }

  /** Rejects with `unavailable`, naming the last failure. */
  async whenConnected(timeoutMs: number): Promise<void> {
    await this.connection.whenConnected(timeoutMs);
  }

  /** As `Connection.request`. */
  request<M extends Method>(method: M, params: ParamsInput<M>, options?: RequestOptions): Promise<Result<M>> {
    return this.connection.request(method, params, options);
  }

  /** A mirror of the view's rows until it is disposed. */
  watch(selector: ViewSelector, listener?: (update: ViewUpdate) => void): ViewWatch {
    const name = `w${++this.watches}`;
    const {clock, logger} = this.options;
    const retryMs = this.options.watchRetryMs ?? DEFAULT_WATCH_RETRY_MS;
    const onDispose = (): void => void this.views.delete(name);
    const watch = new ViewWatch({selector, name, clock, logger, retryMs, onDispose});
    this.views.set(name, watch);
    if (listener) watch.onUpdate(listener);
    watch.attach(this.connection.peer);
    return watch;
  }

  /** Every event of the attempt's transcript from `fromSeq` on, until it is disposed. */
  transcript(attemptId: string, fromSeq = 1): TranscriptWatch {
    const {clock, logger} = this.options;
    const retryMs = this.options.watchRetryMs ?? DEFAULT_WATCH_RETRY_MS;
    const onDispose = (): void => {
      this.transcripts.delete(watch);
      if (![...this.transcripts].some(other => other.attemptId === attemptId)) this.unfollow(attemptId);
    };
    const watch: TranscriptWatch = new TranscriptWatch({
      attemptId,
      fromSeq,
      clock,
      logger,
      retryMs,
      onDispose,
    });
    this.transcripts.add(watch);
    watch.attach(this.connection.peer);
    return watch;
  }

  dispose(): void {
    for (const watch of [...this.views.values(), ...this.transcripts]) watch.dispose();
    this.lifetime.dispose();
  }

  private unfollow(attemptId: string): void {
    this.connection.peer
      ?.request('mcpx.transcript.follow', {attemptId, follow: false})
      // A connection that is going takes it along.
      .catch((error: unknown) => this.options.logger.debug('a transcript was not let go', {error}));
  }

  private attachAll(state: ConnectionState): void {
    const peer = state.kind === 'connected' ? state.peer : undefined;
    for (const watch of [...this.views.values(), ...this.transcripts]) watch.attach(peer);
  }

  private handler(other: CallHandler | undefined): CallHandler {
    return (call: IncomingCall) => {
      if (call.method === 'mcpx.watch.event') {
        const {also = [], event, ...first} = call.params;
        for (const {watchId, seq} of [first, ...also]) {
          const name = watchId.split('-', 1)[0] ?? '';
          this.views.get(name)?.deliver({watchId, seq, event});
        }
        return Promise.resolve({});
      }
      if (call.method === 'mcpx.transcript.events') {
        for (const watch of this.transcripts)
          if (watch.attemptId === call.params.attemptId) watch.deliver(call.params);
        return Promise.resolve({});
      }
      if (other) return other(call);
      return Promise.reject(new ProtocolError('methodNotFound', `${call.method} is not served here`));
    };
  }
}
