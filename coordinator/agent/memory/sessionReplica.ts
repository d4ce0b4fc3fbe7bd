/** What an agent knows of one session's shared memory: what the hub told it, and its own writes over that, which the hub has yet to take. Pure. */
import type {
  MemoryEntry,
  MemoryGetResult,
  OfflineWrite,
  StateSynced,
  VersionVector,
} from '../../protocol/commands/memory.ts';
import type {MemoryRecord} from '../../protocol/model/facts.ts';
import {HUB, mergeClocks, type VectorClock} from '../../protocol/vectorClock.ts';
import type {JsonValue} from '../../runtime/json.ts';
import {jsonDigest} from '../../runtime/jsonDigest.ts';

export interface ReplicaValue {
  readonly value: JsonValue | undefined;
  /** Of the hub; absent for a write of the agent's own that it has yet to take. */
  readonly record?: MemoryRecord | undefined;
  readonly version: number;
  readonly modRevision: number;
  /** The agent wrote it, and the hub has yet to take it. */
  readonly pending: boolean;
}

const NOTHING: VersionVector = {store: '', revision: 0, writers: {}};

export class SessionReplica {
  private readonly entries = new Map<string, MemoryEntry>();
  private readonly writes: OfflineWrite[] = [];
  private vector: VersionVector = NOTHING;
  /** By the clock of ages: the replica had everything then. Undefined: it never had. */
  private wholeAt: number | undefined;
  private whole = 0;
  /** Keys whose values were damaged: the hub has to be asked. */
  private readonly damaged = new Set<string>();
  /** Keys of which more is known than the vector says: the hub was asked, and answered as of this revision. */
  private readonly asked = new Map<string, number>();

  constructor(
    readonly sessionId: string,
    left: readonly OfflineWrite[] = [],
  ) {
    this.writes.push(...left);
  }

  get have(): VersionVector {
    return this.vector;
  }

  /** Every change up to this revision is here. Of a long answer that was broken off, some are not. */
  get wholeRevision(): number {
    return this.whole;
  }

  isDamaged(key: string): boolean {
    return this.damaged.has(key);
  }

  get pending(): readonly OfflineWrite[] {
    return this.writes;
  }

  get syncedAt(): number | undefined {
    return this.wholeAt;
  }

  get(key: string): ReplicaValue | undefined {
    const own = this.newest(key);
    const entry = this.entries.get(key);
    const [version, modRevision] = [entry?.version ?? 0, entry?.modRevision ?? 0];
    if (own) return {value: own.value, version, modRevision, pending: true};
    return entry && {value: entry.record.value, record: entry.record, version, modRevision, pending: false};
  }

  /** Of keys that have a value, in order. */
  keys(): string[] {
    const all = new Set([...this.entries.keys(), ...this.writes.map(({key}) => key)]);
    return [...all].filter(key => this.get(key)?.value !== undefined).sort();
  }

  /**
   * The write of `value` (absent: a deletion) on top of what is known now, or of an own write `before` that others do not see. It counts once it is
   * `add`ed.
   */
  write(
    key: string,
    value: JsonValue | undefined,
    own: Pick<OfflineWrite, 'incarnation' | 'sequence' | 'fence' | 'timestamp' | 'ttl'>,
    before = this.newest(key),
  ): OfflineWrite {
    const {seen, revision, clock} = before
      ? // What others wrote since is hidden behind the agent's own write, and was not seen.
        {seen: before.value, revision: before.base.revision, clock: before.clock}
      : this.seen(key, own.fence.store);
    return {
      ...own,
      key,
      ...(value !== undefined && {value}),
      base: {revision, ...(seen !== undefined && {value: seen})},
      clock: mergeClocks(clock, {[own.incarnation]: own.sequence}),
    };
  }

  /** Revisions of a store before its restoration say nothing about this one. */
  private seen(
    key: string,
    store: string,
  ): {seen: JsonValue | undefined; revision: number; clock: VectorClock} {
    const entry = this.entries.get(key);
    const seen = entry?.record.value;
    if (this.vector.store !== '' && this.vector.store !== store) return {seen, revision: 0, clock: {}};
    // Everything up to the vector's revision is here, and so is what had been seen by whoever wrote it.
    const known = Math.max(this.vector.revision, this.asked.get(key) ?? 0);
    const clock = mergeClocks(entry?.record.clock ?? {}, {[HUB]: known});
    return {seen, revision: entry?.modRevision ?? 0, clock};
  }

  /** What the hub has answered about one key: who reads it there and writes here has seen it. */
  learn(key: string, {record, version, revision, modRevision}: MemoryGetResult): void {
    if (revision <= Math.max(this.vector.revision, this.asked.get(key) ?? 0)) return;
    if (record && modRevision !== undefined) {
      if (jsonDigest(record.value) !== record.checksum) return;
      this.entries.set(key, {key, record, version, modRevision});
    } else this.entries.delete(key);
    this.asked.set(key, revision);
    this.damaged.delete(key);
  }

  add(write: OfflineWrite): void {
    this.writes.push(write);
  }

  /** The hub has answered for these. */
  settle(writes: readonly OfflineWrite[]): void {
    for (const write of writes) {
      const at = this.writes.indexOf(write);
      if (at >= 0) this.writes.splice(at, 1);
    }
  }

  /** Takes what the hub told at `askedAt`; the keys that changed. A value that was damaged on its way is left out, and asked for again. */
  apply({vector, changes, reset, more}: StateSynced, askedAt: number): string[] {
    const before = reset ? [...this.entries.keys()] : [];
    if (reset) {
      this.entries.clear();
      this.damaged.clear();
      this.asked.clear();
      this.wholeAt = undefined;
      this.whole = 0;
    }
    for (const {key, revision, entry} of changes) {
      // An answer that was under way for longer than another one.
      if ((this.asked.get(key) ?? 0) > revision) continue;
      const isWell = entry && jsonDigest(entry.record.value) === entry.record.checksum;
      if (isWell) this.entries.set(key, {key, ...entry, modRevision: revision});
      else this.entries.delete(key);
      if (entry && !isWell) this.damaged.add(key);
      else this.damaged.delete(key);
    }
    this.vector = vector;
    for (const [key, revision] of this.asked) if (revision <= vector.revision) this.asked.delete(key);
    if (!more) {
      this.wholeAt = askedAt;
      this.whole = vector.revision;
    }
    return [...new Set([...before, ...changes.map(({key}) => key)])];
  }

  private newest(key: string): OfflineWrite | undefined {
    return this.writes.findLast(write => write.key === key);
  }
}
