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
import {CheckedValues} from './checkedValues.ts';

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

const checked = new CheckedValues();

/** Throws `corrupt` when the value is not the one that was written, or no value at all. */
export function storedMemory(kv: KeyValue): Stored<MemoryRecord> {
  const known = checked.get(kv);
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
  checked.add(kv, stored);
  return stored;
}

function corrupt(what: string, cause?: Error): CoordinatorError {
  const hint = 'Write it again: an earlier version may be found with "mcpx memory history".';
  return new CoordinatorError('corrupt', what, {cause, hint});
}

/** What a committed version has seen: whatever was committed before it, where it does not say otherwise. */
export function clockOf(stored: {readonly value: MemoryRecord; readonly modRevision: number}): VectorClock {
  return stored.value.clock ?? {[HUB]: stored.modRevision};
}
