/** The state of a Raft node that its roles share, and the moves between roles. What each role does with a message is in the role's own file. */
import {assert} from '../runtime/assert.ts';
import type {Random} from '../runtime/random.ts';
import {Progress} from './progress.ts';
import {majority} from './quorum.ts';
import {RaftLog} from './raftLog.ts';
import type {Entry, EntryKind, HardState, Message, Role} from './types.ts';
import {NO_HARD_STATE} from './types.ts';

export interface RaftConfig {
  readonly id: string;
  readonly voters: readonly string[];
  /** What the driver found on disk. */
  readonly hardState?: HardState;
  /** Where `entries` start: the snapshot's mark, with everything up to it applied. */
  readonly start?: {readonly index: number; readonly term: number};
  readonly entries?: readonly Entry[];
  /** Most bytes of entries in one `Ready`, and in one message. */
  readonly maxReadyBytes?: number;
  /** Ticks without a leader until an election, at least; at most twice as many. */
  readonly electionTicks?: number;
  readonly heartbeatTicks?: number;
  /** Messages to one follower that may be unanswered. */
  readonly maxInFlight?: number;
  /** Spreads elections; one voter needs none. */
  readonly random?: Random;
}

const NO_DATA = new Uint8Array(0);

export class RaftCore {
  readonly id: string;
  readonly voters: readonly string[];
  readonly others: readonly string[];
  readonly log: RaftLog;
  readonly maxBytes: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  private readonly maxInFlight: number;
  private readonly random: Random | undefined;
  term: number;
  vote: string;
  role: Role = 'follower';
  leader: string | undefined;
  /** Ticks since the leader was heard of, the election began, or the last heartbeats. */
  elapsed = 0;
  /** Ticks that `elapsed` may reach, drawn anew each time. */
  timeout: number;
  /** A candidate's: who answered what. */
  readonly votes = new Map<string, boolean>();
  /** A leader's. */
  readonly progress = new Map<string, Progress>();
  messages: Message[] = [];

  constructor(config: RaftConfig) {
    assert(config.voters.includes(config.id), 'a node that does not vote cannot be driven yet');
    assert(config.voters.length === 1 || config.random, 'several voters need randomness');
    this.id = config.id;
    this.voters = config.voters;
    this.others = config.voters.filter(voter => voter !== config.id);
    this.log = new RaftLog(config.start ?? {index: 0, term: 0}, config.entries ?? []);
    this.maxBytes = config.maxReadyBytes ?? 4 * 1024 * 1024;
    this.electionTicks = config.electionTicks ?? 10;
    this.heartbeatTicks = config.heartbeatTicks ?? 1;
    this.maxInFlight = config.maxInFlight ?? 64;
    this.random = config.random;
    const saved = config.hardState ?? NO_HARD_STATE;
    this.term = Math.max(saved.term, this.log.lastTerm);
    this.vote = this.term === saved.term ? saved.vote : '';
    this.timeout = this.drawTimeout();
  }

  send(message: Message): void {
    this.messages.push(message);
  }

  /** A later term is known (§5.1). A follower's timer runs on: only a leader or a vote given holds its own election back. */
  observeTerm(term: number): void {
    this.term = term;
    this.vote = '';
    // An answer of the old term may vouch for entries that the new leader replaces before they are on disk.
    this.messages = this.messages.filter(message => message.kind !== 'appendReply');
    if (this.role !== 'follower') this.restartTimer();
    this.role = 'follower';
    this.leader = undefined;
    this.progress.clear();
  }

  follow(leader: string | undefined): void {
    this.role = 'follower';
    this.leader = leader;
    this.progress.clear();
    this.restartTimer();
  }

  /** §5.2. Its own vote counts once it is on disk. */
  becomeCandidate(): void {
    this.term += 1;
    this.vote = this.id;
    this.role = 'candidate';
    this.leader = undefined;
    this.votes.clear();
    this.restartTimer();
    const {lastIndex, lastTerm} = this.log;
    for (const to of this.others)
      this.send({kind: 'vote', to, from: this.id, term: this.term, lastIndex, lastTerm});
  }

  becomeLeader(): void {
    assert(this.role === 'candidate', 'only a candidate wins');
    this.role = 'leader';
    this.leader = this.id;
    this.elapsed = 0;
    this.progress.clear();
    for (const other of this.others)
      this.progress.set(other, new Progress(this.log.lastIndex + 1, this.maxInFlight));
    this.append('empty', NO_DATA);
  }

  append(kind: EntryKind, data: Uint8Array): {readonly index: number; readonly term: number} {
    const place = {index: this.log.lastIndex + 1, term: this.term};
    this.log.append({...place, kind, data});
    return place;
  }

  /** Whether this many voters decide. */
  isQuorum(count: number): boolean {
    return count >= majority(this.voters.length);
  }

  restartTimer(): void {
    this.elapsed = 0;
    this.timeout = this.drawTimeout();
  }

  private drawTimeout(): number {
    return this.electionTicks + Math.floor((this.random?.next() ?? 0) * this.electionTicks);
  }
}
