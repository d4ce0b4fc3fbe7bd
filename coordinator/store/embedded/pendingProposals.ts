/** Proposals that wait for their log entry to be applied, in order of index. */
import type {Command} from '../commands.ts';
import type {Outcome} from '../stateMachine.ts';

export interface Proposal {
  readonly index: number;
  readonly command: Command;
  /** Length of its encoding. */
  readonly bytes: number;
  /** Monotonic ms. */
  readonly since: number;
  resolve(outcome: Outcome): void;
  reject(error: Error): void;
}

/** Settled proposals at the front that are worth a copy. */
const SHIFT_AT = 1024;

export class PendingProposals {
  private proposals: (Proposal | undefined)[] = [];
  private head = 0;
  private waitingBytes = 0;

  get bytes(): number {
    return this.waitingBytes;
  }

  get size(): number {
    return this.proposals.length - this.head;
  }

  get oldest(): Proposal | undefined {
    return this.proposals[this.head];
  }

  push(proposal: Proposal): void {
    this.proposals.push(proposal);
    this.waitingBytes += proposal.bytes;
  }

  /** Removes and returns the proposal of entry `index`, if this process made it. */
  take(index: number): Proposal | undefined {
    const proposal = this.proposals[this.head];
    if (proposal?.index !== index) return undefined;
    this.proposals[this.head] = undefined;
    this.head += 1;
    this.waitingBytes -= proposal.bytes;
    if (this.head >= SHIFT_AT && this.head * 2 >= this.proposals.length) {
      this.proposals = this.proposals.slice(this.head);
      this.head = 0;
    }
    return proposal;
  }

  /** Rejects all: those up to `lastWritten` with `unknown`, the others with `refused`. */
  rejectAll(lastWritten: number, unknown: Error, refused: Error): void {
    const proposals = this.proposals.slice(this.head);
    this.proposals = [];
    this.head = 0;
    this.waitingBytes = 0;
    for (const proposal of proposals) proposal?.reject(proposal.index <= lastWritten ? unknown : refused);
  }

  /** Tells those proposed before `time` that their outcome is unknown; their entries may still be applied. */
  timeOut(time: number, error: () => Error): void {
    for (let at = this.head; at < this.proposals.length; at++) {
      const proposal = this.proposals[at];
      if (!proposal || proposal.since >= time) return;
      proposal.reject(error());
    }
  }
}
