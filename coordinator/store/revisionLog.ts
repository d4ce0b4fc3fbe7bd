/** The retained changes, one record a revision, oldest first: what watches replay and compaction forgets. */
import {assert} from '../runtime/assert.ts';
import type {StoreEvent} from './store.ts';

/** All changes of one revision, in order. The shape is that of a watch message, so that one object serves every watcher. */
export interface RevisionEvents {
  readonly kind: 'events';
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

/** Spare room at the front that is worth a copy. */
const SHIFT_AT = 4096;

export class RevisionLog {
  private records: (RevisionEvents | undefined)[] = [];
  private head = 0;
  private retainedBytes = 0;

  /** `before` is the revision that the first record follows. */
  constructor(private before = 0) {}

  /** The oldest revision held, or the next one when none is. */
  get first(): number {
    return this.before + 1;
  }

  get last(): number {
    return this.before + this.records.length - this.head;
  }

  /** Approximate bytes of keys and values held. */
  get bytes(): number {
    return this.retainedBytes;
  }

  append(record: RevisionEvents): void {
    assert(record.revision === this.last + 1, `revision ${record.revision} does not follow ${this.last}`);
    this.records.push(record);
    this.retainedBytes += bytesOf(record);
  }

  at(revision: number): RevisionEvents | undefined {
    return revision <= this.before ? undefined : this.records[this.head + revision - this.first];
  }

  /** The revision to compact to so that about `bytes` stay. */
  revisionThatLeaves(bytes: number): number {
    let left = this.retainedBytes;
    let at = this.head;
    for (; at < this.records.length && left > bytes; at++) {
      const record = this.records[at];
      if (record) left -= bytesOf(record);
    }
    return this.before + at - this.head;
  }

  /** Removes the oldest record. */
  shift(): RevisionEvents | undefined {
    const record = this.records[this.head];
    if (!record) return undefined;
    this.records[this.head] = undefined;
    this.head += 1;
    this.before += 1;
    this.retainedBytes -= bytesOf(record);
    if (this.head >= SHIFT_AT && this.head * 2 >= this.records.length) {
      this.records = this.records.slice(this.head);
      this.head = 0;
    }
    return record;
  }
}

function bytesOf(record: RevisionEvents): number {
  let bytes = 0;
  for (const event of record.events) bytes += event.key.length + event.kv.value.length + 64;
  return bytes;
}
