/** What goes into the log: commands of the state machine and their encoding, gated by the cluster's level. */
import {unreachable} from '../runtime/assert.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {BinaryReader, type BinaryWriter} from './binary.ts';
import type {Compare, Op, Txn} from './store.ts';

export type Command =
  | {readonly kind: 'txn'; readonly txn: Txn}
  | {readonly kind: 'grantLease'; readonly id: string; readonly ttlSeconds: number}
  /** The end of a lease by its owner's wish or by time: one meaning, told apart only for people. */
  | {readonly kind: 'endLease'; readonly id: string; readonly expired: boolean}
  | {readonly kind: 'compact'; readonly revision: number}
  /** Names the store's incarnation; only the first one counts. */
  | {readonly kind: 'create'; readonly incarnation: string}
  /** Where a member is reached and what it is to become. A name that was removed stays so: it is never used again. */
  | {readonly kind: 'member'; readonly member: MemberRecord};

export interface MemberRecord {
  readonly id: string;
  /** Of its peers' door; '' for one that is not known. */
  readonly address: string;
  readonly wanted: 'voter' | 'learner' | 'removed';
}

/** The level this build writes and the newest it understands. A command that older builds do not know raises it: 2 has members and proposals. */
export const COMMAND_LEVEL = 2;

const CODE = {txn: 1, grantLease: 2, endLease: 3, compact: 4, create: 5, member: 6} as const;
/** Stands where a command's code would: a proposal (proposals.ts), which ends with the command. */
export const PROPOSAL_CODE = 7;
const WANTED = ['voter', 'learner', 'removed'] as const;
const OP_CODE = {put: 1, putLease: 2, delete: 3, deletePrefix: 4, get: 5, range: 6} as const;
const TARGETS = ['create', 'mod', 'version', 'value'] as const;
const COMPARISONS = ['=', '!=', '<', '>'] as const;

export function encodeCommand(writer: BinaryWriter, command: Command): Buffer {
  writer.u8(COMMAND_LEVEL);
  writer.u8(CODE[command.kind]);
  switch (command.kind) {
    case 'txn':
      encodeTxn(writer, command.txn);
      break;
    case 'grantLease':
      writer.text(command.id);
      writer.integer(command.ttlSeconds);
      break;
    case 'endLease':
      writer.text(command.id);
      writer.u8(command.expired ? 1 : 0);
      break;
    case 'compact':
      writer.integer(command.revision);
      break;
    case 'create':
      writer.text(command.incarnation);
      break;
    case 'member':
      encodeMember(writer, command.member);
      break;
    default:
      unreachable(command);
  }
  return writer.finish();
}

/** Throws `incompatible` for a command of a newer level or of no known kind: the node must halt, for skipping it would fork the state. */
export function decodeCommand(data: Uint8Array): Command {
  const reader = new BinaryReader(data);
  const level = reader.u8();
  const code = reader.u8();
  if (level > COMMAND_LEVEL)
    throw new CoordinatorError(
      'incompatible',
      `the log has a command of level ${level}, this build knows ${COMMAND_LEVEL}`,
      {
        hint: 'Start a newer version of the coordinator on this data directory.',
      },
    );
  switch (code) {
    case CODE.txn:
      return {kind: 'txn', txn: decodeTxn(reader)};
    case CODE.grantLease:
      return {kind: 'grantLease', id: reader.text(), ttlSeconds: reader.integer()};
    case CODE.endLease:
      return {kind: 'endLease', id: reader.text(), expired: reader.u8() === 1};
    case CODE.compact:
      return {kind: 'compact', revision: reader.integer()};
    case CODE.create:
      return {kind: 'create', incarnation: reader.text()};
    case CODE.member:
      return {kind: 'member', member: decodeMember(reader)};
    default:
      throw unknownCode('command', code);
  }
}

export function encodeMember(writer: BinaryWriter, {id, address, wanted}: MemberRecord): void {
  writer.text(id);
  writer.text(address);
  writer.u8(WANTED.indexOf(wanted));
}

export function decodeMember(reader: BinaryReader): MemberRecord {
  const id = reader.text();
  const address = reader.text();
  const code = reader.u8();
  const wanted = WANTED[code];
  if (wanted === undefined) throw unknownCode('role', code);
  return {id, address, wanted};
}

function encodeTxn(writer: BinaryWriter, txn: Txn): void {
  const compares = txn.compare ?? [];
  writer.u8(compares.length);
  for (const compare of compares) {
    writer.u8(TARGETS.indexOf(compare.target));
    writer.u8(COMPARISONS.indexOf(compare.op));
    writer.text(compare.key);
    if (compare.target === 'value') writer.text(compare.operand);
    else writer.integer(compare.operand);
  }
  encodeOps(writer, txn.then);
  encodeOps(writer, txn.else ?? []);
}

function decodeTxn(reader: BinaryReader): Txn {
  const compare: Compare[] = [];
  for (let left = reader.u8(); left > 0; left--) compare.push(decodeCompare(reader));
  return {compare, then: decodeOps(reader), else: decodeOps(reader)};
}

function decodeCompare(reader: BinaryReader): Compare {
  const targetCode = reader.u8();
  const opCode = reader.u8();
  const target = TARGETS[targetCode];
  const op = COMPARISONS[opCode];
  if (target === undefined) throw unknownCode('comparison target', targetCode);
  if (op === undefined) throw unknownCode('comparison', opCode);
  const key = reader.text();
  if (target !== 'value') return {key, target, op, operand: reader.integer()};
  if (op !== '=' && op !== '!=') throw unknownCode('comparison of a value', opCode);
  return {key, target, op, operand: reader.text()};
}

function encodeOps(writer: BinaryWriter, ops: readonly Op[]): void {
  writer.u8(ops.length);
  for (const op of ops) {
    switch (op.kind) {
      case 'put':
        writer.u8(op.lease === undefined ? OP_CODE.put : OP_CODE.putLease);
        writer.text(op.key);
        writer.text(op.value);
        if (op.lease !== undefined) writer.text(op.lease);
        break;
      case 'range':
        writer.u8(OP_CODE.range);
        writer.text(op.prefix);
        writer.integer(op.limit ?? 0);
        break;
      case 'deletePrefix':
        writer.u8(OP_CODE.deletePrefix);
        writer.text(op.prefix);
        break;
      default:
        writer.u8(OP_CODE[op.kind]);
        writer.text(op.key);
    }
  }
}

function decodeOps(reader: BinaryReader): Op[] {
  const ops: Op[] = [];
  for (let left = reader.u8(); left > 0; left--) ops.push(decodeOp(reader));
  return ops;
}

function decodeOp(reader: BinaryReader): Op {
  const code = reader.u8();
  switch (code) {
    case OP_CODE.put:
      return {kind: 'put', key: reader.text(), value: reader.text()};
    case OP_CODE.putLease:
      return {kind: 'put', key: reader.text(), value: reader.text(), lease: reader.text()};
    case OP_CODE.delete:
      return {kind: 'delete', key: reader.text()};
    case OP_CODE.deletePrefix:
      return {kind: 'deletePrefix', prefix: reader.text()};
    case OP_CODE.get:
      return {kind: 'get', key: reader.text()};
    case OP_CODE.range: {
      const prefix = reader.text();
      const limit = reader.integer();
      return limit > 0 ? {kind: 'range', prefix, limit} : {kind: 'range', prefix};
    }
    default:
      throw unknownCode('operation', code);
  }
}

function unknownCode(what: string, code: number): CoordinatorError {
  return new CoordinatorError('incompatible', `the log has a ${what} with the unknown code ${code}`, {
    hint: 'Start a newer version of the coordinator on this data directory.',
  });
}
