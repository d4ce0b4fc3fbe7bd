/**
 * The state machine as bytes and back, in slices: while one is written, commands go on being applied, because the versions of the keys hold the
 * view of the moment at which the snapshot began. Files, checksums and Raft's own part belong to the caller.
 *
 * What is written is the state at the compaction revision and every change since, so that old revisions can be read and watches resumed after
 * a restart. Equal states give equal bytes.
 */
import {assert} from '../runtime/assert.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {ClientRecord} from './appliedProposals.ts';
import {BinaryReader, BinaryWriter} from './binary.ts';
import {COMMAND_LEVEL, decodeMember, encodeMember, type MemberRecord} from './commands.ts';
import {type Change, StateMachine} from './stateMachine.ts';
import type {KeyValue} from './store.ts';

const TAG = {header: 1, lease: 2, key: 3, revision: 4, end: 5, client: 6, member: 7} as const;

/** About a millisecond of encoding. */
const CHUNK_BYTES = 128 * 1024;
/** Keys looked at in one slice. */
const SLICE_RECORDS = 5000;

/** Yields chunks of whole records; an empty one only says that time has passed. The view is that of the first `next()`; end or `return()` the generator, for it holds history back. */
export function* encodeState(machine: StateMachine, chunkBytes = CHUNK_BYTES): Generator<Uint8Array, void> {
  const {revision, compactRevision, incarnation} = machine;
  const leases = [...machine.leases.values()].map(({id, ttlSeconds}) => ({id, ttlSeconds}));
  const clients = machine.proposals.records();
  const members = [...machine.members.values()];
  const pin = machine.pin(compactRevision);
  const writer = new BinaryWriter(chunkBytes * 2);
  try {
    writer.u8(TAG.header);
    writer.u8(COMMAND_LEVEL);
    writer.text(incarnation);
    writer.integer(revision);
    writer.integer(compactRevision);
    // Sorted, because a restored Map has another order of insertion.
    for (const lease of leases.sort((a, b) => (a.id < b.id ? -1 : 1))) {
      writer.u8(TAG.lease);
      writer.text(lease.id);
      writer.integer(lease.ttlSeconds);
      if (writer.length >= chunkBytes) yield writer.finish();
    }
    encodeCluster(clients, members, writer);
    yield* encodeKeys(machine, compactRevision, writer, chunkBytes);
    for (let at = compactRevision + 1; at <= revision; at++) {
      encodeRevision(machine, at, writer);
      if (writer.length >= chunkBytes) yield writer.finish();
    }
    writer.u8(TAG.end);
    yield writer.finish();
  } finally {
    pin.dispose();
  }
}

function encodeCluster(
  clients: readonly ClientRecord[],
  members: readonly MemberRecord[],
  writer: BinaryWriter,
): void {
  for (const {id, settled, applied} of clients) {
    writer.u8(TAG.client);
    writer.text(id);
    writer.integer(settled);
    writer.u32(applied.length);
    for (const sequence of applied) writer.integer(sequence);
  }
  for (const member of [...members].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    writer.u8(TAG.member);
    encodeMember(writer, member);
  }
}

function* encodeKeys(
  machine: StateMachine,
  atRevision: number,
  writer: BinaryWriter,
  chunkBytes: number,
): Generator<Uint8Array, void> {
  let after: string | undefined;
  do {
    after = machine.keys.scanSlice(after, atRevision, SLICE_RECORDS, kv => {
      encodeKey(kv, writer);
      return writer.length < chunkBytes;
    });
    // Also without a byte: looking at many keys that are too new takes its time as well.
    if (after !== undefined) yield writer.finish();
  } while (after !== undefined);
}

function encodeKey(kv: KeyValue, writer: BinaryWriter): void {
  writer.u8(TAG.key);
  writer.text(kv.key);
  writer.text(kv.value);
  writer.integer(kv.createRevision);
  writer.integer(kv.modRevision);
  writer.integer(kv.version);
  writer.text(kv.lease ?? '');
}

function encodeRevision(machine: StateMachine, revision: number, writer: BinaryWriter): void {
  const record = machine.history.at(revision);
  assert(record, `history lacks revision ${revision}`);
  writer.u8(TAG.revision);
  writer.u32(record.events.length);
  for (const {kind, key, kv} of record.events) {
    writer.text(key);
    writer.u8(kind === 'put' ? 1 : 0);
    if (kind !== 'put') continue;
    writer.text(kv.value);
    writer.text(kv.lease ?? '');
  }
}

/** Takes the chunks of `encodeState` in order. */
export class StateDecoder {
  private machine: StateMachine | undefined;
  private revision = 0;
  private ended = false;

  push(chunk: Uint8Array): void {
    const reader = new BinaryReader(chunk);
    while (!reader.done) this.record(reader);
  }

  /** Throws `corrupt` when the stream was not whole. */
  finish(): StateMachine {
    const machine = this.machine;
    if (!machine || !this.ended) throw new CoordinatorError('corrupt', 'the snapshot ends early');
    if (machine.revision !== this.revision)
      throw new CoordinatorError(
        'corrupt',
        `the snapshot holds revision ${machine.revision}, not ${this.revision}`,
      );
    return machine;
  }

  private record(reader: BinaryReader): void {
    const tag = reader.u8();
    if (tag === TAG.header) {
      this.header(reader);
      return;
    }
    const machine = this.machine;
    if (!machine || this.ended)
      throw new CoordinatorError('corrupt', `the snapshot has tag ${tag} out of place`);
    if (tag === TAG.lease) {
      const id = reader.text();
      machine.leases.set(id, {id, ttlSeconds: reader.integer(), keys: new Set()});
    } else if (tag === TAG.client) machine.proposals.restore(decodeClient(reader));
    else if (tag === TAG.member) {
      const member = decodeMember(reader);
      machine.members.set(member.id, member);
    } else if (tag === TAG.key) this.key(reader, machine);
    else if (tag === TAG.revision) machine.restoreRevision(decodeChanges(reader));
    else if (tag === TAG.end) this.ended = true;
    else throw new CoordinatorError('corrupt', `the snapshot has the unknown tag ${tag}`);
  }

  private header(reader: BinaryReader): void {
    const level = reader.u8();
    if (level > COMMAND_LEVEL)
      throw new CoordinatorError(
        'incompatible',
        `the snapshot is of level ${level}, this build knows ${COMMAND_LEVEL}`,
        {
          hint: 'Start a newer version of the coordinator on this data directory.',
        },
      );
    const incarnation = reader.text();
    this.revision = reader.integer();
    this.machine = new StateMachine({incarnation, compactRevision: reader.integer()});
  }

  private key(reader: BinaryReader, machine: StateMachine): void {
    const key = reader.text();
    const value = reader.text();
    const createRevision = reader.integer();
    const modRevision = reader.integer();
    const version = reader.integer();
    const lease = reader.text();
    const kv = {key, value, createRevision, modRevision, version};
    machine.keys.restore(lease === '' ? kv : {...kv, lease});
    if (lease !== '') machine.leases.get(lease)?.keys.add(key);
  }
}

function decodeClient(reader: BinaryReader): ClientRecord {
  const id = reader.text();
  const settled = reader.integer();
  return {id, settled, applied: Array.from({length: reader.u32()}, () => reader.integer())};
}

function decodeChanges(reader: BinaryReader): Change[] {
  const changes: Change[] = [];
  for (let left = reader.u32(); left > 0; left--) {
    const key = reader.text();
    if (reader.u8() === 0) {
      changes.push({key});
      continue;
    }
    const value = reader.text();
    const lease = reader.text();
    changes.push(lease === '' ? {key, value} : {key, value, lease});
  }
  return changes;
}
