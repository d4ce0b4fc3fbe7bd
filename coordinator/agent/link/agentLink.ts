/** The agent's standing with the hub: registers on every new connection, keeps the heartbeat, and sends what must arrive until it has. */
import type {CallHandler, Peer} from '../../bridge/peer.ts';
import type {Connection, ConnectionState} from '../../client/connection.ts';
import type {Logger} from '../../observability/logger.ts';
import type {Method, ParamsInput, Result} from '../../protocol/commands/table.ts';
import {type ErrorName, isProtocolError, ProtocolError} from '../../protocol/errors.ts';
import type {AgentLoad} from '../../protocol/instance.ts';
import {rejectOnAbort} from '../../runtime/abort.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {DisposableStore} from '../../runtime/disposable.ts';
import {Emitter} from '../../runtime/emitter.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import type {AgentSettings} from '../agentSettings.ts';
import {Heartbeat} from './heartbeat.ts';

export type Registered = Result<'mcpx.agent.register'>;

/** What the connection calls: commands of the hub, and the registration before anything else. */
export interface LinkHooks {
  readonly handler: CallHandler;
  readonly onConnected: (peer: Peer, signal: AbortSignal) => Promise<void>;
}

export interface AgentLinkOptions {
  readonly agentId: string;
  readonly incarnation: string;
  /** A connection that is not started yet. */
  readonly connect: (hooks: LinkHooks) => Connection;
  readonly handler: CallHandler;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: AgentSettings;
  /** Read at every registration. */
  registration(): ParamsInput<'mcpx.agent.register'>;
  /** The hub knows the agent; runs before anything else is sent over the new connection. */
  registered(answer: Registered): void;
  load(): Promise<AgentLoad>;
  /** Another process has taken this agent's id, or the hub wants nothing more of it: the link does not come back. */
  refused(error: Error): void;
}

export interface RequestOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DeliverOptions extends RequestOptions {
  /** Tries that may end in a refusal or a fault of the hub's own; default: no bound. Silence, lost connections and a full disk never count. */
  readonly maxFaults?: number;
}

/** Nothing was decided about the request. */
const TRANSIENT: ReadonlySet<ErrorName> = new Set([
  'timeout',
  'agentDisconnected',
  'unavailable',
  'draining',
  'overloaded',
  'rateLimited',
  'diskFull',
]);
const FAULTS: ReadonlySet<ErrorName> = new Set(['internal', 'unauthorized', 'forbidden']);
/** For what must arrive while the hub is merely at fault now, and ends when it always is. */
export const PATIENT_FAULTS = 20;
const TRIES_PER_LEASE = 3;
/** A pause as after so many tries, where one try was answered and still brought nothing. */
const FRUITLESS_TRIES = 2;

export class AgentLink {
  readonly onUp = new Emitter<void>();
  readonly onDown = new Emitter<void>();
  /** Registrations so far: it rises with every new connection. */
  registrations = 0;
  private readonly owned = new DisposableStore();
  private readonly connection: Connection;
  private readonly heartbeat: Heartbeat;
  private readonly stopped = new AbortController();
  private up: Deferred<void> = deferred();
  private upNow = false;
  private told = '';

  constructor(private readonly options: AgentLinkOptions) {
    this.up.promise.catch(() => undefined);
    this.heartbeat = new Heartbeat({
      ...options,
      request: (method, params, more) => this.request(method, params, more),
      forgotten: () => void this.registerAgain(),
      replaced: error => this.refuse(error),
    });
    const {handler} = options;
    this.connection = options.connect({handler, onConnected: (peer, signal) => this.register(peer, signal)});
    this.owned.add(this.connection);
    this.owned.add(this.heartbeat);
    this.owned.add(this.connection.onState(state => this.follow(state)));
  }

  start(): void {
    this.connection.start();
  }

  get isUp(): boolean {
    return this.upNow;
  }

  /** Of the coordinator at the other end, or of the one that is tried next. */
  get url(): string {
    return this.connection.url;
  }

  /** Resolves when registered; rejects with the signal's reason, or `closed` when the agent stops. */
  async whenUp(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.upNow) return;
    if (!signal) return this.up.promise;
    const aborted = deferred<void>();
    const abortion = rejectOnAbort(aborted, signal);
    try {
      await Promise.race([this.up.promise, aborted.promise]);
    } finally {
      abortion.dispose();
    }
  }

  /** One try, over the connection that is there now. Rejects with a `ProtocolError`. */
  async request<M extends Method>(
    method: M,
    params: ParamsInput<M>,
    {timeoutMs = this.options.settings.requestTimeoutMs, signal}: RequestOptions = {},
  ): Promise<Result<M>> {
    const {peer} = this.connection;
    if (!peer) throw new ProtocolError('unavailable', 'there is no connection to a coordinator');
    return peer.request(method, params, {timeoutMs, ...(signal ? {signal} : {})});
  }

  /** Sends until it is answered, over any number of connections. Rejects with a refusal of the hub, the signal's reason, or `closed`. */
  async deliver<M extends Method>(
    method: M,
    params: ParamsInput<M>,
    options: DeliverOptions = {},
  ): Promise<Result<M>> {
    const {signal, maxFaults = Number.POSITIVE_INFINITY} = options;
    for (let tries = 0, faults = 0; ; tries++) {
      await this.whenUp(signal);
      try {
        return await this.request(method, params, options);
      } catch (error) {
        signal?.throwIfAborted();
        if (!isProtocolError(error)) throw error;
        if (FAULTS.has(error.kind)) {
          if (++faults >= maxFaults) throw error;
          this.options.logger.warn('the hub could not take a message; it is sent again', {method, error});
        } else if (!TRANSIENT.has(error.kind)) throw error;
        await this.pause(tries, signal);
      }
    }
  }

  /** Waits longer from try to try, with jitter, so that a fleet does not come back in step. */
  async pause(tries = FRUITLESS_TRIES, signal?: AbortSignal): Promise<void> {
    const {clock, random, settings} = this.options;
    const {retryMinMs, retryMaxMs} = settings;
    const fullMs = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(tries, 16));
    const either = signal ? AbortSignal.any([signal, this.stopped.signal]) : this.stopped.signal;
    await delay(clock, fullMs * (0.5 + random.next() / 2), either);
  }

  /** Says goodbye where somebody listens, and closes. */
  async stop(reason: string): Promise<void> {
    const {agentId, incarnation, logger} = this.options;
    if (this.upNow) {
      try {
        await this.request('mcpx.agent.goodbye', {agentId, incarnation, reason}, {timeoutMs: 3000});
      } catch (error) {
        logger.debug('the hub missed the goodbye', {error});
      }
    }
    const closed = new CoordinatorError('closed', 'the agent has stopped');
    this.stopped.abort(closed);
    this.upNow = false;
    this.up.reject(closed);
    this.owned.dispose();
    this.onUp.dispose();
    this.onDown.dispose();
  }

  private async register(peer: Peer, signal: AbortSignal): Promise<void> {
    const {options} = this;
    const {requestTimeoutMs} = options.settings;
    try {
      const answer = await peer.request('mcpx.agent.register', options.registration(), {
        timeoutMs: requestTimeoutMs,
        signal,
      });
      this.registrations++;
      options.registered(answer);
      this.heartbeat.start(answer.heartbeatMs);
      // A coordinator that was away renews the leases once: whoever comes later than that is taken for dead.
      this.connection.limitBackoff((answer.leaseSeconds * 1000) / TRIES_PER_LEASE);
      options.logger.info('registered with the hub', {
        coordinator: answer.coordinator,
        stale: answer.stale.length,
      });
    } catch (error) {
      if (!signal.aborted) options.logger.error('the hub did not register this agent', {error});
      if (isProtocolError(error, 'conflict')) this.refuse(error);
      throw error;
    }
  }

  /** Without a new connection: the hub has lost what it knew of the agent. */
  private async registerAgain(): Promise<void> {
    const {peer} = this.connection;
    if (!peer) return;
    try {
      await this.register(peer, this.stopped.signal);
    } catch {
      // Logged already; the next health check finds the agent unknown again.
    }
  }

  private follow(state: ConnectionState): void {
    if (state.kind === 'connected') this.setUp();
    else if (this.upNow) this.setDown('error' in state ? state.error : undefined);
    if (state.kind === 'stopped' && state.error) this.refuse(state.error);
    if (state.kind !== 'waiting') return;
    const why = describeError(state.error);
    if (why !== this.told) this.options.logger.warn('no connection to a coordinator', {why});
    this.told = why;
  }

  private refuse(error: Error): void {
    if (!this.stopped.signal.aborted) this.options.refused(error);
  }

  private setUp(): void {
    this.told = '';
    this.upNow = true;
    this.up.resolve();
    this.onUp.emit();
  }

  private setDown(error: Error | undefined): void {
    this.heartbeat.stop();
    this.upNow = false;
    this.up = deferred();
    this.up.promise.catch(() => undefined);
    this.options.logger.warn('lost the hub; attempts go on', {error});
    this.onDown.emit();
  }
}
