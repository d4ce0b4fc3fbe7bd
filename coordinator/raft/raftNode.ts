/**
 * A Raft node as a pure state machine in the shape of etcd's: inputs are messages, ticks and proposals; the output is a `Ready`, which the driver
 * carries out and acknowledges with `advance`. Elections and replication are the paper's; the membership is fixed.
 */
import {assert} from '../runtime/assert.ts';
import {countVote} from './candidate.ts';
import {handleAppend, handleVote} from './follower.ts';
import {commit, handleAppendReply, hasAppends, sendAppends, sendHeartbeats} from './leader.ts';
import {type RaftConfig, RaftCore} from './raftCore.ts';
import {type HardState, type Message, NO_HARD_STATE, type Ready, type Role} from './types.ts';

export class RaftNode {
  private readonly core: RaftCore;
  /** What the driver was last told to persist, and acknowledged. */
  private saved: HardState;
  private outstanding: Ready | undefined;

  constructor(config: RaftConfig) {
    this.core = new RaftCore(config);
    this.saved = config.hardState ?? NO_HARD_STATE;
  }

  get id(): string {
    return this.core.id;
  }

  get role(): Role {
    return this.core.role;
  }

  get leader(): string | undefined {
    return this.core.leader;
  }

  get currentTerm(): number {
    return this.core.term;
  }

  get lastIndex(): number {
    return this.core.log.lastIndex;
  }

  get committed(): number {
    return this.core.log.committed;
  }

  get applied(): number {
    return this.core.log.applied;
  }

  /** Starts an election, unless this node leads. */
  campaign(): void {
    if (this.core.role !== 'leader') this.core.becomeCandidate();
  }

  /** A period of the driver's clock has passed. */
  tick(): void {
    const {core} = this;
    core.elapsed += 1;
    if (core.role !== 'leader') {
      if (core.elapsed >= core.timeout) this.campaign();
    } else if (core.elapsed >= core.heartbeatTicks) {
      core.elapsed = 0;
      sendHeartbeats(core);
    }
  }

  /** A message has arrived. Messages may be lost, repeated, late and out of order, but not altered. */
  step(message: Message): void {
    const {core} = this;
    if (message.to !== core.id || !core.voters.includes(message.from)) return;
    if (message.term < core.term) {
      this.answerOutdated(message);
      return;
    }
    if (message.term > core.term) core.observeTerm(message.term);
    switch (message.kind) {
      case 'append':
        assert(core.role !== 'leader', `two leaders in term ${core.term}`);
        core.follow(message.from);
        handleAppend(core, message);
        break;
      case 'vote':
        handleVote(core, message);
        break;
      case 'voteReply':
        if (core.role === 'candidate') countVote(core, message.from, message.granted);
        break;
      case 'appendReply':
        if (core.role === 'leader') handleAppendReply(core, message);
        break;
    }
  }

  /** Appends `data` to the leader's log; undefined when this node does not lead. Committed is what comes back at that place with that term. */
  propose(data: Uint8Array): {readonly index: number; readonly term: number} | undefined {
    return this.core.role === 'leader' ? this.core.append('command', data) : undefined;
  }

  get hasReady(): boolean {
    const {core} = this;
    if (this.outstanding) return false;
    return (
      core.messages.length > 0 ||
      this.hardStateChanged() ||
      core.log.lastIndex > core.log.handedOutIndex ||
      core.log.hasApplicable ||
      hasAppends(core)
    );
  }

  /** What to do now. Call `advance` with it when its persistence and application are done, before the next one. */
  ready(): Ready {
    assert(!this.outstanding, 'the last ready was not advanced');
    const {core} = this;
    const entries = core.log.unstable(core.maxBytes);
    const committed = core.log.applicable(core.maxBytes);
    const last = entries.at(-1);
    if (last) core.log.handOut(last.index);
    if (core.role === 'leader') sendAppends(core);
    // An answer waits until all that it vouches for is handed out with it or before it.
    const isCovered = (message: Message): boolean =>
      message.kind !== 'appendReply' || !message.accepted || message.index <= core.log.handedOutIndex;
    const messages = core.messages.filter(isCovered);
    core.messages = core.messages.filter(message => !isCovered(message));
    const changed = this.hardStateChanged() || entries.length > 0;
    const hardState = changed ? {term: core.term, vote: core.vote, commit: core.log.committed} : undefined;
    this.outstanding = {hardState, entries, messages, committed};
    return this.outstanding;
  }

  advance(ready: Ready): void {
    assert(this.outstanding === ready, 'advance what ready gave');
    const {core} = this;
    this.outstanding = undefined;
    if (ready.hardState) this.saved = ready.hardState;
    const persisted = ready.entries.at(-1);
    if (persisted) core.log.stableTo(persisted.index, persisted.term);
    const applied = ready.committed.at(-1);
    if (applied) core.log.appliedTo(applied.index);
    const voted = this.saved.term === core.term && this.saved.vote === core.id;
    if (core.role === 'candidate' && voted && !core.votes.has(core.id)) countVote(core, core.id, true);
    if (core.role === 'leader') commit(core);
  }

  /**
   * Takes back a `Ready` whose persistence failed with nothing of it sent: as after a restart, what is not on disk is forgotten, and the node
   * follows until it campaigns again. Its committed entries count as applied.
   */
  abandon(ready: Ready): void {
    assert(this.outstanding === ready, 'abandon what ready gave');
    const {core} = this;
    this.outstanding = undefined;
    const applied = ready.committed.at(-1);
    if (applied) core.log.appliedTo(applied.index);
    core.log.forgetUnstable();
    core.messages = [];
    core.term = Math.max(this.saved.term, core.log.lastTerm);
    core.vote = core.term === this.saved.term ? this.saved.vote : '';
    core.follow(undefined);
  }

  /** Frees memory of applied entries that no follower needs. */
  compactTo(index: number): void {
    this.core.log.compactTo(index);
  }

  /** An old leader or candidate learns of the newer term from any answer. */
  private answerOutdated(message: Message): void {
    const {core} = this;
    const to = message.from;
    if (message.kind === 'vote')
      core.send({kind: 'voteReply', to, from: core.id, term: core.term, granted: false});
    else if (message.kind === 'append')
      core.send({
        kind: 'appendReply',
        to,
        from: core.id,
        term: core.term,
        accepted: false,
        previousIndex: message.previousIndex,
        index: core.log.committed,
      });
  }

  private hardStateChanged(): boolean {
    return this.saved.term !== this.core.term || this.saved.vote !== this.core.vote;
  }
}
