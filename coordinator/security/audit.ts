/**
 * Records decisions in their own transactions, each writer's records chained by hash. Checking a chain is auditChain.ts; who may decide is
 * left to authorisation.
 *
 * A transaction of unknown outcome may still commit when its writer has gone on, or is gone. So every start of a writer and every unknown
 * outcome begins a new epoch with keys of its own: a late record lands at the end of its old epoch and never overwrites another.
 */
import type {Logger} from '../observability/logger.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {AuditRecord} from '../protocol/model/facts.ts';
import {type TenantKeys, tenantKeys} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import type {Clock} from '../runtime/clock.ts';
import {CoordinatorError, isCoordinatorError} from '../runtime/errors.ts';
import type {JsonValue} from '../runtime/json.ts';
import {absent, putRecord, storedRecord} from '../store/records.ts';
import type {Store, Txn, TxnResult} from '../store/store.ts';
import {auditHash, auditPlace} from './auditChain.ts';
import type {Principal} from './principal.ts';

export interface AuditLogOptions {
  readonly store: Store;
  readonly tenant: string;
  /** The coordinator: its starts continue one chain. At most one process at a time writes under it. */
  readonly writerId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Decisions that may wait for those before them. */
  readonly maxWaiting?: number;
}

export interface AuditedDecision {
  /** What was done, such as `agent.drain`. */
  readonly action: string;
  /** To what, such as `agent a-1`. */
  readonly subject: string;
  readonly detail?: JsonValue;
  readonly principal: Principal;
  /** What the record says when the transaction commits. Default: `done`. */
  readonly outcome?: 'done' | 'refused';
  /** False when a failed comparison is a lost race that is tried again, and no decision. Default: it is recorded as `refused`. */
  readonly refusals?: boolean;
}

/** Where the chain stands. */
interface Head {
  readonly epoch: number;
  readonly sequence: number;
  readonly hash: string;
}

/** A whole fleet may join at once. */
const DEFAULT_MAX_WAITING = 10_000;
const MAX_OPENINGS = 8;

export class AuditLog {
  private readonly keys: TenantKeys;
  private head: Head | undefined;
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(private readonly options: AuditLogOptions) {
    this.keys = tenantKeys(options.tenant);
  }

  /**
   * Commits `txn` with a record of it: `done` beside its `then`, `refused` beside its `else`. One at a time for each writer. `responses` are
   * those of `txn` itself; they are empty when the answer was lost and the outcome had to be read. Errors: the store's, with `timeout` only
   * when the outcome stays unknown, and `overloaded`.
   */
  auditedTxn(txn: Txn, decision: AuditedDecision): Promise<TxnResult> {
    if (this.waiting >= (this.options.maxWaiting ?? DEFAULT_MAX_WAITING))
      return Promise.reject(new ProtocolError('overloaded', 'too many decisions wait to be recorded'));
    this.waiting += 1;
    const result = this.last.then(() => this.commit(txn, decision));
    this.last = result.then(
      () => this.settled(),
      () => this.settled(),
    );
    return result;
  }

  /** Resolves when every decision that was begun has settled. */
  async idle(): Promise<void> {
    await this.last;
  }

  private settled(): void {
    this.waiting -= 1;
  }

  private async commit(txn: Txn, decision: AuditedDecision): Promise<TxnResult> {
    const head = this.head ?? (await this.openEpoch());
    const done = this.record(head, decision, decision.outcome ?? 'done');
    const refused = decision.refusals === false ? undefined : this.record(head, decision, 'refused');
    const key = this.keyAfter(head);
    try {
      const result = await this.store.txn({
        compare: txn.compare ?? [],
        then: [...txn.then, putRecord(key, done)],
        else: [...(txn.else ?? []), ...(refused ? [putRecord(key, refused)] : [])],
      });
      const written = result.succeeded ? done : refused;
      if (written) this.head = {...head, sequence: written.sequence, hash: written.hash};
      return written ? {...result, responses: result.responses.slice(0, -1)} : result;
    } catch (error) {
      if (!isCoordinatorError(error, 'timeout')) throw error;
      return this.resolve(head, key, [done, refused], error);
    }
  }

  /** Whether a transaction without an answer was applied is seen by its record. */
  private async resolve(
    head: Head,
    key: string,
    [done, refused]: readonly [AuditRecord, AuditRecord | undefined],
    unknown: CoordinatorError,
  ): Promise<TxnResult> {
    this.head = undefined;
    const kv = await this.store.get(key);
    const hash = kv && storedRecord(AuditRecord, kv).value.hash;
    if (hash === undefined || (hash !== done.hash && hash !== refused?.hash)) throw unknown;
    this.head = {...head, sequence: done.sequence, hash};
    return {succeeded: hash === done.hash, revision: kv?.modRevision ?? 0, responses: []};
  }

  /** Links a new epoch to the newest record. */
  private async openEpoch(): Promise<Head> {
    const {tenant, writerId} = this.options;
    const principal: Principal = {id: `coordinator:${writerId}`, tenant, role: 'coordinator'};
    for (let tries = MAX_OPENINGS; tries > 0; tries--) {
      const tail = await this.tail();
      const start = {epoch: tail.epoch + 1, sequence: tail.sequence, hash: tail.hash};
      const opened = this.record(start, {action: 'audit.opened', subject: writerId, principal}, 'done');
      const key = this.keyAfter(start);
      const {succeeded} = await this.store.txn({compare: [absent(key)], then: [putRecord(key, opened)]});
      if (!succeeded) continue;
      this.head = {epoch: start.epoch, sequence: opened.sequence, hash: opened.hash};
      return this.head;
    }
    throw new CoordinatorError('conflict', `several processes write the audit log as ${writerId}`, {
      hint: 'Give every coordinator an id of its own.',
    });
  }

  private async tail(): Promise<Head> {
    const prefix = `${this.keys.audit}${this.options.writerId}/`;
    const {kvs} = await this.store.range(prefix, {order: 'descending', limit: 1});
    const [kv] = kvs;
    if (!kv) return {epoch: 0, sequence: 0, hash: ''};
    const {value} = storedRecord(AuditRecord, kv);
    const place = auditPlace(kv.key);
    if (!place) throw new CoordinatorError('corrupt', `not a key of an audit record: ${kv.key}`);
    return {epoch: place.epoch, sequence: value.sequence, hash: value.hash};
  }

  private record(head: Head, decision: AuditedDecision, outcome: 'done' | 'refused'): AuditRecord {
    const record = {
      v: RECORD_VERSION,
      principal: decision.principal.id,
      writer: this.options.writerId,
      epoch: head.epoch,
      sequence: head.sequence + 1,
      at: this.options.clock.wallNow(),
      action: decision.action,
      subject: decision.subject,
      detail: decision.detail,
      outcome,
      previous: head.hash,
    };
    return {...record, hash: auditHash(record)};
  }

  private keyAfter(head: Head): string {
    const writer = `${this.options.writerId}/${String(head.epoch).padStart(8, '0')}`;
    return this.keys.auditRecord(writer, head.sequence + 1);
  }

  private get store(): Store {
    return this.options.store;
  }
}
