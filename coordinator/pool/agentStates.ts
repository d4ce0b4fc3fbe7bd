/**
 * Keeps the state in each agent's record true: status on its transitions, pauses of its account, health now and then. An agent's coordinator
 * writes its record; of an agent without one, whoever comes first.
 */
import {KeyedQueue} from '../effects/keyedQueue.ts';
import type {RecordChange, WatchedRecord} from '../effects/watchedRecords.ts';
import type {Logger} from '../observability/logger.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {InstanceHealth, PerformanceMetrics} from '../protocol/instance.ts';
import {type AgentLive, type AgentRecord, openSlots} from '../protocol/model/agent.ts';
import type {TenantKeys} from '../protocol/model/keys.ts';
import {type Clock, every} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import {canonicalJson} from '../runtime/json.ts';
import type {AuditLog} from '../security/audit.ts';
import type {Principal} from '../security/principal.ts';
import {absent, found, putRecord, unchanged} from '../store/records.ts';
import type {Compare, Store, Txn, TxnResult} from '../store/store.ts';
import type {AgentDirectory} from './agentDirectory.ts';
import {agentStatus} from './agentStatus.ts';
import {agentTransition} from './agentTransitions.ts';
import {quarantineAt} from './quarantine.ts';

export interface AgentStatesOptions {
  readonly store: Store;
  readonly keys: TenantKeys;
  readonly coordinatorId: string;
  readonly directory: AgentDirectory;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Least time between two looks at agents whose load changes, in ms. */
  readonly statusIntervalMs: number;
  /** Time between two writes of an agent's health, in ms. */
  readonly healthIntervalMs: number;
  readonly maxTries: number;
  /** The health of an agent that is connected here. */
  readonly healthOf: (agentId: string) => InstanceHealth | undefined;
  /** What it has done, if it said so here. */
  readonly performanceOf: (agentId: string) => PerformanceMetrics | undefined;
  /** Why an agent that is registered here is not reached. */
  readonly troubleOf: (agentId: string) => string | undefined;
}

/** A change of a record that somebody asked for and that belongs into the audit log. */
export interface AuditedChange {
  readonly action: string;
  readonly principal: Principal;
}

export class AgentStates implements Disposable {
  /** Serialises the writes to one agent's keys. */
  readonly queue = new KeyedQueue();
  private readonly dirty = new Set<string>();
  private readonly healthWrittenAt = new Map<string, number>();
  private readonly pauseEnds = new Map<string, Disposable>();
  private flushTimer: Disposable | undefined;
  private flushedAt = Number.NEGATIVE_INFINITY;
  private readonly removed = new Emitter<string>();
  private readonly owned = new DisposableStore();

  /** A person removed an agent and it is gone: whoever holds its socket tells it to stop. */
  readonly onRemoved = this.removed.event;

  constructor(private readonly options: AgentStatesOptions) {}

  /** Call once the directory has started. */
  start(): void {
    const {directory, clock, healthIntervalMs} = this.options;
    const {owned} = this;
    owned.add(this.removed);
    owned.add(directory.lives.onChange(({key}) => this.touch(lastPart(key))));
    owned.add(directory.records.onChange(change => this.recordChanged(change)));
    owned.add(directory.accounts.onChange(({key}) => this.touchAccount(lastPart(key))));
    owned.add(directory.attempts.onAgentLoad(agentId => this.touch(agentId)));
    owned.add(every(clock, healthIntervalMs, () => this.touchAll()));
    this.touchAll();
  }

  dispose(): void {
    this.owned.dispose();
    this.flushTimer?.dispose();
    for (const timer of this.pauseEnds.values()) timer.dispose();
    this.pauseEnds.clear();
    this.dirty.clear();
  }

  /** The agent's facts may have changed: its record follows, soon. */
  touch(agentId: string): void {
    if (this.owned.isDisposed) return;
    this.dirty.add(agentId);
    if (this.flushTimer) return;
    const {clock, statusIntervalMs} = this.options;
    const wait = Math.max(0, this.flushedAt + statusIntervalMs - clock.now());
    this.flushTimer = clock.schedule(wait, () => this.flush(), {background: true});
  }

  /** Rewrites a record. Errors: `notFound`, `overloaded`. Run it in `queue`. */
  async update(
    agentId: string,
    change: (record: AgentRecord) => AgentRecord,
    audited?: AuditedChange,
    compare: readonly Compare[] = [],
  ): Promise<void> {
    for (let tries = this.options.maxTries; tries > 0; tries--) {
      const before = await this.read(agentId);
      if (!before) throw new ProtocolError('notFound', `there is no agent ${agentId}`);
      const live = this.options.directory.live(agentId);
      const value = this.withState(before.value, change(before.value), live);
      if (sameState(before.value, value) && !audited) return;
      if (await this.write(before, value, compare, audited)) return;
    }
    throw new ProtocolError('overloaded', `the record of agent ${agentId} is contended`);
  }

  /** Brings one record in line with the facts. Run it in `queue`. */
  async settle(agentId: string): Promise<void> {
    const {directory, coordinatorId, keys, clock, maxTries, healthIntervalMs} = this.options;
    for (let tries = maxTries; tries > 0; tries--) {
      const record = directory.record(agentId);
      const live = directory.live(agentId);
      if (!record || (live && live.value.coordinator !== coordinatorId)) return;
      if (isRemoving(record.value) && (!live || directory.attempts.runningOn(agentId) === 0))
        return this.forget(agentId);
      const value = this.withState(record.value, record.value, live);
      this.awaitEnd(agentId, value);
      const healthDue =
        live !== undefined &&
        clock.now() - (this.healthWrittenAt.get(agentId) ?? Number.NEGATIVE_INFINITY) >= healthIntervalMs;
      if (sameState(record.value, value) && !healthDue) return;
      const liveKey = keys.agentLive(agentId);
      const alive: Compare = live
        ? {key: liveKey, target: 'create', op: '=', operand: live.createRevision}
        : absent(liveKey);
      if (await this.write(record, value, [alive])) return;
      // Someone else was faster, or its live key changed, which the watch is about to tell.
      if ((await this.read(agentId))?.modRevision === record.modRevision) return;
    }
  }

  /**
   * Takes the live key from the process with this incarnation and marks or deletes its record. Does nothing when another process has the id.
   * Run it in `queue`.
   */
  async leave(agentId: string, incarnation: string, becomes: 'offline' | 'forgotten'): Promise<boolean> {
    const {store, keys, directory, maxTries} = this.options;
    for (let tries = maxTries; tries > 0; tries--) {
      const kv = await store.get(keys.agentLive(agentId));
      if (kv) directory.take({live: kv});
      const live = kv && directory.live(agentId);
      const record = await this.read(agentId);
      if (!live || !record || live.value.incarnation !== incarnation) return false;
      const health = this.options.healthOf(agentId) ?? record.value.instance.healthcheck;
      const {coordinator: _left, ...rest} = record.value;
      const instance = {...rest.instance, status: 'offline' as const, healthcheck: health};
      const result = await store.txn({
        compare: [unchanged(live), unchanged(record)],
        then: [
          {kind: 'delete', key: live.key},
          becomes === 'forgotten'
            ? {kind: 'delete', key: record.key}
            : putRecord(record.key, {...this.left(rest), instance, departed: incarnation}),
        ],
      });
      if (!result.succeeded) continue;
      this.healthWrittenAt.delete(agentId);
      if (live.lease !== undefined) await store.revokeLease(live.lease);
      return true;
    }
    return false;
  }

  private async forget(agentId: string): Promise<void> {
    const {store, keys, directory} = this.options;
    const live = directory.live(agentId);
    if (live) await this.leave(agentId, live.value.incarnation, 'forgotten');
    else
      await store.txn({
        compare: [absent(keys.agentLive(agentId))],
        then: [{kind: 'delete', key: keys.agent(agentId)}],
      });
    await store.txn({
      compare: [absent(keys.agent(agentId))],
      then: [{kind: 'delete', key: keys.agentHistory(agentId)}],
    });
  }

  private recordChanged({key, now, before}: RecordChange<AgentRecord>): void {
    const agentId = lastPart(key);
    if (now) {
      this.touch(agentId);
      return;
    }
    this.healthWrittenAt.delete(agentId);
    this.pauseEnds.get(agentId)?.dispose();
    this.pauseEnds.delete(agentId);
    if (before && isRemoving(before.value)) this.removed.emit(agentId);
  }

  private async write(
    before: WatchedRecord<AgentRecord>,
    value: AgentRecord,
    compare: readonly Compare[],
    audited?: AuditedChange,
  ): Promise<boolean> {
    const {clock, directory, audit, store} = this.options;
    const agentId = value.instance.id;
    const {metadata} = value.instance;
    const healthcheck = this.options.healthOf(agentId) ?? value.instance.healthcheck;
    const performanceMetrics = this.options.performanceOf(agentId) ?? metadata.performanceMetrics;
    const instance = {...value.instance, healthcheck, metadata: {...metadata, performanceMetrics}};
    const txn: Txn = {
      compare: [unchanged(before), ...compare],
      then: [putRecord(before.key, {...value, instance}), {kind: 'get', key: before.key}],
      else: [{kind: 'get', key: before.key}],
    };
    const result: TxnResult = audited
      ? await audit.auditedTxn(txn, {...audited, subject: `agent ${agentId}`, refusals: false})
      : await store.txn(txn);
    const now = found(result.responses[result.succeeded ? 1 : 0]);
    if (now) directory.take({record: now});
    if (result.succeeded) this.healthWrittenAt.set(agentId, clock.now());
    return result.succeeded;
  }

  /** The newest record that is known, read if there is none. */
  private async read(agentId: string): Promise<WatchedRecord<AgentRecord> | undefined> {
    const {store, keys, directory} = this.options;
    const kv = await store.get(keys.agent(agentId));
    if (kv) directory.take({record: kv});
    return kv && directory.record(agentId);
  }

  private withState(
    before: AgentRecord,
    record: AgentRecord,
    live: WatchedRecord<AgentLive> | undefined,
  ): AgentRecord {
    const {clock, directory} = this.options;
    const {draining} = record;
    const now = clock.wallNow();
    const quarantine = quarantineAt(record.quarantine, now);
    const trouble = live && this.troubleOf(record, live);
    const instance = {...record.instance, status: 'idle' as const};
    const account = directory.pauseOf(instance.metadata.account, now);
    const own = (record.pausedUntil ?? 0) > now && !record.pausedBy ? record : undefined;
    const pausedUntil = Math.max(account?.pausedUntil ?? 0, own?.pausedUntil ?? 0);
    const status = agentStatus({
      live: live !== undefined,
      saidGoodbye: before.instance.status === 'offline',
      troubled: trouble !== undefined,
      draining,
      paused: pausedUntil > 0 || quarantine?.kind === 'quarantined',
      running: directory.attempts.runningOn(instance.id),
      slots: openSlots({...record, instance, quarantine}),
    });
    const {pausedUntil: _until, pauseReason: _reason, pausedBy: _by, ...rest} = record;
    const moved = agentTransition(before.instance.status, status);
    const next = {
      ...rest,
      ...(moved && {stateSince: now, transition: moved}),
      quarantine,
      trouble,
      instance: {...instance, status},
    };
    if (own) return {...next, pausedUntil: own.pausedUntil, pauseReason: own.pauseReason};
    return account
      ? {...next, pausedUntil: account.pausedUntil, pauseReason: account.reason, pausedBy: 'account'}
      : next;
  }

  /** Of another coordinator's agent only its record tells. */
  private troubleOf(record: AgentRecord, live: WatchedRecord<AgentLive>): string | undefined {
    const isHere = live.value.coordinator === this.options.coordinatorId;
    return isHere ? this.options.troubleOf(record.instance.id) : record.trouble;
  }

  /** Of one that says goodbye. */
  private left(record: AgentRecord): AgentRecord {
    const {trouble: _, ...rest} = record;
    const moved = agentTransition(record.instance.status, 'offline');
    return {...rest, ...(moved && {stateSince: this.options.clock.wallNow(), transition: moved})};
  }

  /** Looks again when its pause or its quarantine is over. */
  private awaitEnd(agentId: string, {pausedUntil, quarantine}: AgentRecord): void {
    this.pauseEnds.get(agentId)?.dispose();
    this.pauseEnds.delete(agentId);
    const ends = [pausedUntil, quarantine?.kind === 'quarantined' ? quarantine.until : undefined];
    const known = ends.flatMap(end => end ?? []);
    if (known.length === 0 || this.owned.isDisposed) return;
    const {clock} = this.options;
    const wait = Math.max(0, Math.min(...known) - clock.wallNow()) + 1;
    this.pauseEnds.set(
      agentId,
      clock.schedule(wait, () => this.touch(agentId), {background: true}),
    );
  }

  private flush(): void {
    this.flushTimer = undefined;
    this.flushedAt = this.options.clock.now();
    const agents = [...this.dirty];
    this.dirty.clear();
    for (const agentId of agents)
      void this.queue
        .run(agentId, () => this.settle(agentId))
        .catch((error: unknown) => {
          this.options.logger.warn('the state of an agent was not written yet', {agentId, error});
          this.touch(agentId);
        });
  }

  private touchAll(): void {
    for (const {value} of this.options.directory.records.all()) this.touch(value.instance.id);
  }

  private touchAccount(account: string): void {
    for (const {value} of this.options.directory.records.all())
      if (value.instance.metadata.account === account) this.touch(value.instance.id);
  }
}

function sameState(a: AgentRecord, b: AgentRecord): boolean {
  return (
    a.instance.status === b.instance.status &&
    a.draining === b.draining &&
    a.pausedUntil === b.pausedUntil &&
    a.pausedBy === b.pausedBy &&
    a.pauseReason === b.pauseReason &&
    a.trouble === b.trouble &&
    (a.quarantine === b.quarantine ||
      canonicalJson(a.quarantine ?? null) === canonicalJson(b.quarantine ?? null)) &&
    (a.keptWorktrees === b.keptWorktrees ||
      canonicalJson(a.keptWorktrees ?? []) === canonicalJson(b.keptWorktrees ?? []))
  );
}

function isRemoving(record: AgentRecord): boolean {
  return record.removing === true;
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}
