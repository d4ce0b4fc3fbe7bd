/**
 * A Raft node as a pure state machine in the shape of etcd's: inputs are messages, ticks and proposals; the output is a `Ready`, which the driver
 * carries out and acknowledges. A driver may have one write and one application going on while it keeps feeding and emptying the node.
 */
import {assert} from '../runtime/assert.ts';
import {campaign, campaignIfDue, countVote} from './election.ts';
import {
  handlePropose,
  handleReadIndex,
  handleReadIndexReply,
  propose,
  read,
  sendProposals,
  tickForwardedReads,
} from './forwarding.ts';
import {commit, tickLeader} from './leader.ts';
import {applyTo, changeMembership} from './membership.ts';
import type {InstallSnapshot, Message} from './messages.ts';
import {RaftCore} from './raftCore.ts';
import {hasAppends, sendAppends, sendHeartbeats} from './replication.ts';
import {statusOf} from './status.ts';
import {stepTerm} from './termStep.ts';
import {abdicate, transfer} from './transfer.ts';
import {
  type CampaignOutcome,
  type Configuration,
  type HardState,
  type MembershipChange,
  type MembershipOutcome,
  NO_HARD_STATE,
  type NodeStatus,
  type ProposeOutcome,
  type RaftConfig,
  type ReadOutcome,
  type Ready,
  type Role,
  type SnapshotMark,
  type TransferOutcome,
} from './types.ts';

/** A write that is going on. */
interface Write {
  readonly ready: Ready;
  readonly version: number;
}

export class RaftNode {
  private readonly core: RaftCore;
  /** What the driver has persisted. */
  private saved: HardState;
  private write: Write | undefined;
  /** The last entry of the application that is going on. */
  private applying: number | undefined;

  constructor(config: RaftConfig) {
    this.core = new RaftCore(config);
    this.saved = config.hardState ?? NO_HARD_STATE;
    if (this.saved.term !== this.core.term) this.core.version += 1;
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

  /** As of the last applied entry, or of the snapshot that is being installed. */
  get configuration(): Configuration {
    return this.core.configuration;
  }

  /** Who is to lead instead of this leader, while the transfer lasts. */
  get transferee(): string | undefined {
    return this.core.leading?.transfer?.to;
  }

  /** The snapshot that is to be installed. When it is not the one just stepped in, the received file is not wanted. */
  get installing(): SnapshotMark | undefined {
    return this.core.installing;
  }

  status(): NodeStatus {
    return statusOf(this.core);
  }

  /** A period of the driver's clock has passed. A leader whose write is not acknowledged for an election timeout steps down. */
  tick(): void {
    const {core} = this;
    core.writeTicks = this.write ? core.writeTicks + 1 : 0;
    if (core.promised > 0) core.promised -= 1;
    if (core.leading && core.diskHung) abdicate(core, core.leading);
    else if (core.leading) tickLeader(core, core.leading);
    else {
      core.elapsed += 1;
      tickForwardedReads(core);
      if (core.elapsed >= core.timeout) campaign(core);
    }
  }

  /** A message has arrived. The driver vouches for `message.from`, and lets no strangers' messages get here. */
  step(message: Message): void {
    const {core} = this;
    if (message.to !== core.id) return;
    if (message.kind === 'propose') handlePropose(core, message);
    else if (message.kind === 'readIndex') handleReadIndex(core, message);
    else if (message.kind === 'readIndexReply') handleReadIndexReply(core, message);
    else stepTerm(core, message);
  }

  /** Appends on the leader; elsewhere passes it on to the leader. The node keeps `data`: it must not change. */
  propose(data: Uint8Array): ProposeOutcome {
    return propose(this.core, data);
  }

  /** Leader only. One change of voters is a single step, more are a joint configuration that is left by itself. */
  changeMembership(changes: readonly MembershipChange[]): MembershipOutcome {
    return changeMembership(this.core, changes);
  }

  /**
   * Asks for an index such that a read of state that has applied it is linearizable (§6.4 of the dissertation). The answer is in a later `Ready`;
   * one call serves every read that has arrived by then.
   */
  read(): ReadOutcome {
    return read(this.core);
  }

  /** Leader only. Hands the lead to the voter `to` once its log is complete; proposals are dropped meanwhile. */
  transfer(to: string): TransferOutcome {
    return transfer(this.core, to);
  }

  /** Starts an election now; asks first whether it can be won, unless this is the only voter. */
  campaign(): CampaignOutcome {
    return campaign(this.core);
  }

  /** The message that follows the chunks of a snapshot to one whom a `SnapshotRequest` named; undefined when it is not wanted any more. */
  snapshotMessage(to: string, mark: SnapshotMark): InstallSnapshot | undefined {
    const {core} = this;
    const progress = core.leading?.progress.get(to);
    if (progress?.mode !== 'snapshot') return undefined;
    progress.sendsSnapshot(mark.index);
    return {kind: 'installSnapshot', to, from: core.id, term: core.term, mark};
  }

  /** Leader only: chunks and message have arrived whole at `to`, or the attempt is over. One call for each `SnapshotRequest`. */
  reportSnapshot(to: string, outcome: 'delivered' | 'failed'): void {
    this.core.leading?.progress.get(to)?.snapshotEnded(outcome === 'delivered');
  }

  /** Leader, with `lazyCommits`: whether some member has not been told of a commit. */
  get hasUntoldCommits(): boolean {
    const {leading, log} = this.core;
    if (!leading) return false;
    for (const progress of leading.progress.values()) if (progress.canLearn(log.committed)) return true;
    return false;
  }

  /** Leader, with `lazyCommits`: word of what is committed goes to whoever has not had it. */
  tellCommits(): void {
    const {leading, log} = this.core;
    for (const progress of leading?.progress.values() ?? [])
      if (progress.canLearn(log.committed)) progress.tellCommit();
  }

  /** The link to `to` has broken: what is on its way there may be lost. */
  reportUnreachable(to: string): void {
    this.core.leading?.progress.get(to)?.unreachable();
  }

  /** Nobody is at the address of `from` any more. Never wrong to say: it costs at most a question that the others do not answer. */
  reportGone(from: string): void {
    if (this.core.role === 'follower' && this.core.leader === from) this.core.leaderGone();
  }

  get hasReady(): boolean {
    const {core} = this;
    return (
      core.messages.length > 0 ||
      core.proposals !== undefined ||
      core.reads.length > 0 ||
      core.snapshots.length > 0 ||
      this.hasWrite ||
      (this.applying === undefined && core.log.hasApplicable) ||
      hasAppends(core)
    );
  }

  /** What to do now. While a write or an application is going on it hands out no second one. */
  ready(): Ready {
    const {core} = this;
    const {log, limits} = core;
    const committed = this.applying === undefined ? log.applicable(limits.maxReadyBytes) : [];
    this.applying ??= committed.at(-1)?.index;
    sendProposals(core);
    if (core.leading?.roundDue) sendHeartbeats(core, core.leading);
    if (core.leading) sendAppends(core, core.leading);
    const writes = this.hasWrite;
    const ready: Ready = {
      snapshot: writes ? core.installing : undefined,
      entries: writes ? log.handOut(limits.maxReadyBytes) : [],
      hardState: writes ? {term: core.term, vote: core.vote, commit: log.committed} : undefined,
      messages: core.messages,
      committed,
      reads: core.reads,
      snapshots: core.snapshots,
    };
    core.messages = [];
    core.reads = [];
    core.snapshots = [];
    if (writes) {
      this.write = {ready, version: core.version};
      core.writeTicks = 0;
    }
    return ready;
  }

  /** The snapshot, hard state and entries of this ready are durable, and the snapshot is the state. */
  persisted(ready: Ready): void {
    const {core, write} = this;
    assert(write?.ready === ready, 'acknowledge what is being written');
    this.write = undefined;
    core.writeTicks = 0;
    core.savedVersion = write.version;
    if (ready.hardState) this.saved = ready.hardState;
    core.log.written();
    if (ready.snapshot) core.log.installed(ready.snapshot.index);
    if (core.installing === ready.snapshot) core.installing = undefined;
    core.releaseHeld();
    const voted = core.savedVersion === core.version && core.vote === core.id;
    if (core.role === 'candidate' && voted) countVote(core, core.id, true);
    if (core.leading) commit(core, core.leading);
    campaignIfDue(core);
  }

  /** Entries up to `index`, of those that were handed out as committed, are applied. */
  appliedTo(index: number): void {
    assert(this.applying !== undefined && index <= this.applying, `entry ${index} was not handed out`);
    if (index === this.applying) this.applying = undefined;
    applyTo(this.core, index);
    campaignIfDue(this.core);
  }

  /** For drivers that carry out one `Ready` at a time: it is persisted and applied. */
  advance(ready: Ready): void {
    if (this.write?.ready === ready) this.persisted(ready);
    const last = ready.committed.at(-1)?.index;
    if (last !== undefined && last === this.applying) this.appliedTo(last);
  }

  /**
   * The write of this ready failed, and nothing of it will come back after a restart: as after one, what is not on disk is forgotten, and the node
   * follows until it campaigns again.
   */
  abandon(ready: Ready): void {
    const {core, saved} = this;
    assert(this.write?.ready === ready, 'abandon what is being written');
    this.write = undefined;
    core.log.forgetUnstable();
    core.forgetMessages();
    const term = Math.max(saved.term, core.log.lastTerm);
    core.restoreSaved(term, term === saved.term ? saved.vote : '');
    core.follow(undefined);
  }

  /** Frees memory of applied entries up to `index`. A driver with followers goes no further than the mark of a snapshot that it can send. */
  compactTo(index: number): void {
    this.core.log.compactTo(index);
  }

  /** A snapshot waits for an application that is going on: it replaces the state. */
  private get hasWrite(): boolean {
    const {core} = this;
    if (this.write) return false;
    if (core.installing) return this.applying === undefined;
    return core.version !== core.savedVersion || core.log.hasUnstable;
  }
}
