/**
 * A Raft node as a pure state machine in the shape of etcd's: inputs are messages, ticks and proposals; the output is a `Ready`, which the driver
 * carries out and acknowledges with `advance`. One voter: it elects itself, and an entry is committed once it is on the voter's own disk.
 */
import {assert} from '../runtime/assert.ts';
import {majority, quorumIndex} from './quorum.ts';
import {RaftLog} from './raftLog.ts';
import {type Entry, type EntryKind, type HardState, NO_HARD_STATE, type Ready, type Role} from './types.ts';

export interface RaftConfig {
  readonly id: string;
  readonly voters: readonly string[];
  /** What the driver found on disk. */
  readonly hardState?: HardState;
  /** Where `entries` start: the snapshot's mark, with everything up to it applied. */
  readonly start?: {readonly index: number; readonly term: number};
  readonly entries?: readonly Entry[];
  /** Most bytes of entries in one `Ready`. */
  readonly maxReadyBytes?: number;
}

const DEFAULT_READY_BYTES = 4 * 1024 * 1024;
const NO_DATA = new Uint8Array(0);

export class RaftNode {
  readonly id: string;
  private readonly voters: readonly string[];
  private readonly log: RaftLog;
  private readonly maxReadyBytes: number;
  private term: number;
  private vote: string;
  private currentRole: Role = 'follower';
  private currentLeader: string | undefined;
  /** What the driver was last told to persist. */
  private saved: HardState;
  private outstanding: Ready | undefined;

  constructor(config: RaftConfig) {
    assert(
      config.voters.length === 1 && config.voters[0] === config.id,
      'this node drives one voter, itself',
    );
    this.id = config.id;
    this.voters = config.voters;
    this.log = new RaftLog(config.start ?? {index: 0, term: 0}, config.entries ?? []);
    this.maxReadyBytes = config.maxReadyBytes ?? DEFAULT_READY_BYTES;
    this.saved = config.hardState ?? NO_HARD_STATE;
    this.term = Math.max(this.saved.term, this.log.lastTerm);
    this.vote = this.term === this.saved.term ? this.saved.vote : '';
  }

  get role(): Role {
    return this.currentRole;
  }

  get leader(): string | undefined {
    return this.currentLeader;
  }

  get currentTerm(): number {
    return this.term;
  }

  get lastIndex(): number {
    return this.log.lastIndex;
  }

  get committed(): number {
    return this.log.committed;
  }

  get applied(): number {
    return this.log.applied;
  }

  /** Starts an election (§5.2). The vote for itself counts once it is on disk, which `advance` reports. */
  campaign(): void {
    if (this.currentRole === 'leader') return;
    this.term += 1;
    this.vote = this.id;
    this.currentRole = 'candidate';
    this.currentLeader = undefined;
  }

  /** Appends `data` to the leader's log; undefined when this node does not lead. The place says when it is committed. */
  propose(data: Uint8Array): {readonly index: number; readonly term: number} | undefined {
    if (this.currentRole !== 'leader') return undefined;
    return this.append('command', data);
  }

  get hasReady(): boolean {
    if (this.outstanding) return false;
    return this.hardStateChanged() || this.log.unstable(1).length > 0 || this.log.applicable(1).length > 0;
  }

  /** What to do now. Call `advance` with it when its persistence and application are done, before the next one. */
  ready(): Ready {
    assert(!this.outstanding, 'the last ready was not advanced');
    const entries = this.log.unstable(this.maxReadyBytes);
    const committed = this.log.applicable(this.maxReadyBytes);
    const last = entries.at(-1);
    if (last) this.log.handOut(last.index);
    const hardState = this.hardStateChanged() || entries.length > 0 ? this.hardState() : undefined;
    this.outstanding = {hardState, entries, messages: [], committed};
    return this.outstanding;
  }

  advance(ready: Ready): void {
    assert(this.outstanding === ready, 'advance what ready gave');
    this.outstanding = undefined;
    if (ready.hardState) this.saved = ready.hardState;
    const persisted = ready.entries.at(-1);
    if (persisted) this.log.stableTo(persisted.index, persisted.term);
    const applied = ready.committed.at(-1);
    if (applied) this.log.appliedTo(applied.index);
    if (this.currentRole === 'candidate' && this.saved.term === this.term && this.saved.vote === this.id)
      this.lead();
    if (this.currentRole === 'leader') this.commit();
  }

  /**
   * Takes back a `Ready` whose persistence failed with nothing of it sent: as after a restart, what is not on disk is forgotten, and the node
   * follows until it campaigns again. Its committed entries count as applied.
   */
  abandon(ready: Ready): void {
    assert(this.outstanding === ready, 'abandon what ready gave');
    this.outstanding = undefined;
    const applied = ready.committed.at(-1);
    if (applied) this.log.appliedTo(applied.index);
    this.log.forgetUnstable();
    this.term = Math.max(this.saved.term, this.log.lastTerm);
    this.vote = this.term === this.saved.term ? this.saved.vote : '';
    this.currentRole = 'follower';
    this.currentLeader = undefined;
  }

  /** Frees memory: nobody asks one voter for old entries. */
  compactTo(index: number): void {
    this.log.compactTo(index);
  }

  private lead(): void {
    assert(majority(this.voters.length) === 1, 'one vote is a majority of one voter only');
    this.currentRole = 'leader';
    this.currentLeader = this.id;
    this.append('empty', NO_DATA);
  }

  private append(kind: EntryKind, data: Uint8Array): {index: number; term: number} {
    const place = {index: this.log.lastIndex + 1, term: this.term};
    this.log.append({...place, kind, data});
    return place;
  }

  /** Only an entry of the leader's own term commits by counting (§5.4.2, figure 8). */
  private commit(): void {
    const index = quorumIndex([this.log.stable]);
    if (this.log.term(index) === this.term) this.log.commitTo(index);
  }

  private hardState(): HardState {
    return {term: this.term, vote: this.vote, commit: this.log.committed};
  }

  private hardStateChanged(): boolean {
    return this.saved.term !== this.term || this.saved.vote !== this.vote;
  }
}
