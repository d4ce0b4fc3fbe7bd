/**
 * A connection that comes back: a peer over one of several addresses, dialled again with backoff after every cut. What is asked and served over
 * it is its owner's.
 */
import {type BackoffSettings, backoffMs} from '../bridge/backoff.ts';
import {CLOSE_CODES, type CloseInfo} from '../bridge/closeCodes.ts';
import {FrameTransport} from '../bridge/frameTransport.ts';
import {type CallHandler, type CallOptions, type IncomingCall, Peer} from '../bridge/peer.ts';
import type {Logger} from '../observability/logger.ts';
import type {ClusterAddresses} from '../protocol/commands/cluster.ts';
import type {Method, ParamsInput, Result} from '../protocol/commands/table.ts';
import {isProtocolError, ProtocolError} from '../protocol/errors.ts';
import {DEFAULT_REQUEST_TIMEOUT_MS} from '../protocol/version.ts';
import type {Clock} from '../runtime/clock.ts';
import {deferred} from '../runtime/deferred.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import {Emitter, type Event} from '../runtime/emitter.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../runtime/errors.ts';
import type {Random} from '../runtime/random.ts';
import {Addresses} from './addresses.ts';
import type {OpenSocket} from './clientSocket.ts';

export interface ConnectionSettings extends BackoffSettings {
  /** Time to open a socket and to agree on the protocol. */
  readonly connectTimeoutMs: number;
  /** A connection that is silent this long is pinged, and cut when it stays silent as long again. */
  readonly silenceMs: number;
}

export const CONNECTION_SETTINGS: ConnectionSettings = {
  minBackoffMs: 250,
  maxBackoffMs: 15_000,
  connectTimeoutMs: 10_000,
  silenceMs: 20_000,
};

export interface ConnectionOptions {
  /** `ws(s)://host:port`, tried in turn. */
  readonly urls: readonly string[];
  /** Read at every try, so that a renewed token is used at once. */
  readonly token: () => string | undefined;
  readonly openSocket: OpenSocket;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly implementation: {readonly name: string; readonly version: string};
  readonly settings?: Partial<ConnectionSettings>;
  /** Asks for the addresses of the other coordinators, and goes to one of them when this one is gone. Absent: keeps to `urls`. */
  readonly roaming?: {
    /** Told at an earlier connection. */
    readonly known?: readonly string[];
    /** Runs when others are told, for who keeps them. */
    readonly onTold?: (urls: readonly string[]) => void;
  };
  /** Serves what the other side asks. */
  readonly handler?: CallHandler;
  /** Runs on every new connection before anybody else may use it, such as an agent's registration. A throw cuts the connection. */
  readonly onConnected?: (peer: Peer, signal: AbortSignal) => Promise<void>;
}

export type ConnectionState =
  | {readonly kind: 'connecting'; readonly url: string}
  | {readonly kind: 'connected'; readonly url: string; readonly peer: Peer}
  /** The next try is in `retryInMs`. */
  | {readonly kind: 'waiting'; readonly retryInMs: number; readonly error: Error}
  /** For good: stopped by its owner, or replaced by a newer connection of the same agent. */
  | {readonly kind: 'stopped'; readonly error?: Error};

export interface RequestOptions extends CallOptions {
  /** Send it again when the connection is cut before the answer: only for what may happen twice. Default false. */
  readonly retry?: boolean;
}

/** What a coordinator turned away without closing the connection is asked again after this. */
const AGAIN_MS = 1000;
/** Where there is another address, a coordinator that is silent this long is pinged. */
const SILENCE_AMONG_SEVERAL_MS = 5000;

export class Connection implements Disposable {
  private settings: ConnectionSettings;
  private readonly states = new Emitter<ConnectionState>();
  private current: ConnectionState;
  private failures = 0;
  /** The last one. */
  private failure: Error | undefined;
  private readonly addresses: Addresses;
  private nextUrl: string;
  private timer: Disposable = noDisposable;
  private dropSocket: (() => void) | undefined;

  readonly onState: Event<ConnectionState> = this.states.event;

  constructor(private readonly options: ConnectionOptions) {
    if (options.urls.length === 0) throw new CoordinatorError('config', 'no address to connect to');
    this.settings = {...CONNECTION_SETTINGS, ...options.settings};
    this.addresses = new Addresses(options.urls, options.roaming?.known);
    this.nextUrl = this.addresses.first;
    this.current = {kind: 'waiting', retryInMs: 0, error: new CoordinatorError('unavailable', 'not started')};
  }

  get state(): ConnectionState {
    return this.current;
  }

  /** The peer, while connected. */
  get peer(): Peer | undefined {
    return this.current.kind === 'connected' ? this.current.peer : undefined;
  }

  /** The address of the present connection, or the one that is tried next. */
  get url(): string {
    return this.nextUrl;
  }

  /** Begins to connect, and goes on until `dispose`. */
  start(): void {
    this.timer.dispose();
    if (this.current.kind === 'waiting') this.connect();
  }

  /** From now on no pause between two tries is longer than this, in ms. */
  limitBackoff(maxBackoffMs: number): void {
    this.settings = {...this.settings, maxBackoffMs: Math.min(this.settings.maxBackoffMs, maxBackoffMs)};
  }

  /**
   * Resolves with the peer as soon as there is one. Rejects with `unavailable`, naming the last failure, at once with `unauthorized` or
   * `incompatible`, which waiting does not heal, or with `cancelled`.
   */
  whenConnected(timeoutMs: number, signal?: AbortSignal): Promise<Peer> {
    if (this.current.kind === 'connected') return Promise.resolve(this.current.peer);
    if (this.current.kind === 'stopped' || hopeless(this.current)) return Promise.reject(this.unavailable());
    if (signal?.aborted) return Promise.reject(new ProtocolError('cancelled', 'cancelled while connecting'));
    const found = deferred<Peer>();
    const listening = this.states.event(state => {
      if (state.kind === 'connected') found.resolve(state.peer);
      if (state.kind === 'stopped' || hopeless(state)) found.reject(this.unavailable());
    });
    const timer = this.options.clock.schedule(timeoutMs, () => found.reject(this.unavailable()));
    const cancel = (): void => found.reject(new ProtocolError('cancelled', 'cancelled while connecting'));
    signal?.addEventListener('abort', cancel, {once: true});
    return found.promise.finally(() => {
      listening.dispose();
      timer.dispose();
      signal?.removeEventListener('abort', cancel);
    });
  }

  /** Asks over the present connection or the next one; `timeoutMs` (30 s) covers the waiting too. Rejects with a `ProtocolError`. */
  async request<M extends Method>(
    method: M,
    params: ParamsInput<M>,
    options: RequestOptions = {},
  ): Promise<Result<M>> {
    const {clock} = this.options;
    const {timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS, retry = false, ...call} = options;
    const deadline = clock.now() + timeoutMs;
    for (;;) {
      const peer = await this.whenConnected(deadline - clock.now(), call.signal);
      try {
        return await peer.request(method, params, {...call, timeoutMs: Math.max(1, deadline - clock.now())});
      } catch (error) {
        // What a hub on its way out turned away has had no effect.
        const again = isProtocolError(error, 'draining') || (retry && isProtocolError(error, 'unavailable'));
        if (!again || clock.now() >= deadline) throw error;
        await this.afterCut(peer, Math.min(AGAIN_MS, deadline - clock.now()));
      }
    }
  }

  /** Leaves, for good. Whatever waits is rejected. */
  dispose(): void {
    if (this.current.kind === 'stopped') return;
    this.timer.dispose();
    this.setState({kind: 'stopped'});
    this.dropSocket?.();
    this.states.dispose();
  }

  private connect(): void {
    const {token, openSocket, implementation, logger, clock} = this.options;
    const url = this.nextUrl;
    this.setState({kind: 'connecting', url});
    const gone = new AbortController();
    const peer = new Peer({implementation, logger});
    const {handler, roaming} = this.options;
    if (handler || roaming) peer.handle(call => this.serve(url, call));
    let heardAt = clock.now();
    const socket = openSocket(
      {url, token: token()},
      {
        onOpen: () => void this.greet(url, peer, gone.signal).catch((error: unknown) => end(asError(error))),
        onFrame: text => {
          heardAt = clock.now();
          transport.receive(text);
        },
        onAlive: () => {
          heardAt = clock.now();
        },
        onClose: (info, error) => end(error ?? closedError(url, info), info),
      },
    );
    const transport = new FrameTransport(socket);
    peer.attach(transport);
    const watchdog = this.watchSilence(
      peer,
      () => heardAt,
      error => {
        // It may accept connections and still answer nothing: its turn comes after the others.
        if (this.peer === peer) this.nextUrl = this.addresses.after(url);
        end(error);
      },
    );
    const slow = clock.schedule(this.settings.connectTimeoutMs, () => {
      if (this.peer !== peer) end(new CoordinatorError('unavailable', `${url} did not answer in time`));
    });
    let ended = false;
    const end = (error: Error, info?: CloseInfo): void => {
      if (ended) return;
      ended = true;
      this.dropSocket = undefined;
      slow.dispose();
      watchdog.dispose();
      gone.abort();
      transport.end();
      if (!info) socket.close(CLOSE_CODES.normal, '');
      this.onEnded(peer, error, info);
    };
    this.dropSocket = () => end(new CoordinatorError('closed', 'the connection was closed'));
  }

  private async greet(url: string, peer: Peer, signal: AbortSignal): Promise<void> {
    const version = await peer.initialize({timeoutMs: this.settings.connectTimeoutMs, signal});
    if (version.kind !== 'mcpx') throw new ProtocolError('incompatible', `${url} does not speak MCPX`);
    await this.options.onConnected?.(peer, signal);
    if (signal.aborted || this.current.kind !== 'connecting') return;
    this.failures = 0;
    this.setState({kind: 'connected', url, peer});
    if (this.options.roaming) void this.askAddresses(url, peer);
  }

  private serve(url: string, call: IncomingCall): Promise<object> {
    if (call.method === 'mcpx.cluster.moved') {
      this.told(url, call.params);
      return Promise.resolve({});
    }
    const {handler} = this.options;
    if (handler) return handler(call);
    throw new ProtocolError('methodNotFound', `${call.method} is not served here`);
  }

  private async askAddresses(url: string, peer: Peer): Promise<void> {
    try {
      this.told(url, await peer.request('mcpx.cluster.addresses', {}));
    } catch (error) {
      // One that knows of no others goes on alone.
      this.options.logger.debug('the other coordinators are not known', {error});
    }
  }

  private told(url: string, addresses: ClusterAddresses): void {
    const {roaming, logger} = this.options;
    const urls = roaming && this.addresses.take(url, addresses);
    if (!urls) return;
    logger.debug('the coordinators are told', {urls});
    roaming.onTold?.(urls);
  }

  private onEnded(peer: Peer, error: Error, info: CloseInfo | undefined): void {
    if (this.current.kind === 'stopped') return;
    if (info?.code === CLOSE_CODES.replaced) {
      this.setState({kind: 'stopped', error});
      return;
    }
    const {random, clock, logger} = this.options;
    if (this.peer !== peer) this.nextUrl = this.addresses.after(this.nextUrl);
    this.failures += 1;
    this.failure = error;
    // Every address gets its chance before anybody waits.
    const count = this.addresses.all.length;
    const rounds = Math.ceil(this.failures / count);
    const untried = this.failures % count !== 0 && this.failures < count;
    const retryInMs = untried ? 0 : backoffMs(this.settings, rounds, random);
    logger.debug('not connected', {error: describeError(error), retryInMs});
    this.setState({kind: 'waiting', retryInMs, error});
    this.timer = clock.schedule(retryInMs, () => this.connect());
  }

  private watchSilence(peer: Peer, heardAt: () => number, end: (error: Error) => void): Disposable {
    const {clock} = this.options;
    let timer = noDisposable;
    const patience = (): number =>
      this.addresses.all.length > 1
        ? Math.min(this.settings.silenceMs, SILENCE_AMONG_SEVERAL_MS)
        : this.settings.silenceMs;
    const check = (): void => {
      const silenceMs = patience();
      const silentMs = clock.now() - heardAt();
      if (silentMs >= silenceMs)
        peer
          .ping(silenceMs)
          .catch(() => end(new CoordinatorError('unavailable', 'the coordinator went silent')));
      // Other addresses may become known in the meantime, and patience shorter.
      const waitMs =
        silentMs >= silenceMs ? silenceMs : Math.min(silenceMs - silentMs, SILENCE_AMONG_SEVERAL_MS);
      timer = clock.schedule(waitMs, check, {background: true});
    };
    timer = clock.schedule(Math.min(patience(), SILENCE_AMONG_SEVERAL_MS), check, {background: true});
    return {dispose: () => timer.dispose()};
  }

  private async afterCut(peer: Peer, timeoutMs: number): Promise<void> {
    if (this.peer !== peer) return;
    const left = deferred<void>();
    const listening = this.states.event(() => left.resolve());
    const timer = this.options.clock.schedule(Math.max(0, timeoutMs), () => left.resolve());
    await left.promise;
    listening.dispose();
    timer.dispose();
  }

  private setState(state: ConnectionState): void {
    this.current = state;
    this.states.emit(state);
  }

  private unavailable(): ProtocolError {
    const {current} = this;
    const error = ('error' in current && current.error) || this.failure;
    const why = error ? `: ${describeError(error)}` : '';
    return new ProtocolError(hopeless(current) ?? 'unavailable', `no connection to a coordinator${why}`);
  }
}

/** A failure that stays until a person does something about it. */
function hopeless(state: ConnectionState): 'unauthorized' | 'incompatible' | undefined {
  const error = state.kind === 'waiting' ? state.error : undefined;
  if (isCoordinatorError(error, 'unauthorized')) return 'unauthorized';
  return isProtocolError(error, 'incompatible') ? 'incompatible' : undefined;
}

function closedError(url: string, info: CloseInfo): Error {
  const reason = info.reason === '' ? `code ${info.code}` : info.reason;
  const kind = info.code === CLOSE_CODES.unauthorized ? 'unauthorized' : 'unavailable';
  return new CoordinatorError(kind, `${url} closed the connection: ${reason}`);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
