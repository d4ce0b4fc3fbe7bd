/** Raft's messages as bytes and back. Carrying, checksums and versions are the frame's (peerFrame.ts). */

import type {Message} from '../../../raft/messages.ts';
import type {Configuration, Entry, EntryKind, SnapshotMark} from '../../../raft/types.ts';
import {unreachable} from '../../../runtime/assert.ts';
import {CoordinatorError} from '../../../runtime/errors.ts';
import type {BinaryReader, BinaryWriter} from '../../binary.ts';

const KINDS = [
  'preVote',
  'preVoteReply',
  'vote',
  'voteReply',
  'append',
  'appendReply',
  'heartbeat',
  'heartbeatReply',
  'installSnapshot',
  'timeoutNow',
  'propose',
  'readIndex',
  'readIndexReply',
] as const satisfies readonly Message['kind'][];
const ENTRY_KINDS = ['command', 'empty', 'configuration'] as const satisfies readonly EntryKind[];

/** Sender and receiver are the link's: they are not in the bytes. */
export function encodeMessage(writer: BinaryWriter, message: Message): void {
  writer.u8(KINDS.indexOf(message.kind));
  if ('term' in message) writer.integer(message.term);
  switch (message.kind) {
    case 'preVote':
      encodeIntegers(writer, [message.lastIndex, message.lastTerm]);
      break;
    case 'vote':
      encodeIntegers(writer, [message.lastIndex, message.lastTerm]);
      writer.u8(Number(message.transfer));
      break;
    case 'preVoteReply':
    case 'voteReply':
      writer.u8(Number(message.granted));
      encodeIntegers(writer, [message.committed.index, message.committed.term]);
      break;
    case 'append':
      encodeIntegers(writer, [message.previousIndex, message.previousTerm, message.commit]);
      writer.u32(message.entries.length);
      for (const entry of message.entries) encodeEntry(writer, entry);
      break;
    case 'appendReply':
      writer.u8(Number(message.accepted));
      encodeIntegers(writer, [message.previousIndex, message.index, message.hintTerm]);
      break;
    case 'heartbeat':
      encodeIntegers(writer, [message.commit, message.round]);
      break;
    case 'heartbeatReply':
      writer.integer(message.round);
      break;
    case 'installSnapshot':
      encodeMark(writer, message.mark);
      break;
    case 'timeoutNow':
      break;
    case 'propose':
      writer.u32(message.data.length);
      for (const data of message.data) encodeBytes(writer, data);
      break;
    case 'readIndex':
      writer.text(message.context);
      break;
    case 'readIndexReply':
      writer.text(message.context);
      writer.integer(message.index);
      break;
    default:
      unreachable(message);
  }
}

/** Throws `incompatible` for what no build up to this one sends. The data of entries are views of the reader's bytes. */
export function decodeMessage(reader: BinaryReader, from: string, to: string): Message {
  const code = reader.u8();
  const kind = KINDS[code];
  const ends = {from, to};
  switch (kind) {
    case 'propose':
      return {kind, ...ends, data: Array.from({length: reader.u32()}, () => reader.bytes(reader.u32()))};
    case 'readIndex':
      return {kind, ...ends, context: reader.text()};
    case 'readIndexReply':
      return {kind, ...ends, context: reader.text(), index: reader.integer()};
    case undefined:
      throw new CoordinatorError('incompatible', `a peer sent a message of the unknown kind ${code}`);
    default:
      return decodeOfTerm(reader, kind, {...ends, term: reader.integer()});
  }
}

type OfTerm = Exclude<Message['kind'], 'propose' | 'readIndex' | 'readIndexReply'>;

function decodeOfTerm(
  reader: BinaryReader,
  kind: OfTerm,
  head: {readonly from: string; readonly to: string; readonly term: number},
): Message {
  const flag = (): boolean => reader.u8() === 1;
  const integer = (): number => reader.integer();
  switch (kind) {
    case 'preVote':
      return {kind, ...head, lastIndex: integer(), lastTerm: integer()};
    case 'vote':
      return {kind, ...head, lastIndex: integer(), lastTerm: integer(), transfer: flag()};
    case 'preVoteReply':
    case 'voteReply':
      return {kind, ...head, granted: flag(), committed: {index: integer(), term: integer()}};
    case 'append': {
      const places = {previousIndex: integer(), previousTerm: integer(), commit: integer()};
      const {previousIndex} = places;
      const entries = Array.from({length: reader.u32()}, (_, at) =>
        decodeEntry(reader, previousIndex + 1 + at),
      );
      return {kind, ...head, ...places, entries};
    }
    case 'appendReply':
      return {
        kind,
        ...head,
        accepted: flag(),
        previousIndex: integer(),
        index: integer(),
        hintTerm: integer(),
      };
    case 'heartbeat':
      return {kind, ...head, commit: integer(), round: integer()};
    case 'heartbeatReply':
      return {kind, ...head, round: integer()};
    case 'installSnapshot':
      return {kind, ...head, mark: decodeMark(reader)};
    case 'timeoutNow':
      return {kind, ...head};
    default:
      return unreachable(kind);
  }
}

/** Entries follow each other, so that only the first index matters, and the message names it. */
function encodeEntry(writer: BinaryWriter, entry: Entry): void {
  writer.u8(ENTRY_KINDS.indexOf(entry.kind));
  writer.integer(entry.term);
  encodeBytes(writer, entry.data);
}

function decodeEntry(reader: BinaryReader, index: number): Entry {
  const code = reader.u8();
  const kind = ENTRY_KINDS[code];
  if (kind === undefined)
    throw new CoordinatorError('incompatible', `a peer sent an entry of the unknown kind ${code}`);
  return {index, kind, term: reader.integer(), data: reader.bytes(reader.u32())};
}

export function encodeMark(writer: BinaryWriter, {index, term, configuration}: SnapshotMark): void {
  encodeIntegers(writer, [index, term]);
  const {voters, outgoing, learners, learnersNext} = configuration;
  for (const nodes of [voters, outgoing, learners, learnersNext]) {
    writer.u32(nodes.length);
    for (const node of nodes) writer.text(node);
  }
}

export function decodeMark(reader: BinaryReader): SnapshotMark {
  const index = reader.integer();
  const term = reader.integer();
  const nodes = (): string[] => Array.from({length: reader.u32()}, () => reader.text());
  const configuration: Configuration = {
    voters: nodes(),
    outgoing: nodes(),
    learners: nodes(),
    learnersNext: nodes(),
  };
  return {index, term, configuration};
}

function encodeBytes(writer: BinaryWriter, bytes: Uint8Array): void {
  writer.u32(bytes.length);
  writer.bytes(bytes);
}

function encodeIntegers(writer: BinaryWriter, values: readonly number[]): void {
  for (const value of values) writer.integer(value);
}
