/** The state of a Raft node that its roles share, and the moves between roles. What each role does with a message is in the role's own file. */
import {assert} from '../runtime/assert.ts';
import type {Random} from '../runtime/random.ts';
import {isVoter, membersOf} from './configuration.ts';
import {Leadership} from './leadership.ts';
import type {Message} from './messages.ts';
import {RaftLimits} from './raftLimits.ts';
import {entryBytes, RaftLog} from './raftLog.ts';
import type {
  Configuration,
  Entry,
  EntryKind,
  Position,
  RaftConfig,
  ReadState,
  Role,
  SnapshotMark,
  SnapshotRequest,
} from './types.ts';
import {NO_HARD_STATE} from './types.ts';

const NO_DATA = new Uint8Array(0);

/** Parts of an election timeout: enough for the others to notice, too, and apart from each other. */
const GONE_PATIENCE = 0.2;
const GONE_SPREAD = 0.6;

/** A message that vouches for something that is not on disk yet. */
interface HeldMessage {
  readonly message: Message;
  readonly version: number;
  readonly index: number;
}

export class RaftCore {
  readonly id: string;
  readonly log: RaftLog;
  readonly limits: RaftLimits;
  private readonly random: Random | undefined;
  term: number;
  vote: string;
  /** Counts changes of term and vote; and how many of them are on disk. */
  version = 0;
  savedVersion = 0;
  role: Role = 'follower';
  leader: string | undefined;
  configuration: Configuration;
  /** Ticks since the leader was heard of, a vote was given, or the election began. */
  elapsed = 0;
  /** Ticks that `elapsed` may reach, drawn anew for each election. */
  timeout: number;
  /** With leases: ticks during which a leader counts on this node, whatever becomes of it. A restarted node may have promised it before. */
  promised: number;
  /** A candidate's: who answered what. */
  readonly votes = new Map<string, boolean>();
  leading: Leadership | undefined;
  /** The leader of this term has told this node to campaign. */
  campaignDue = false;
  /** A snapshot that is to be installed. */
  installing: SnapshotMark | undefined;
  /** Ticks since the write began that is going on. */
  writeTicks = 0;
  /** Reads that were passed on to the leader, with their age in ticks. */
  readonly forwardedReads = new Map<string, number>();
  /** On the way to the leader with the next `Ready`. */
  proposals: {readonly to: string; readonly data: Uint8Array[]; bytes: number} | undefined;
  messages: Message[] = [];
  reads: ReadState[] = [];
  snapshots: SnapshotRequest[] = [];
  private held: HeldMessage[] = [];
  private readCount = 0;
  private readonly readPrefix: string;

  constructor(config: RaftConfig) {
    const {start, hardState = NO_HARD_STATE, entries = [], random} = config;
    this.id = config.id;
    this.limits = new RaftLimits(config);
    this.random = random;
    this.configuration = start.configuration;
    assert(membersOf(this.configuration).every(id => id === this.id) || random, 'a cluster needs randomness');
    this.log = new RaftLog(start, entries, hardState.commit);
    this.term = Math.max(hardState.term, this.log.lastTerm);
    this.vote = this.term === hardState.term ? hardState.vote : '';
    this.timeout = this.drawTimeout();
    this.promised = this.limits.leaseReads ? this.limits.electionTicks : 0;
    this.readPrefix = random?.hex(8) ?? this.id;
  }

  /** Goes with the next `Ready`. Only for what holds whether or not this node's disk keeps up. */
  send(message: Message): void {
    this.messages.push(message);
  }

  /** Goes once term and vote of now are on disk, and the log up to `index`. */
  sendDurably(message: Message, index = 0): void {
    const {version} = this;
    if (this.savedVersion === version && index <= this.log.stable) {
      this.messages.push(message);
      return;
    }
    // A disk that hangs must not gather a heap of answers that say the same.
    const last = this.held.at(-1);
    if (last && isSame(last.message, message) && last.index === index) this.held.pop();
    this.held.push({message, version, index});
  }

  /** Sends what a write that has ended allows; of the answers that vouch for the log only the furthest. */
  releaseHeld(): void {
    const waiting: HeldMessage[] = [];
    let furthest: HeldMessage | undefined;
    for (const held of this.held)
      if (held.version > this.savedVersion || held.index > this.log.stable) waiting.push(held);
      else if (!isAcceptance(held.message)) this.messages.push(held.message);
      else if (!furthest || held.index >= furthest.index) furthest = held;
    if (furthest) this.messages.push(furthest.message);
    this.held = waiting;
  }

  /** Forgets every message that has not been handed out. */
  forgetMessages(): void {
    this.proposals = undefined;
    this.messages = [];
    this.held = [];
  }

  get diskHung(): boolean {
    return this.writeTicks >= this.limits.electionTicks;
  }

  get committedPosition(): Position {
    const index = this.log.committed;
    return {index, term: this.log.term(index) ?? 0};
  }

  get isVoter(): boolean {
    return isVoter(this.configuration, this.id);
  }

  get others(): string[] {
    return membersOf(this.configuration).filter(id => id !== this.id);
  }

  get otherVoters(): string[] {
    return this.others.filter(id => isVoter(this.configuration, id));
  }

  /** Whether a leader may count on this node not to help another into office. */
  get hearsLeader(): boolean {
    if (this.promised > 0 || this.role === 'leader') return true;
    return this.leader !== undefined && this.elapsed < this.limits.electionTicks;
  }

  /** §5.1. What an earlier term's answers vouched for may be replaced before it is on disk. */
  enterTerm(term: number, vote: string): void {
    assert(term > this.term, 'terms only grow');
    this.held = [];
    this.campaignDue = false;
    this.term = term;
    this.vote = vote;
    this.version += 1;
  }

  giveVote(to: string): void {
    if (this.vote === to) return;
    assert(this.vote === '', 'one vote a term');
    this.vote = to;
    this.version += 1;
  }

  /** Back to what is on disk, where nothing that followed from more has left this node. */
  restoreSaved(term: number, vote: string): void {
    this.term = term;
    this.vote = vote;
    this.savedVersion = this.version;
  }

  /** A later term is known. A follower's timer runs on: only a leader or a vote given holds its own election back. */
  observeTerm(term: number): void {
    this.enterTerm(term, '');
    if (this.role !== 'follower') this.restartTimer();
    this.becomeFollower(undefined);
  }

  follow(leader: string | undefined): void {
    if (leader !== undefined && this.limits.leaseReads) this.promised = this.limits.electionTicks;
    if (this.role === 'follower' && this.leader === leader) this.elapsed = 0;
    else {
      this.becomeFollower(leader);
      this.restartTimer();
    }
  }

  /** Its process has ended: there is no need to wait for its silence. The others, who may hear it all the same, have the last word. */
  leaderGone(): void {
    this.becomeFollower(undefined);
    this.elapsed = 0;
    const {electionTicks} = this.limits;
    const spread = (this.random?.next() ?? 0) * GONE_SPREAD;
    this.timeout = Math.max(1, Math.floor(electionTicks * (GONE_PATIENCE + spread)));
  }

  becomePreCandidate(): void {
    this.becomeFollower(undefined);
    this.role = 'preCandidate';
    this.restartTimer();
  }

  /** Its own vote counts once it is on disk. */
  becomeCandidate(): void {
    this.becomeFollower(undefined);
    this.enterTerm(this.term + 1, this.id);
    this.role = 'candidate';
    this.restartTimer();
  }

  becomeLeader(): void {
    assert(this.role === 'candidate', 'only a candidate wins');
    const {log, limits} = this;
    this.role = 'leader';
    this.setLeader(this.id);
    this.leading = new Leadership(log.lastIndex + 1, log.applied, limits);
    this.leading.setMembers(this.others, log.lastIndex);
    for (let index = log.committed + 1; index <= log.lastIndex; index++) {
      const entry = log.at(index);
      if (entry) this.leading.uncommittedBytes += entryBytes(entry);
    }
    this.append('empty', NO_DATA);
  }

  append(kind: EntryKind, data: Uint8Array): Entry {
    const entry: Entry = {index: this.log.lastIndex + 1, term: this.term, kind, data};
    this.log.append(entry);
    if (this.leading) this.leading.uncommittedBytes += entryBytes(entry);
    return entry;
  }

  /** Unique among all nodes and over restarts: an answer to another process's question must not be taken for one's own. */
  nextReadContext(): string {
    this.readCount += 1;
    return `${this.readPrefix}-${this.readCount}`;
  }

  restartTimer(): void {
    this.elapsed = 0;
    this.timeout = this.drawTimeout();
  }

  private becomeFollower(leader: string | undefined): void {
    const {leading} = this;
    this.leading = undefined;
    this.role = 'follower';
    this.votes.clear();
    for (const {context, from} of [...(leading?.early ?? []), ...(leading?.reads ?? [])])
      if (from === undefined) this.reads.push({kind: 'dropped', context});
    this.setLeader(leader);
  }

  /** A question that went to another leader may never be answered. */
  private setLeader(leader: string | undefined): void {
    if (leader === this.leader) return;
    this.leader = leader;
    for (const context of this.forwardedReads.keys()) this.reads.push({kind: 'dropped', context});
    this.forwardedReads.clear();
  }

  private drawTimeout(): number {
    const {electionTicks} = this.limits;
    return electionTicks + Math.floor((this.random?.next() ?? 0) * electionTicks);
  }
}

function isAcceptance(message: Message): boolean {
  return message.kind === 'appendReply' && message.accepted;
}

function isSame(one: Message, other: Message): boolean {
  return isAcceptance(one) && isAcceptance(other) && one.to === other.to;
}
