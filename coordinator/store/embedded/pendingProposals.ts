/** Proposals of this process that wait to be applied, by the number that they carry, and by their place in the log where this node gave them one. */
import type {Position} from '../../raft/types.ts';
import type {Command} from '../commands.ts';
import type {Origin} from '../proposals.ts';
import type {Outcome} from '../stateMachine.ts';
import {SequenceWindow} from './sequenceWindow.ts';

/** `whileLeading`: only for the log of this node, in the term of now. */
export type Validity = 'always' | 'whileLeading';

export interface Proposal {
  readonly origin: Origin;
  readonly command: Command;
  readonly data: Uint8Array;
  readonly validity: Validity;
  /** Monotonic ms. */
  readonly since: number;
  resolve(outcome: Outcome): void;
  reject(error: Error): void;
}

interface Waiting extends Proposal {
  /** In this node's log, while it led. */
  place: Position | undefined;
  /** When it went to the leader of that time; undefined when it has not gone anywhere. */
  sentAt: number | undefined;
  /** It has left this function's caller for a log somewhere. */
  mayApply: boolean;
}

export class PendingProposals {
  private readonly bySequence = new SequenceWindow<Waiting>();
  private readonly byIndex = new SequenceWindow<Waiting>();
  private waitingBytes = 0;
  private last = 0;
  private settledTo = 0;

  get bytes(): number {
    return this.waitingBytes;
  }

  get size(): number {
    return this.bySequence.size;
  }

  /** What the next proposal says of itself. */
  nextOrigin(client: string): Origin {
    while (this.settledTo < this.last && !this.bySequence.get(this.settledTo + 1)) this.settledTo += 1;
    this.last += 1;
    return {client, sequence: this.last, settled: this.settledTo};
  }

  add(proposal: Proposal): Waiting {
    const {origin, command, data, validity, since, resolve, reject} = proposal;
    const waiting: Waiting = {
      origin,
      command,
      data,
      validity,
      since,
      resolve,
      reject,
      place: undefined,
      sentAt: undefined,
      mayApply: false,
    };
    this.bySequence.add(origin.sequence, waiting);
    this.waitingBytes += data.length;
    return waiting;
  }

  appended(waiting: Waiting, place: Position): void {
    waiting.place = place;
    waiting.mayApply = true;
    this.byIndex.add(place.index, waiting);
  }

  forwarded(waiting: Waiting, now: number): void {
    waiting.place = undefined;
    waiting.sentAt = now;
    waiting.mayApply = true;
  }

  /** The one that this very entry is. */
  at({index, term}: Position): Waiting | undefined {
    const waiting = this.byIndex.get(index);
    if (!waiting) return undefined;
    this.byIndex.delete(index);
    return waiting.place?.term === term && this.bySequence.get(waiting.origin.sequence) === waiting
      ? waiting
      : undefined;
  }

  get(sequence: number): Waiting | undefined {
    return this.bySequence.get(sequence);
  }

  /** It is over: whatever comes of it later is nobody's. */
  settle(waiting: Waiting): void {
    if (this.bySequence.delete(waiting.origin.sequence)) this.waitingBytes -= waiting.data.length;
  }

  /** Places are of a log that others may write to now. */
  forgetPlaces(): void {
    this.byIndex.clear();
    for (const waiting of this.bySequence.values()) waiting.place = undefined;
  }

  /** Those that must go to the leader again: never sent, or sent before `sentBefore` and without a place. In order. */
  due(sentBefore: number): Waiting[] {
    return [...this.bySequence.values()].filter(
      ({place, sentAt}) => !place && (sentAt === undefined || sentAt < sentBefore),
    );
  }

  /** Those that were made before `time`, oldest first. */
  olderThan(time: number): Waiting[] {
    const old: Waiting[] = [];
    for (const waiting of this.bySequence.values()) {
      if (waiting.since >= time) break;
      old.push(waiting);
    }
    return old;
  }

  /** Everything that waits, which then waits no more. */
  drain(): Waiting[] {
    const all = [...this.bySequence.values()];
    this.bySequence.clear();
    this.byIndex.clear();
    this.waitingBytes = 0;
    return all;
  }
}

export type {Waiting as WaitingProposal};
