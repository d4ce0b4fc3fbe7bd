/**
 * The agent's share of shared memory: read here while the agent is cut off, written to disk first and then to the hub, which takes every
 * write once. What a session's replica holds is sessionReplica.ts.
 */
import {KeyedLock} from '../../artifacts/keyedLock.ts';
import type {Logger} from '../../observability/logger.ts';
import type {
  ConsistencyLevel,
  MemoryGetResult,
  OfflineWrite,
  StateSynced,
} from '../../protocol/commands/memory.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {Fence} from '../../protocol/ids.ts';
import {compilePattern} from '../../protocol/keyPattern.ts';
import type {WriteOutcome} from '../../protocol/model/memory.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import {mergeClocks} from '../../protocol/vectorClock.ts';
import {rejectOnAbort} from '../../runtime/abort.ts';
import {type Clock, every} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import {ElapsedClock} from '../../runtime/elapsedClock.ts';
import {Emitter} from '../../runtime/emitter.ts';
import {isDeeperThan, type JsonValue, MAX_JSON_DEPTH} from '../../runtime/json.ts';
import {jsonDigest} from '../../runtime/jsonDigest.ts';
import type {AgentLink} from '../link/agentLink.ts';
import {ReplicaSync} from './replicaSync.ts';
import {SessionReplica} from './sessionReplica.ts';
import {StagedWrites} from './stagedWrites.ts';
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

/** `kept`: it is on this machine's disk, or waits for the fence of a backup's task, and becomes the key's value, or a conflict, once the hub is there again. */
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

export class MemoryReplica implements Disposable {
  private readonly sessions = new Map<string, SessionReplica>();
  private readonly waiting = new Map<OfflineWrite, Deferred<WriteOutcome>>();
  private readonly lock = new KeyedLock();
  private readonly staged = new StagedWrites();
  private readonly owned = new DisposableStore();
  private readonly over = new AbortController();
  private readonly outcomes = this.owned.add(
    new Emitter<{sessionId: string; write: OfflineWrite; outcome: WriteOutcome}>(),
  );
  private readonly elapsed: ElapsedClock;
  private readonly syncs: ReplicaSync;
  private sequence = 0;

  /** What became of each write. */
  readonly onOutcome = this.outcomes.event;

  constructor(private readonly options: MemoryReplicaOptions) {
    const {log, link, clock, logger, syncMs} = options;
    this.elapsed = new ElapsedClock(clock);
    this.syncs = new ReplicaSync({
      ...{log, link, logger, elapsed: this.elapsed, signal: this.over.signal},
      onOutcome: (sessionId, write, outcome) => {
        this.waiting.get(write)?.resolve(outcome);
        this.waiting.delete(write);
        this.outcomes.emit({sessionId, write, outcome});
      },
      onEnded: replica => {
        // Its attempts here are over, and so is what anybody could want of it.
        if (this.sessions.get(replica.sessionId) === replica) this.sessions.delete(replica.sessionId);
      },
    });
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
    if (ifVersion !== undefined && this.staged.isOpen(writer.fence.attempt))
      return Promise.reject(
        new ProtocolError(
          'conflict',
          `attempt ${writer.fence.attempt} runs beside another one: what it writes waits, so that it can write no certain version of ${key}`,
        ),
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
    attemptId?: string,
  ): Promise<ReplicaAnswer> {
    const replica = this.replica(sessionId);
    const own = attemptId === undefined ? undefined : this.staged.newest(attemptId, key);
    if (own) {
      const {revision} = replica.have;
      return {value: own.value, version: replica.get(key)?.version ?? 0, revision, pending: true};
    }
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
  list(sessionId: string, pattern = '**', attemptId = ''): string[] {
    const {matches} = compilePattern(pattern);
    const keys = new Set(this.replica(sessionId).keys());
    for (const {write} of this.staged.of(attemptId))
      if (write.value === undefined) keys.delete(write.key);
      else keys.add(write.key);
    return [...keys].filter(matches).sort();
  }

  /** The attempt is a backup: what it writes waits until `publish`, and is seen by `retrieve` and `list` in its name alone. */
  stage(attemptId: string): void {
    this.staged.open(attemptId);
  }

  /** Something of the attempt waits for its fence. */
  hasStaged(attemptId: string): boolean {
    return this.staged.of(attemptId).length > 0;
  }

  /** The attempt has the fence of its task. Resolves when what has waited is on disk; the hub is told like of any other write. */
  async publish(attemptId: string): Promise<void> {
    const {incarnation, log, link} = this.options;
    for (const {sessionId, write} of this.staged.close(attemptId)) {
      await this.lock.run(sessionId, async () => {
        const sequence = ++this.sequence;
        const made = {...write, sequence, clock: mergeClocks(write.clock, {[incarnation]: sequence})};
        await log.add({sessionId, write: made});
        this.replica(sessionId).add(made);
      });
      if (link.isUp) this.syncs.soon(this.replica(sessionId));
    }
  }

  /** Nobody wants what has waited. */
  discard(attemptId: string): void {
    this.staged.close(attemptId);
  }

  /** Brings the replica of a session up to date. Rejects when the hub is away or refuses. */
  async sync(sessionId: string): Promise<StateSynced['vector']> {
    const replica = this.replica(sessionId);
    await this.syncs.whole(replica);
    return replica.have;
  }

  /** Resolves when the hub has answered for every write of the attempt; rejects with the signal's reason. */
  async settled(attemptId: string, signal: AbortSignal): Promise<void> {
    const ofAttempt = (): boolean =>
      [...this.sessions.values()].some(({pending}) => pending.some(({fence}) => fence.attempt === attemptId));
    if (!ofAttempt()) return;
    const done = deferred<void>();
    const abortion = rejectOnAbort(done, signal);
    const watching = this.onOutcome(() => {
      if (!ofAttempt()) done.resolve();
    });
    try {
      await done.promise;
    } finally {
      watching.dispose();
      abortion.dispose();
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
    if (this.options.link.isUp) this.syncs.soon(opened);
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
    if (log.bytes + this.staged.bytes + bytes > maxPendingBytes)
      throw new ProtocolError('overloaded', 'too many writes wait for the hub; this one was not made');
    if (this.staged.isOpen(fence.attempt)) {
      const own = {incarnation, sequence: 0, fence, timestamp: clock.wallNow(), ttl};
      const before = this.staged.newest(fence.attempt, key);
      const write = this.replica(sessionId).write(key, value, own, before);
      this.staged.add(fence.attempt, {sessionId, write});
      return {kind: 'kept'};
    }
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
    this.syncs.soon(this.replica(sessionId));
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
    this.syncs.soon(replica);
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
    for (const replica of this.sessions.values()) this.syncs.soon(replica);
  }
}
