/** Records of shared memory: made for a write, and checked against their checksum when they are read. */
import {ProtocolError} from '../protocol/errors.ts';
import {MemoryRecord} from '../protocol/model/facts.ts';
import {RECORD_VERSION, RecordError} from '../protocol/model/record.ts';
import {HUB, type VectorClock} from '../protocol/vectorClock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {isDeeperThan, type JsonValue, MAX_JSON_DEPTH} from '../runtime/json.ts';
import {jsonDigest} from '../runtime/jsonDigest.ts';
import {type Stored, storedRecord} from '../store/records.ts';
import type {KeyValue} from '../store/store.ts';

type Written = Pick<MemoryRecord, 'attemptId' | 'instanceId' | 'ttl' | 'clock' | 'resolved' | 'changeId'>;

export function memoryRecord(
  value: JsonValue,
  principal: string,
  timestamp: number,
  more: Written = {},
): MemoryRecord {
  checkDepth(value);
  return {v: RECORD_VERSION, principal, value, timestamp, checksum: jsonDigest(value), ...more};
}

/** Throws `tooLarge`. */
function checkDepth(value: JsonValue): void {
  if (isDeeperThan(value, MAX_JSON_DEPTH))
    throw new ProtocolError('tooLarge', `the value is nested more than ${MAX_JSON_DEPTH} times`);
}

/** Throws `corrupt` when the value is not the one that was written, or no value at all. */
export function storedMemory(kv: KeyValue): Stored<MemoryRecord> {
  const known = newer.get(kv) ?? older.get(kv);
  if (known) return known;
  let stored: Stored<MemoryRecord>;
  try {
    stored = storedRecord(MemoryRecord, kv);
  } catch (error) {
    if (error instanceof RecordError) throw corrupt(`the value of ${kv.key} is unreadable`, error);
    throw error;
  }
  const {value, checksum} = stored.value;
  if (jsonDigest(value) !== checksum) throw corrupt(`the value of ${kv.key} does not match its checksum`);
  if (kv.value.length <= REMEMBERED_CHARACTERS) remember(kv, stored);
  return stored;
}

const REMEMBERED = 2048;
/** Larger ones would take too much memory. */
const REMEMBERED_CHARACTERS = 8192;

/** What was read last and had the right checksum, by the store's own objects, which nobody changes: two generations, so that forgetting costs nothing. */
let newer = new WeakMap<KeyValue, Stored<MemoryRecord>>();
let older = new WeakMap<KeyValue, Stored<MemoryRecord>>();
let remembered = 0;

function remember(kv: KeyValue, stored: Stored<MemoryRecord>): void {
  if (remembered === REMEMBERED) {
    older = newer;
    newer = new WeakMap();
    remembered = 0;
  }
  newer.set(kv, stored);
  remembered += 1;
}

function corrupt(what: string, cause?: Error): CoordinatorError {
  const hint = 'Write it again: an earlier version may be found with "mcpx memory history".';
  return new CoordinatorError('corrupt', what, {cause, hint});
}

/** What a committed version has seen: whatever was committed before it, where it does not say otherwise. */
export function clockOf(stored: {readonly value: MemoryRecord; readonly modRevision: number}): VectorClock {
  return stored.value.clock ?? {[HUB]: stored.modRevision};
}
