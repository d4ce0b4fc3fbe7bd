/** A command as its proposer sends it: with a name and a number of its own, so that sending it twice applies it once. */
import type {BinaryWriter} from './binary.ts';
import {BinaryReader} from './binary.ts';
import {COMMAND_LEVEL, type Command, decodeCommand, encodeCommand, PROPOSAL_CODE} from './commands.ts';

/** Who proposed, and which of its proposals this is. */
export interface Origin {
  /** A process; never used again by another one. */
  readonly client: string;
  /** Counted from 1 by the client. */
  readonly sequence: number;
  /** The client will never send this one or an earlier one again, nor does it wait for any of them. */
  readonly settled: number;
}

export interface Proposed {
  /** Absent in logs of builds before clusters. */
  readonly origin: Origin | undefined;
  readonly command: Command;
}

export function encodeProposal(writer: BinaryWriter, origin: Origin, command: Command): Buffer {
  writer.u8(COMMAND_LEVEL);
  writer.u8(PROPOSAL_CODE);
  writer.text(origin.client);
  writer.integer(origin.sequence);
  writer.integer(origin.settled);
  return encodeCommand(writer, command);
}

/** Throws `incompatible` as `decodeCommand` does. */
export function decodeProposal(data: Uint8Array): Proposed {
  if (data[0] !== COMMAND_LEVEL || data[1] !== PROPOSAL_CODE)
    return {origin: undefined, command: decodeCommand(data)};
  const reader = new BinaryReader(data, 2);
  const client = reader.text();
  const origin = {client, sequence: reader.integer(), settled: reader.integer()};
  return {origin, command: decodeCommand(reader.rest())};
}
