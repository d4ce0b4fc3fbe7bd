/** Values that were read last and had the right checksum, so that a thousand readers of one value check it once. */
import type {MemoryRecord} from '../protocol/model/facts.ts';
import type {Stored} from '../store/records.ts';
import type {KeyValue} from '../store/store.ts';

const MOST = 2048;
/** Larger ones would take too much memory. */
const MOST_CHARACTERS = 8192;

/** By the store's own objects, which nobody changes; two generations, so that forgetting costs nothing. */
export class CheckedValues {
  private newer = new WeakMap<KeyValue, Stored<MemoryRecord>>();
  private older = new WeakMap<KeyValue, Stored<MemoryRecord>>();
  private count = 0;

  get(kv: KeyValue): Stored<MemoryRecord> | undefined {
    return this.newer.get(kv) ?? this.older.get(kv);
  }

  add(kv: KeyValue, stored: Stored<MemoryRecord>): void {
    if (kv.value.length > MOST_CHARACTERS) return;
    if (this.count === MOST) {
      this.older = this.newer;
      this.newer = new WeakMap();
      this.count = 0;
    }
    this.newer.set(kv, stored);
    this.count += 1;
  }
}
