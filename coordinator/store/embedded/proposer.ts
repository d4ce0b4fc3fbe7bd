/**
 * Brings this process's commands into the log: appended where this node leads, passed on to the leader elsewhere, and sent again when they may be
 * lost. The state machine applies each once (appliedProposals.ts); what this knows in the end is `unavailable` (surely not) or `timeout` (perhaps).
 */
import type {RaftNode} from '../../raft/raftNode.ts';
import type {Entry} from '../../raft/types.ts';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {BinaryWriter} from '../binary.ts';
import type {Command} from '../commands.ts';
import {decodeProposal, encodeProposal, type Proposed} from '../proposals.ts';
import type {Outcome, StateMachine} from '../stateMachine.ts';
import {PendingProposals, type Validity, type WaitingProposal} from './pendingProposals.ts';
import type {EmbeddedSettings} from './settings.ts';

export interface ProposerParts {
  readonly raft: RaftNode;
  readonly clock: Clock;
  /** Names this process among all that ever propose. */
  readonly client: string;
  /** What is not in this node's log is in none. */
  readonly isAlone: boolean;
  readonly settings: Pick<EmbeddedSettings, 'maxPendingProposals' | 'maxPendingBytes' | 'resendMs'>;
}

export class Proposer {
  private readonly pending = new PendingProposals();
  private readonly encoder = new BinaryWriter();
  private resentAt = 0;

  constructor(private readonly parts: ProposerParts) {}

  propose(command: Command, validity: Validity): Promise<Outcome> {
    const {clock, client, settings} = this.parts;
    if (this.pending.size >= settings.maxPendingProposals || this.pending.bytes >= settings.maxPendingBytes)
      throw new CoordinatorError(
        'unavailable',
        `${this.pending.size} writes are waiting for the disk already`,
      );
    const origin = this.pending.nextOrigin(client);
    const data = encodeProposal(this.encoder, origin, command);
    return new Promise((resolve, reject) => {
      const proposal = {origin, command, data, validity, since: clock.now(), resolve, reject};
      this.submit(this.pending.add(proposal));
    });
  }

  private submit(proposal: WaitingProposal): void {
    const {raft, clock} = this.parts;
    if (proposal.validity === 'whileLeading' && raft.role !== 'leader') {
      this.giveUp(proposal, 'the lead has ended');
      return;
    }
    const outcome = raft.propose(proposal.data);
    if (outcome.kind === 'appended') this.pending.appended(proposal, outcome);
    else if (outcome.kind === 'forwarded') this.pending.forwarded(proposal, clock.now());
    else if (outcome.reason === 'overloaded' && !proposal.mayApply) {
      this.pending.settle(proposal);
      proposal.reject(new CoordinatorError('unavailable', 'too much waits to be committed already'));
    } else proposal.sentAt = undefined;
  }

  /** What may be lost goes to the leader of now: the state machine tells repetitions apart. */
  private resend(sentBefore: number): void {
    const {raft, clock} = this.parts;
    this.resentAt = clock.now();
    if (raft.leader === undefined || this.pending.size === 0) return;
    for (const proposal of this.pending.due(sentBefore)) this.submit(proposal);
  }

  /** At a tick: what was passed on a while ago and is not seen applied. */
  resendDue(): void {
    const {clock, settings} = this.parts;
    const now = clock.now();
    if (now - this.resentAt >= settings.resendMs) this.resend(now - settings.resendMs);
  }

  /** Another leader or term. */
  roleChanged(): void {
    this.pending.forgetPlaces();
    for (const waiting of this.pending.olderThan(Number.POSITIVE_INFINITY))
      if (waiting.validity === 'whileLeading') this.giveUp(waiting, 'the lead has ended');
    this.resend(Number.POSITIVE_INFINITY);
  }

  /** What an entry proposes. Decoding what this process encoded would cost a fifth of a transaction. */
  proposedAt(entry: Entry): Proposed {
    return this.pending.at(entry) ?? decodeProposal(entry.data);
  }

  applied({origin}: Proposed, outcome: Outcome): void {
    if (origin?.client !== this.parts.client) return;
    const waiting = this.pending.get(origin.sequence);
    if (!waiting) return;
    this.pending.settle(waiting);
    waiting.resolve(outcome);
  }

  /** The state jumped over entries: of those that it took in, the outcome is not known. */
  restored({proposals}: StateMachine): void {
    for (const waiting of this.pending.olderThan(Number.POSITIVE_INFINITY)) {
      const {client, sequence} = waiting.origin;
      if (!proposals.has(client, sequence)) continue;
      this.pending.settle(waiting);
      waiting.reject(new CoordinatorError('timeout', 'the write was applied; its outcome is not known here'));
    }
  }

  /** Gives up what was proposed before `time`. */
  timeOut(time: number): void {
    const what = this.parts.isAlone
      ? 'the disk did not finish the write in time'
      : 'no majority acknowledged the write in time';
    for (const waiting of this.pending.olderThan(time))
      this.giveUp(waiting, waiting.mayApply ? what : 'there was no leader to take the write');
  }

  private giveUp(waiting: WaitingProposal, why: string): void {
    this.pending.settle(waiting);
    waiting.reject(
      waiting.mayApply
        ? new CoordinatorError('timeout', `${why}; it may yet be applied`)
        : new CoordinatorError('unavailable', `${why}: it is not applied`),
    );
  }

  /** Gives up everything. Alone, what is not on this disk is nowhere; with others, what was sent may be applied. */
  rejectAll(lastWritten: number, unknown: Error, refused: Error): void {
    for (const {place, mayApply, reject} of this.pending.drain()) {
      const isUnknown = this.parts.isAlone ? place !== undefined && place.index <= lastWritten : mayApply;
      reject(isUnknown ? unknown : refused);
    }
  }
}
