/** The record of two versions that a person has to choose from. A later write of the same run to the same key takes the place of its earlier one. */
import {createHash} from 'node:crypto';
import type {OfflineWrite} from '../protocol/commands/memory.ts';
import {type ConflictSide, MemoryConflictRecord} from '../protocol/model/memory.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {HUB} from '../protocol/vectorClock.ts';
import type {JsonValue} from '../runtime/json.ts';
import type {Principal} from '../security/principal.ts';
import {readRecord, type Stored} from '../store/records.ts';
import {STORE_LIMITS} from '../store/store.ts';
import type {MemoryScope} from './memoryScope.ts';
import type {Present} from './presentValue.ts';

export interface KeptConflict {
  readonly sessionId: string;
  readonly write: OfflineWrite;
  readonly principal: Principal;
  readonly agentId: string;
  readonly present: Present;
  readonly base: JsonValue | undefined;
  readonly reason: MemoryConflictRecord['reason'];
}

/** What the rest of a record takes at most. */
const ROOM_BYTES = 8 * 1024;

/** What the same run's write to the same key came to before, as long as nobody has chosen. */
export async function openConflict(
  {store, keys}: MemoryScope,
  conflict: Pick<KeptConflict, 'sessionId' | 'write' | 'agentId' | 'reason'>,
): Promise<Stored<MemoryConflictRecord> | undefined> {
  return readRecord(
    store,
    MemoryConflictRecord,
    keys.memoryConflict(conflict.sessionId, conflictId(conflict)),
  );
}

export async function keptConflict(
  scope: MemoryScope,
  conflict: KeptConflict,
): Promise<{
  id: string;
  key: string;
  record: MemoryConflictRecord;
  earlier: Stored<MemoryConflictRecord> | undefined;
}> {
  const {sessionId, write, principal, agentId, present, reason} = conflict;
  const id = conflictId(conflict);
  const {keys, clock} = scope;
  const key = keys.memoryConflict(sessionId, id);
  const earlier = await openConflict(scope, conflict);
  const mine = mineOf(conflict);
  const record: MemoryConflictRecord = {
    v: RECORD_VERSION,
    principal: principal.id,
    id,
    sessionId,
    key: write.key,
    reason,
    at: clock.wallNow(),
    agentId,
    // What both started from stays what it was.
    base: earlier?.value.base ?? baseOf(conflict),
    theirs: theirsOf(present),
    mine,
  };
  return {id, key, record: fitting(record), earlier};
}

function conflictId({write, agentId, reason}: Pick<KeptConflict, 'write' | 'agentId' | 'reason'>): string {
  const {key, incarnation, fence} = write;
  const parts = [key, agentId, incarnation, reason === 'staleFence' ? fence.attempt : ''];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

function mineOf({write, principal, agentId}: KeptConflict): ConflictSide {
  const {value, fence, timestamp, clock} = write;
  return {
    ...(value !== undefined && {value}),
    principal: principal.id,
    instanceId: agentId,
    attemptId: fence.attempt,
    timestamp,
    clock,
  };
}

function theirsOf({value, record, revision, version, clock, unreadable}: Present): ConflictSide {
  return {
    ...(value !== undefined && {value}),
    ...(unreadable && {omitted: true as const}),
    revision,
    version,
    principal: record?.principal ?? '',
    instanceId: record?.instanceId,
    attemptId: record?.attemptId,
    timestamp: record?.timestamp,
    clock,
  };
}

function baseOf({base, write}: KeptConflict): ConflictSide | undefined {
  const {revision} = write.base;
  if (revision === 0 && base === undefined) return undefined;
  return {...(base !== undefined && {value: base}), revision, principal: '', clock: {[HUB]: revision}};
}

/** Mine is nowhere else, theirs is in the store: what does not fit is left out in this order. */
function fitting(record: MemoryConflictRecord): MemoryConflictRecord {
  const room = STORE_LIMITS.maxRecordBytes - ROOM_BYTES - bytesOf(record.mine);
  const theirs = bytesOf(record.theirs) <= room ? record.theirs : omitted(record.theirs);
  const left = room - (theirs === record.theirs ? bytesOf(theirs) : 0);
  const {base} = record;
  return {...record, theirs, base: base && (bytesOf(base) <= left ? base : omitted(base))};
}

function omitted({value: _, ...side}: ConflictSide): ConflictSide {
  return {...side, omitted: true};
}

function bytesOf({value}: ConflictSide): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
}
