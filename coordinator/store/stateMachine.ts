/**
 * The replicated state: keys over revisions, transactions, leases, history. Pure and deterministic: equal commands in equal order give equal
 * states on every node. Time is not in here: a lease ends by a command, and whoever proposes it owns the clock.
 */

import {unreachable} from '../runtime/assert.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {AppliedProposals} from './appliedProposals.ts';
import type {Command, MemberRecord} from './commands.ts';
import {compareHolds} from './compare.ts';
import type {Proposed} from './proposals.ts';
import {RevisionLog} from './revisionLog.ts';
import type {
  Compare,
  KeyValue,
  Op,
  OpResponse,
  RangeOptions,
  RangeResult,
  ReadOptions,
  StoreEvent,
  Txn,
  TxnResult,
} from './store.ts';
import {VersionedKeys} from './versionedKeys.ts';

export interface LeaseState {
  readonly id: string;
  readonly ttlSeconds: number;
  readonly keys: Set<string>;
}

/** What applying one command came to. A refusal changed nothing, on any node. */
export type Outcome =
  | {readonly kind: 'txn'; readonly result: TxnResult}
  | {readonly kind: 'noLease'; readonly id: string}
  | {readonly kind: 'leaseGranted'}
  | {readonly kind: 'leaseExists'}
  | {readonly kind: 'leaseEnded'; readonly existed: boolean}
  | {readonly kind: 'compacted'}
  | {readonly kind: 'created'}
  | {readonly kind: 'memberKnown'}
  /** The proposal was applied before, or its proposer has given it up. */
  | {readonly kind: 'repeated'};

/** Where a restored state machine starts: before the keys and the history of its snapshot. */
export interface StateOrigin {
  readonly incarnation: string;
  readonly compactRevision: number;
}

export class StateMachine {
  readonly keys = new VersionedKeys();
  readonly leases = new Map<string, LeaseState>();
  readonly proposals = new AppliedProposals();
  /** Everyone who belongs to the cluster or ever did. Who votes is Raft's to say. */
  readonly members = new Map<string, MemberRecord>();
  readonly history: RevisionLog;
  incarnation: string;
  private current: number;
  private compacted: number;
  /** Revisions whose history must stay readable for now, with how many want each. */
  private readonly pins = new Map<number, number>();

  constructor(origin: StateOrigin = {incarnation: '', compactRevision: 0}) {
    this.incarnation = origin.incarnation;
    this.current = origin.compactRevision;
    this.compacted = origin.compactRevision;
    this.history = new RevisionLog(origin.compactRevision);
  }

  get revision(): number {
    return this.current;
  }

  /** Reads below it are refused, and so are watches from it or below. */
  get compactRevision(): number {
    return this.compacted;
  }

  /** As `apply`, once for each proposal however often it comes. */
  applyProposal({origin, command}: Proposed): Outcome {
    return origin && !this.proposals.admit(origin) ? {kind: 'repeated'} : this.apply(command);
  }

  apply(command: Command): Outcome {
    switch (command.kind) {
      case 'txn':
        return this.applyTxn(command.txn);
      case 'grantLease':
        if (this.leases.has(command.id)) return {kind: 'leaseExists'};
        this.leases.set(command.id, {id: command.id, ttlSeconds: command.ttlSeconds, keys: new Set()});
        return {kind: 'leaseGranted'};
      case 'endLease':
        return {kind: 'leaseEnded', existed: this.endLease(command.id)};
      case 'compact':
        this.compacted = Math.max(this.compacted, Math.min(command.revision, this.current));
        return {kind: 'compacted'};
      case 'create':
        if (this.incarnation === '') this.incarnation = command.incarnation;
        return {kind: 'created'};
      case 'member':
        if (this.members.get(command.member.id)?.wanted !== 'removed')
          this.members.set(command.member.id, command.member);
        return {kind: 'memberKnown'};
      default:
        return unreachable(command);
    }
  }

  /** A transaction that only reads, at the present revision. */
  read(txn: Txn): TxnResult {
    const succeeded = this.holds(txn.compare);
    const responses = ((succeeded ? txn.then : txn.else) ?? []).map(op => this.readOp(op));
    return {succeeded, revision: this.current, responses};
  }

  /** Throws `notFound` for a compacted revision, `unavailable` for one that is not applied yet. */
  get(key: string, options: ReadOptions = {}): KeyValue | undefined {
    if (options.atRevision === undefined) return this.keys.get(key);
    this.checkRevision(options.atRevision);
    return this.keys.getAt(key, options.atRevision);
  }

  /** As `get`. */
  range(prefix: string, options: RangeOptions = {}): RangeResult {
    const {atRevision, limit, after} = options;
    if (atRevision !== undefined) this.checkRevision(atRevision);
    const found = this.keys.range(prefix, {
      atRevision,
      limit,
      after,
      descending: options.order === 'descending',
    });
    return {...found, revision: atRevision ?? this.current};
  }

  /** Keeps the history from `revision` on readable through `keys` and `history`, whatever compaction says, until disposed. */
  pin(revision: number): {dispose(): void} {
    this.pins.set(revision, (this.pins.get(revision) ?? 0) + 1);
    let held = true;
    return {
      dispose: () => {
        if (!held) return;
        held = false;
        const left = (this.pins.get(revision) ?? 1) - 1;
        if (left > 0) this.pins.set(revision, left);
        else this.pins.delete(revision);
      },
    };
  }

  /** Frees the memory of at most `atMost` compacted revisions; true when more are waiting. What callers can read does not change. */
  trim(atMost: number): boolean {
    let to = this.compacted;
    for (const pinned of this.pins.keys()) to = Math.min(to, pinned);
    for (let left = atMost; left > 0 && this.history.first <= to; left--) {
      const record = this.history.shift();
      if (record) this.keys.forget(record);
    }
    return this.history.first <= to;
  }

  /** Appends a whole revision from a snapshot's history, as it was written. */
  restoreRevision(changes: readonly Change[]): void {
    const revision = this.current + 1;
    const events: StoreEvent[] = [];
    for (const change of changes) {
      if (change.value === undefined) this.delete(change.key, revision, events);
      else this.put(change.key, change.value, change.lease, revision, events);
    }
    this.commit(revision, events);
  }

  private applyTxn(txn: Txn): Outcome {
    const succeeded = this.holds(txn.compare);
    const ops = (succeeded ? txn.then : txn.else) ?? [];
    for (const op of ops)
      if (op.kind === 'put' && op.lease !== undefined && !this.leases.has(op.lease))
        return {kind: 'noLease', id: op.lease};
    const revision = this.current + 1;
    const events: StoreEvent[] = [];
    const responses: OpResponse[] = [];
    for (const op of ops) responses.push(this.applyOp(op, revision, events));
    if (events.length > 0) this.commit(revision, events);
    return {kind: 'txn', result: {succeeded, revision: this.current, responses}};
  }

  private commit(revision: number, events: readonly StoreEvent[]): void {
    this.current = revision;
    this.history.append({kind: 'events', revision, events});
  }

  private applyOp(op: Op, revision: number, events: StoreEvent[]): OpResponse {
    switch (op.kind) {
      case 'put':
        this.put(op.key, op.value, op.lease, revision, events);
        return PUT;
      case 'delete':
        return {kind: 'delete', deleted: this.delete(op.key, revision, events) ? 1 : 0};
      case 'deletePrefix': {
        const doomed = this.keys.range(op.prefix, {}).kvs;
        for (const kv of doomed) this.delete(kv.key, revision, events);
        return {kind: 'delete', deleted: doomed.length};
      }
      default:
        return this.readOp(op);
    }
  }

  private readOp(op: Op): OpResponse {
    if (op.kind === 'range') return {kind: 'range', kvs: this.keys.range(op.prefix, {limit: op.limit}).kvs};
    const kv = op.kind === 'get' ? this.keys.get(op.key) : undefined;
    return {kind: 'range', kvs: kv ? [kv] : []};
  }

  private put(
    key: string,
    value: string,
    lease: string | undefined,
    revision: number,
    events: StoreEvent[],
  ): void {
    const event = this.keys.put(key, value, lease, revision);
    const before = event.previous?.lease;
    if (before !== lease) {
      if (before !== undefined) this.leases.get(before)?.keys.delete(key);
      if (lease !== undefined) this.leases.get(lease)?.keys.add(event.key);
    }
    events.push(event);
  }

  private delete(key: string, revision: number, events: StoreEvent[]): boolean {
    const event = this.keys.delete(key, revision);
    if (!event) return false;
    const lease = event.previous?.lease;
    if (lease !== undefined) this.leases.get(lease)?.keys.delete(key);
    events.push(event);
    return true;
  }

  private endLease(id: string): boolean {
    const lease = this.leases.get(id);
    if (!lease) return false;
    const events: StoreEvent[] = [];
    const revision = this.current + 1;
    // Sorted, because the order of a Set is that of insertions, which a snapshot does not keep.
    for (const key of [...lease.keys].sort()) this.delete(key, revision, events);
    this.leases.delete(id);
    if (events.length > 0) this.commit(revision, events);
    return true;
  }

  private holds(compares: readonly Compare[] | undefined): boolean {
    return (compares ?? []).every(compare => compareHolds(compare, this.keys.get(compare.key)));
  }

  private checkRevision(revision: number): void {
    if (revision > this.current)
      throw new CoordinatorError(
        'unavailable',
        `revision ${revision} is not here yet, the newest is ${this.current}`,
      );
    if (revision < this.compacted)
      throw new CoordinatorError(
        'notFound',
        `revision ${revision} was compacted, the oldest is ${this.compacted}`,
      );
  }
}

/** One change of a revision in a snapshot's history; without a value it is a deletion. */
export interface Change {
  readonly key: string;
  readonly value?: string | undefined;
  readonly lease?: string | undefined;
}

const PUT: OpResponse = {kind: 'put'};
