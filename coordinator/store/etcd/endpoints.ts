/**
 * The members of an etcd, and which of them is asked: the one that answered last, until it fails. Then all are probed by a linearizable read,
 * round after round, and the first to answer is asked from there on.
 *
 * The client library would pick a member at random for every call, and shut one out for five seconds after three failures; so each member has
 * a client of its own here, without any policy.
 */
import {rootCertificates} from 'node:tls';
import {noop} from 'cockatiel';
import {Etcd3, type IOptions} from 'etcd3';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {delay} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import {Emitter} from '../../runtime/emitter.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../../runtime/errors.ts';
import type {EtcdAddress} from './etcdAddress.ts';
import {faultOf} from './faults.ts';
import type {EtcdSettings} from './settings.ts';

/** PEM texts. Without an authority the system's are trusted. */
export interface EtcdTls {
  readonly authority?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

export interface EndpointsParts {
  readonly address: EtcdAddress;
  readonly tls: EtcdTls;
  /** What a probe reads. */
  readonly probeKey: Buffer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: EtcdSettings;
}

/** Wall time at which a call ends. */
export interface CallOptions {
  readonly deadline: number;
}

export interface Endpoint {
  readonly address: string;
  readonly client: Etcd3;
}

export class EtcdEndpoints implements Disposable {
  private readonly all: readonly Endpoint[];
  private readonly suspects = new Emitter<Endpoint>();
  private readonly closing = new AbortController();
  private readonly failures = new Map<string, unknown>();
  private trusted: Endpoint | undefined;
  private finding: Deferred<Endpoint> | undefined;
  private lostAt: number | undefined;

  /** Runs when a member is not asked any more. */
  readonly onSuspect = this.suspects.event;

  constructor(private readonly parts: EndpointsParts) {
    this.all = parts.address.endpoints.map(host => ({
      address: host,
      client: new Etcd3(clientOptions(host, parts)),
    }));
    this.lostAt = parts.clock.now();
  }

  /** Resolves to a member that answered since it last failed. Rejects with `unauthorized`, with `closed`, or with `unavailable` in `withinMs`. */
  async find(withinMs: number): Promise<Endpoint> {
    this.closing.signal.throwIfAborted();
    if (this.trusted) return this.trusted;
    if (!this.finding) {
      this.finding = deferred();
      this.finding.promise.catch(() => undefined);
      void this.probe(this.finding);
    }
    const {promise} = this.finding;
    const late = deferred<never>();
    const timer = this.parts.clock.schedule(withinMs, () => late.reject(this.unavailable()));
    try {
      return await Promise.race([promise, late.promise]);
    } finally {
      timer.dispose();
    }
  }

  /** It failed somebody: it is not asked again before it has answered a probe. */
  suspect(endpoint: Endpoint, error: unknown): void {
    this.failures.set(endpoint.address, error);
    if (this.trusted !== endpoint) return;
    this.trusted = undefined;
    this.lostAt = this.parts.clock.now();
    this.parts.logger.warn('an etcd member failed', {member: endpoint.address, error});
    this.suspects.emit(endpoint);
  }

  get members(): readonly Endpoint[] {
    return this.all;
  }

  get isClosed(): boolean {
    return this.closing.signal.aborted;
  }

  /** Since when no member answers; undefined while one does. */
  get lostSince(): number | undefined {
    return this.lostAt;
  }

  unavailable(): CoordinatorError {
    const members = this.all.map(({address}) => {
      const failure = this.failures.get(address);
      return failure === undefined ? address : `${address} (${describeError(failure)})`;
    });
    return new CoordinatorError('unavailable', `no member of the etcd answers: ${members.join(', ')}`, {
      hint: 'Nothing that was acknowledged is lost. Work goes on when a majority of its members is reachable.',
    });
  }

  dispose(): void {
    const error = new CoordinatorError('closed', 'the store is closed');
    this.closing.abort(error);
    this.finding?.reject(error);
    this.suspects.dispose();
    for (const {client} of this.all) client.close();
  }

  private async probe(finding: Deferred<Endpoint>): Promise<void> {
    const {clock, settings, logger} = this.parts;
    const {signal} = this.closing;
    const found = (endpoint: Endpoint): void => {
      if (this.finding !== finding || signal.aborted) return;
      this.finding = undefined;
      this.trusted = endpoint;
      this.lostAt = undefined;
      this.failures.clear();
      logger.debug('an etcd member answers', {member: endpoint.address});
      finding.resolve(endpoint);
    };
    while (this.finding === finding && !signal.aborted) {
      const asked = this.all.map(endpoint => this.ask(endpoint).then(ok => ok && found(endpoint)));
      const pause = delay(clock, settings.probeEveryMs, signal).catch(() => undefined);
      await Promise.all([pause, Promise.race([pause, Promise.all(asked)])]);
      const refusal = this.refusal();
      if (!refusal || this.finding !== finding) continue;
      this.finding = undefined;
      finding.reject(refusal);
    }
  }

  private async ask({address, client}: Endpoint): Promise<boolean> {
    const {clock, probeKey, settings} = this.parts;
    try {
      await client.kv.range({key: probeKey}, {deadline: clock.wallNow() + settings.probeTimeoutMs});
      return true;
    } catch (error) {
      this.failures.set(address, refusedUser(error) ?? error);
      return false;
    }
  }

  /** Every member answers, and will not have us. */
  private refusal(): CoordinatorError | undefined {
    const failures = this.all.map(({address}) => this.failures.get(address));
    const refused = failures.find(failure => isCoordinatorError(failure, 'unauthorized'));
    return failures.every(failure => isCoordinatorError(failure, 'unauthorized')) &&
      isCoordinatorError(refused)
      ? refused
      : undefined;
  }
}

/** A probe is well formed: whoever refuses it means who asks. */
function refusedUser(error: unknown): CoordinatorError | undefined {
  const fault = faultOf(error);
  if (fault !== 'unauthorized' && fault !== 'invalid') return undefined;
  return new CoordinatorError('unauthorized', 'the etcd refuses this user', {
    cause: error,
    hint: 'Check the user, its password and its role: it needs to read and write the keys of the prefix.',
  });
}

function clientOptions(host: string, {address, tls, clock, settings}: EndpointsParts): IOptions {
  const {tls: secure, user} = address;
  // Every call waits for the login, which has no other limit.
  const callOptions = () => ({deadline: clock.wallNow() + settings.probeTimeoutMs});
  return {
    hosts: `${secure ? 'https' : 'http'}://${host}`,
    ...(user && {auth: {username: user.name, password: user.password, callOptions}}),
    ...(secure && {credentials: credentialsOf(tls)}),
    faultHandling: {host: () => noop, global: noop},
    grpcOptions: {
      // Ranges and watches are bounded by what is in the store.
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      // etcd refuses who pings more often than every five seconds.
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5000,
    },
  };
}

function credentialsOf({authority = rootCertificates.join('\n'), certificate, key}: EtcdTls) {
  return {
    rootCertificate: Buffer.from(authority),
    ...(key !== undefined && {privateKey: Buffer.from(key)}),
    ...(certificate !== undefined && {certChain: Buffer.from(certificate)}),
  };
}
