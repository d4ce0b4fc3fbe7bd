/** What a leader knows of one member's log, and how much it may send without an answer. */
import {InFlight} from './inFlight.ts';
import type {ProgressMode} from './types.ts';

export interface Window {
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  /** Word of a commit goes by itself only to who waits for it, and when it is due. */
  readonly lazyCommits?: boolean;
}

export class Progress {
  /** Highest entry known to be on the member's disk. */
  match = 0;
  /** Next entry to send. */
  next: number;
  /**
   * Probing: it is not known where the logs agree, and one message waits for its answer. Replicating: `next` runs ahead of the answers, within
   * the window. Snapshot: nothing goes until the snapshot is there.
   */
  mode: ProgressMode = 'probe';
  /** Heard of since the last look at the quorum. */
  active = true;
  /** The last round of heartbeats that it answered. */
  round = 0;
  /** The first round that told it that the configuration in force is committed. */
  private toldIn = Number.POSITIVE_INFINITY;
  readonly inFlight: InFlight;
  /** Probing: a message waits for its answer. */
  private probing = false;
  /** A heartbeat was answered while entries were missing: one message may go beyond the window, in case what is in flight was lost. */
  private nudged = false;
  private sentCommit = 0;
  /** Its own proposals and reads wait until it has applied this. */
  private awaited = 0;
  private commitDue = false;
  private readonly lazyCommits: boolean;
  /** The entry that the snapshot on its way covers. */
  private snapshot = 0;

  constructor(next: number, window: Window) {
    this.next = next;
    this.lazyCommits = window.lazyCommits ?? false;
    this.inFlight = new InFlight(window.maxInFlight, window.maxInFlightBytes);
  }

  /** Whether a message should go, given how far the leader's log goes and is committed. */
  wants(last: number, committed: number): boolean {
    if (this.mode === 'snapshot') return false;
    if (this.mode === 'probe') return !this.probing;
    return this.nudged || (this.next <= last && !this.inFlight.full) || this.mustLearn(committed);
  }

  /** Whether the message that goes now may carry entries. */
  get mayCarry(): boolean {
    return this.mode === 'probe' || !this.inFlight.full;
  }

  /** A message goes with entries up to `last`, which is `next - 1` for none. */
  sent(last: number, bytes: number, commit: number): void {
    this.nudged = false;
    this.commitDue = false;
    this.sentCommit = Math.max(this.sentCommit, Math.min(commit, last));
    if (this.mode === 'probe') this.probing = true;
    else if (last >= this.next) {
      this.next = last + 1;
      this.inFlight.add(last, bytes);
    }
  }

  /** No message can go before the member is heard of again. */
  pause(): void {
    if (this.mode === 'replicate') this.enter('probe', this.match + 1);
    this.probing = true;
  }

  /** Returns true when `index` is news. `first` is the first entry that the leader still has. */
  accepted(index: number, first: number): boolean {
    const news = index > this.match;
    this.match = Math.max(this.match, index);
    this.next = Math.max(this.next, index + 1);
    if (this.mode === 'replicate') this.inFlight.freeTo(index);
    else if (index < this.match) return news;
    else if (this.mode === 'probe' || this.match + 1 >= first) this.enter('replicate', this.match + 1);
    return news;
  }

  /** The member lacks the entry at `previousIndex` and may agree up to `hint`. */
  refused(previousIndex: number, hint: number): void {
    // Answers that time has overtaken.
    if (previousIndex <= this.match || this.mode === 'snapshot') return;
    if (this.mode === 'probe' && previousIndex !== this.next - 1) return;
    this.enter('probe', Math.max(this.match + 1, Math.min(previousIndex, hint + 1)));
  }

  /** A heartbeat was answered: the member is there, and what it did not answer may be lost. */
  heard(last: number): void {
    this.active = true;
    if (this.mode === 'probe') this.probing = false;
    else if (this.match < last) this.nudged = true;
  }

  /** A heartbeat of `round` goes, which says that `commit` is committed; the configuration in force is the entry `inForce`. */
  beats(round: number, commit: number, inForce: number): void {
    if (commit >= inForce) this.toldIn = Math.min(this.toldIn, round);
  }

  /** Whether it has answered that it knows the configuration in force to be committed. */
  get knowsConfiguration(): boolean {
    return this.round >= this.toldIn;
  }

  /** Another configuration, the entry `index`, is in force: it is told at once. */
  configurationChanged(index: number): void {
    this.toldIn = Number.POSITIVE_INFINITY;
    this.awaits(index);
  }

  unreachable(): void {
    if (this.mode === 'replicate') this.enter('probe', this.match + 1);
  }

  /** Only a snapshot up to `index` or later helps. */
  needsSnapshot(index: number): void {
    this.enter('snapshot', index + 1);
    this.snapshot = index;
  }

  /** The snapshot that is on its way covers `index`. */
  sendsSnapshot(index: number): void {
    if (this.mode === 'snapshot') this.needsSnapshot(index);
  }

  /** Delivered: it goes on behind the snapshot once the member says what it has. Failed: at the next sign of life it is found to need one again. */
  snapshotEnded(delivered: boolean): void {
    if (this.mode !== 'snapshot') return;
    this.enter('probe', Math.max(this.match, delivered ? this.snapshot : 0) + 1);
    this.pause();
  }

  /** It waits until it has applied `index`. */
  awaits(index: number): void {
    this.awaited = Math.max(this.awaited, index);
  }

  /** Whether there is a commit that no message to it has told. */
  canLearn(committed: number): boolean {
    return this.mode === 'replicate' && committed > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** A message goes for the sake of what is committed alone. */
  tellCommit(): void {
    this.commitDue = true;
  }

  private mustLearn(committed: number): boolean {
    if (!this.canLearn(committed)) return false;
    return !this.lazyCommits || this.commitDue || this.awaited > this.sentCommit;
  }

  private enter(mode: ProgressMode, next: number): void {
    this.mode = mode;
    this.next = next;
    this.probing = false;
    this.nudged = false;
    this.snapshot = 0;
    this.sentCommit = Math.min(this.sentCommit, next - 1);
    this.inFlight.clear();
  }
}
