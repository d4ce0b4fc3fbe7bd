/**
 * The agent's share of shared memory: read here while the agent is cut off, written to disk first and then to the hub, which takes every
 * write once. What a session's replica holds is sessionReplica.ts.
 */
import {KeyedLock} from '../../artifacts/keyedLock.ts';
import type {Logger} from '../../observability/logger.ts';
import {
  type ConsistencyLevel,
  MAX_SYNC_WRITES,
  type MemoryGetResult,
  type OfflineWrite,
  type StateSynced,
} from '../../protocol/commands/memory.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {Fence} from '../../protocol/ids.ts';
import {compilePattern} from '../../protocol/keyPattern.ts';
import type {WriteOutcome} from '../../protocol/model/memory.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import {type Clock, every} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import {ElapsedClock} from '../../runtime/elapsedClock.ts';
import {Emitter} from '../../runtime/emitter.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {isDeeperThan, type JsonValue, MAX_JSON_DEPTH} from '../../runtime/json.ts';
import {jsonDigest} from '../../runtime/jsonDigest.ts';
import {type AgentLink, PATIENT_FAULTS} from '../link/agentLink.ts';
import {SessionReplica} from './sessionReplica.ts';
import type {WriteLog} from './writeLog.ts';

export interface MemoryReplicaOptions {
  readonly incarnation: string;
  readonly log: WriteLog;
  readonly link: Pick<AgentLink, 'request' | 'deliver' | 'isUp' | 'onUp' | 'onDown'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Time between two looks for what others wrote. */
  readonly syncMs: number;
  /** Of what the hub has yet to take. */
  readonly maxPendingBytes: number;
}

/** An attempt of this agent. */
export interface MemoryWriter {
  readonly sessionId: string;
  readonly fence: Fence;
}

/** `kept`: it is on this machine's disk, and becomes the key's value, or a conflict, once the hub is there again. */
export type StoreResult =
  | {readonly kind: 'answered'; readonly outcome: WriteOutcome}
  | {readonly kind: 'kept'};

export interface ReplicaAnswer extends Omit<MemoryGetResult, 'record'> {
  readonly value: JsonValue | undefined;
  readonly record?: MemoryGetResult['record'];
  /** The agent wrote it, and the hub has yet to take it. */
  readonly pending: boolean;
}

/** The key and the value, with room for the rest of a record. */
const MAX_VALUE_BYTES = 60 * 1024;
const MAX_SYNC_BYTES = 1024 * 1024;

export class MemoryReplica implements Disposable {
  private readonly sessions = new Map<string, SessionReplica>();
  private readonly syncing = new Map<string, Promise<void>>();
  private readonly waiting = new Map<OfflineWrite, Deferred<WriteOutcome>>();
  private readonly lock = new KeyedLock();
  private readonly owned = new DisposableStore();
  private readonly over = new AbortController();
  private readonly outcomes = this.owned.add(
    new Emitter<{sessionId: string; write: OfflineWrite; outcome: WriteOutcome}>(),
  );
  private readonly elapsed: ElapsedClock;
  private sequence = 0;

  /** What became of each write. */
  readonly onOutcome = this.outcomes.event;

  constructor(private readonly options: MemoryReplicaOptions) {
    const {log, link, clock, syncMs} = options;
    this.elapsed = new ElapsedClock(clock);
    const left = log.all();
    for (const sessionId of new Set(left.map(each => each.sessionId))) {
      const writes = left.filter(each => each.sessionId === sessionId).map(({write}) => write);
      this.sessions.set(sessionId, new SessionReplica(sessionId, writes));
    }
    this.owned.add(link.onUp.event(() => this.syncAll()));
    this.owned.add(
      every(clock, syncMs, () => {
        if (link.isUp) this.syncAll();
      }),
    );
  }

  /**
   * Writes a value under the attempt's fence. Resolves when it is on disk, and, while the hub is there, when that has answered. With
   * `ifVersion` the hub alone can decide: `unavailable` while it is away. Errors: `tooLarge`, `overloaded` (too much waits), `diskFull`.
   */
  store(
    writer: MemoryWriter,
    key: string,
    value: JsonValue,
    {ttl, ifVersion}: {readonly ttl?: number | undefined; readonly ifVersion?: number | undefined} = {},
  ): Promise<StoreResult> {
    if (isDeeperThan(value, MAX_JSON_DEPTH))
      return Promise.reject(
        new ProtocolError('tooLarge', `the value is nested more than ${MAX_JSON_DEPTH} times`),
      );
    if (ifVersion !== undefined) return this.compareAndSet(writer, key, value, {ttl, ifVersion});
    return this.write(writer, key, value, ttl);
  }

  /** As `store`. */
  delete(writer: MemoryWriter, key: string): Promise<StoreResult> {
    return this.write(writer, key, undefined, undefined);
  }

  /**
   * What is known here may answer every level but `strong`; else the hub is asked, once it has taken what was written here. Errors:
   * `unavailable` when only the hub could answer and is away, `forbidden`.
   */
  async retrieve(
    sessionId: string,
    key: string,
    level: ConsistencyLevel = 'eventual',
  ): Promise<ReplicaAnswer> {
    const replica = this.replica(sessionId);
    const known = this.known(replica, key, level);
    if (known) return known;
    const {link} = this.options;
    if (!link.isUp) throw new ProtocolError('unavailable', `the hub is away, and ${key} is not known here`);
    if (replica.pending.length > 0) await this.sync(sessionId);
    const told = await link.request('mcpx.memory.get', {sessionId, key, level});
    this.replica(sessionId).learn(key, told);
    const {record, ...answer} = told;
    return {...answer, value: record?.value, record, pending: false};
  }

  /** Keys that have a value here, in order. */
  list(sessionId: string, pattern = '**'): string[] {
    const {matches} = compilePattern(pattern);
    return this.replica(sessionId).keys().filter(matches);
  }

  /** Brings the replica of a session up to date. Rejects when the hub is away or refuses. */
  async sync(sessionId: string): Promise<StateSynced['vector']> {
    const replica = this.replica(sessionId);
    // What is under way may have begun before the last write.
    await this.syncing.get(sessionId)?.catch(() => undefined);
    await this.begin(replica);
    return replica.have;
  }

  /** Resolves when the hub has answered for every write of the attempt; rejects with the signal's reason. */
  async settled(attemptId: string, signal: AbortSignal): Promise<void> {
    const ofAttempt = (): boolean =>
      [...this.sessions.values()].some(({pending}) => pending.some(({fence}) => fence.attempt === attemptId));
    if (!ofAttempt()) return;
    const done = deferred<void>();
    const stop = (): void => done.reject(signal.reason);
    const watching = this.onOutcome(() => {
      if (!ofAttempt()) done.resolve();
    });
    signal.addEventListener('abort', stop, {once: true});
    try {
      if (signal.aborted) stop();
      await done.promise;
    } finally {
      watching.dispose();
      signal.removeEventListener('abort', stop);
    }
  }

  /** What waits stays on disk. */
  dispose(): void {
    this.over.abort(new ProtocolError('unavailable', 'the agent has stopped'));
    this.owned.dispose();
  }

  private replica(sessionId: string): SessionReplica {
    const known = this.sessions.get(sessionId);
    if (known) return known;
    const opened = new SessionReplica(sessionId);
    this.sessions.set(sessionId, opened);
    if (this.options.link.isUp) this.syncSoon(opened);
    return opened;
  }

  private async write(
    {sessionId, fence}: MemoryWriter,
    key: string,
    value: JsonValue | undefined,
    ttl: number | undefined,
  ): Promise<StoreResult> {
    const {incarnation, log, clock, maxPendingBytes} = this.options;
    const bytes = value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
    if (bytes > MAX_VALUE_BYTES)
      throw new ProtocolError('tooLarge', `the value has ${bytes} bytes, at most ${MAX_VALUE_BYTES} fit`);
    if (log.bytes + bytes > maxPendingBytes)
      throw new ProtocolError('overloaded', 'too many writes wait for the hub; this one was not made');
    const answered = deferred<WriteOutcome>();
    answered.promise.catch(() => undefined);
    const write = await this.lock.run(sessionId, async () => {
      const own = {incarnation, sequence: ++this.sequence, fence, timestamp: clock.wallNow(), ttl};
      const made = this.replica(sessionId).write(key, value, own);
      await log.add({sessionId, write: made});
      this.waiting.set(made, answered);
      // Not the one of before: the session may have been let go meanwhile.
      this.replica(sessionId).add(made);
      return made;
    });
    if (!this.options.link.isUp) return {kind: 'kept'};
    this.syncSoon(this.replica(sessionId));
    return this.answer(write, answered.promise);
  }

  private async answer(write: OfflineWrite, answered: Promise<WriteOutcome>): Promise<StoreResult> {
    const away = deferred<StoreResult>();
    const keep = (): void => away.resolve({kind: 'kept'});
    const watching = this.options.link.onDown.event(keep);
    this.over.signal.addEventListener('abort', keep, {once: true});
    try {
      if (!this.options.link.isUp) keep();
      return await Promise.race([
        answered.then((outcome): StoreResult => ({kind: 'answered', outcome})),
        away.promise,
      ]);
    } finally {
      this.waiting.delete(write);
      watching.dispose();
      this.over.signal.removeEventListener('abort', keep);
    }
  }

  private async compareAndSet(
    {sessionId, fence}: MemoryWriter,
    key: string,
    value: JsonValue,
    more: {readonly ttl: number | undefined; readonly ifVersion: number},
  ): Promise<StoreResult> {
    const {link} = this.options;
    if (!link.isUp)
      throw new ProtocolError('unavailable', `the hub is away, which alone knows the version of ${key}`);
    const replica = this.replica(sessionId);
    if (replica.pending.length > 0) await this.sync(sessionId);
    const {revision, version} = await link.request('mcpx.memory.put', {
      sessionId,
      key,
      value,
      fence,
      ...more,
    });
    // Who writes next has seen this one; the rest of its record comes with the sync.
    const [attemptId, timestamp, checksum] = [fence.attempt, this.options.clock.wallNow(), jsonDigest(value)];
    const record = {v: RECORD_VERSION, principal: '', value, timestamp, checksum, attemptId};
    this.replica(sessionId).learn(key, {record, version, revision, modRevision: revision});
    this.syncSoon(replica);
    return {kind: 'answered', outcome: {kind: 'applied', revision, version}};
  }

  /** Undefined: the hub has to be asked. */
  private known(replica: SessionReplica, key: string, level: ConsistencyLevel): ReplicaAnswer | undefined {
    if (level === 'strong') return undefined;
    const {link} = this.options;
    const {syncedAt, have, wholeRevision} = replica;
    const value = replica.get(key);
    if (replica.isDamaged(key) && !value) return undefined;
    const ageMs = syncedAt === undefined ? undefined : Math.max(0, this.elapsed.now() - syncedAt);
    if (level !== 'eventual') {
      const holds =
        'session' in level ? wholeRevision >= level.session : ageMs !== undefined && ageMs <= level.bounded;
      if (!holds) return undefined;
    } else if (!value && (link.isUp || ageMs === undefined)) return undefined;
    const {revision} = have;
    if (!value)
      return {value: undefined, version: 0, revision, pending: false, ...(ageMs !== undefined && {ageMs})};
    return {...value, revision, ...(ageMs !== undefined && {ageMs})};
  }

  private syncAll(): void {
    for (const replica of this.sessions.values()) this.syncSoon(replica);
  }

  /** Its failure is logged where it happens; the next occasion tries again. */
  private syncSoon(replica: SessionReplica): void {
    this.begin(replica).catch(() => undefined);
  }

  /** One sync of a session at a time; who comes meanwhile waits for that one. */
  private begin(replica: SessionReplica): Promise<void> {
    const {sessionId} = replica;
    const running = this.syncing.get(sessionId);
    if (running) return running;
    const sync = this.run(replica).finally(() => this.syncing.delete(sessionId));
    this.syncing.set(sessionId, sync);
    // What came while the last answer was taken has been told that a sync is under way.
    sync.then(
      () => {
        if (replica.pending.length > 0) this.syncSoon(replica);
      },
      () => undefined,
    );
    return sync;
  }

  private async run(replica: SessionReplica): Promise<void> {
    const {link, logger, log} = this.options;
    const {sessionId} = replica;
    for (let goOn = true; goOn; ) {
      const writes = batch(replica.pending);
      const askedAt = this.elapsed.now();
      let answer: StateSynced;
      try {
        answer = await link.deliver(
          'mcpx.coordinate.state.sync',
          {sessionId, replica: {have: replica.have, writes}},
          {signal: this.over.signal, maxFaults: PATIENT_FAULTS},
        );
      } catch (error) {
        if (!this.over.signal.aborted && !isCoordinatorError(error, 'closed'))
          logger.warn('shared memory is not in sync; what was written here is kept', {sessionId, error});
        throw error;
      }
      this.take(replica, writes, answer);
      replica.apply(answer, askedAt);
      for (const write of writes) log.remove(write);
      goOn = answer.more || replica.pending.length > 0;
      // Its attempts here are over, and so is what anybody could want of it.
      if (answer.ended && replica.pending.length === 0 && this.sessions.get(sessionId) === replica)
        this.sessions.delete(sessionId);
    }
  }

  private take(replica: SessionReplica, writes: readonly OfflineWrite[], {outcomes}: StateSynced): void {
    const {sessionId} = replica;
    replica.settle(writes);
    for (const [at, write] of writes.entries()) {
      const outcome = outcomes[at] ?? {kind: 'refused', reason: 'the hub did not say what became of it'};
      if (outcome.kind === 'refused' || outcome.kind === 'quarantined' || outcome.kind === 'conflict')
        this.options.logger.warn('a memory write did not become the value of its key', {
          ...{sessionId, key: write.key, attemptId: write.fence.attempt},
          outcome,
        });
      this.waiting.get(write)?.resolve(outcome);
      this.waiting.delete(write);
      this.outcomes.emit({sessionId, write, outcome});
    }
  }
}

/** As many as a message takes, the first in any case. */
function batch(pending: readonly OfflineWrite[]): OfflineWrite[] {
  const writes: OfflineWrite[] = [];
  let bytes = 0;
  for (const write of pending) {
    bytes += JSON.stringify(write).length;
    if (writes.length > 0 && (writes.length >= MAX_SYNC_WRITES || bytes > MAX_SYNC_BYTES)) break;
    writes.push(write);
  }
  return writes;
}
