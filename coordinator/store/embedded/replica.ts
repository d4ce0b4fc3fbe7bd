/**
 * Drives one Raft node: proposals and messages in, log on disk, commands applied, in that order. All that arrives in a turn of the event loop, and
 * while a write is going on, shares one write, one flush, and one frame to each other member. What a batch does to the state is appliedState.ts; leases,
 * watches and the public contract are its owner's.
 */
import {membersOf} from '../../raft/configuration.ts';
import type {Message} from '../../raft/messages.ts';
import type {HardState, Position, Ready} from '../../raft/types.ts';
import {every} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import {ElapsedClock} from '../../runtime/elapsedClock.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../../runtime/errors.ts';
import type {Command} from '../commands.ts';
import type {Outcome, StateMachine} from '../stateMachine.ts';
import {AppliedState} from './appliedState.ts';
import {CommitNotice} from './commitNotice.ts';
import {DiskRetry} from './diskRetry.ts';
import type {TransportListener} from './peers/transport.ts';
import type {Validity} from './pendingProposals.ts';
import {Proposer} from './proposer.ts';
import {
  describeFullDisk,
  describeWaiting,
  failedApply,
  failedWrite,
  isOutOfSpace,
  removedFromCluster,
  unknownOutcome,
} from './replicaFaults.ts';
import type {ReplicaListener, ReplicaParts} from './replicaParts.ts';
import {deliverSnapshot} from './snapshotDelivery.ts';
import {StrongReads} from './strongReads.ts';

type ReplicaState =
  | {readonly kind: 'running'}
  /** The disk is full: nothing is said or done until a retry has found room. */
  | {readonly kind: 'degraded'; readonly reason: string}
  | {readonly kind: 'failed'; readonly error: CoordinatorError}
  | {readonly kind: 'closed'};

interface Role {
  readonly leader: string | undefined;
  readonly term: number;
}

export class Replica {
  private state: ReplicaState = {kind: 'running'};
  private readonly proposer: Proposer;
  private readonly reads: StrongReads;
  private readonly appliedState: AppliedState;
  private readonly notice: CommitNotice;
  private readonly diskRetry: DiskRetry;
  private readonly elapsed: ElapsedClock;
  private pumping = false;
  private scheduled = false;
  private ticks: Disposable = noDisposable;
  private writing: Deferred<void> | undefined;
  private flushSince: number | undefined;
  private role: Role = {leader: undefined, term: 0};
  private leaderless: number;
  private leaving = false;

  constructor(
    private readonly parts: ReplicaParts,
    start: Position,
    private readonly listener: ReplicaListener,
  ) {
    this.proposer = new Proposer({...parts, isAlone: parts.transport === undefined});
    this.reads = new StrongReads(parts.raft);
    this.appliedState = new AppliedState(parts, start, this.proposer, listener);
    this.notice = new CommitNotice(parts, () => this.pump());
    this.diskRetry = new DiskRetry(parts, {
      hasSpace: () => this.goOn(),
      failed: error => this.fail(new CoordinatorError('corrupt', 'the disk failed', {cause: error})),
    });
    this.leaderless = parts.clock.now();
    this.elapsed = new ElapsedClock(parts.clock);
  }

  /** The state; another one after a snapshot was installed. */
  get machine(): StateMachine {
    return this.appliedState.machine;
  }

  /** The last entry that the state machine has applied. */
  get applied(): Position {
    return this.appliedState.position;
  }

  /** Bytes of commands applied by this process. */
  get appliedBytes(): number {
    return this.appliedState.bytes;
  }

  get isLeader(): boolean {
    return this.parts.raft.role === 'leader';
  }

  /** All that was acknowledged anywhere so many milliseconds ago is applied here: a read index that was asked for then has been reached. */
  get ageMs(): number {
    return this.isSoleVoter ? 0 : this.elapsed.now() - this.reads.shownAt;
  }

  /** Why writes are refused or do not end, for a person. */
  get degraded(): string | undefined {
    if (this.state.kind === 'degraded') return this.state.reason;
    if (this.state.kind === 'failed') return describeError(this.state.error);
    const {clock, settings, raft} = this.parts;
    const now = clock.now();
    return describeWaiting({
      flushMs: this.flushSince === undefined ? 0 : now - this.flushSince,
      flushLimitMs: settings.writeTimeoutMs,
      leaderlessMs: raft.leader === undefined ? now - this.leaderless : 0,
      leaderlessLimitMs: settings.resendMs * 2,
    });
  }

  /** Joins the others, and resolves when everything that was acknowledged before is applied here. */
  async start(): Promise<void> {
    const {transport, clock, settings, raft, logger} = this.parts;
    if (transport) {
      await transport.start(this.transportListener());
      this.ticks = every(clock, settings.raftTickMs, () => this.tick());
    }
    if (this.isSoleVoter) raft.campaign();
    this.schedule();
    for (;;) {
      try {
        await this.readIndex();
        return;
      } catch (error) {
        this.checkOpen();
        if (!isCoordinatorError(error, 'unavailable')) throw error;
        logger.warn('waiting for a majority of the cluster', {voters: raft.configuration.voters.join(' ')});
      }
    }
  }

  /** Throws what every call on a store that is over throws. */
  checkOpen(): void {
    if (this.state.kind === 'failed') throw this.state.error;
    if (this.state.kind === 'closed') throw new CoordinatorError('closed', 'the store is closed');
  }

  /**
   * Resolves once the command is durable on a majority and applied here. Sent again by itself when a leader is lost; applied once. `whileLeading`: it
   * holds only as long as this node leads, and is given up with the lead.
   */
  propose(command: Command, validity: Validity = 'always'): Promise<Outcome> {
    this.checkOpen();
    if (this.state.kind === 'degraded') throw new CoordinatorError('diskFull', this.state.reason);
    const outcome = this.proposer.propose(command, validity);
    this.schedule();
    return outcome;
  }

  /** Resolves when what is read from the state here is at least as new as everything acknowledged before the call, anywhere. */
  async strongRead(): Promise<void> {
    this.checkOpen();
    // Alone, whatever was acknowledged is applied here.
    if (this.isSoleVoter) return;
    if (this.state.kind === 'degraded') throw new CoordinatorError('unavailable', this.state.reason);
    await this.readIndex();
  }

  /** Carries out what has been asked of the Raft node from outside, at the end of this turn. */
  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.parts.endOfTurn(() => {
      this.scheduled = false;
      this.pump();
    });
  }

  /** Rejects what has waited too long: writes with `timeout` when their outcome is unknown. */
  timeOut(): void {
    const {clock, settings} = this.parts;
    const before = clock.now() - settings.writeTimeoutMs;
    this.proposer.timeOut(before);
    this.reads.reject(before, () => new CoordinatorError('unavailable', 'no leader confirmed the read'));
  }

  /** Stops everything: a fault after which the state on disk or in memory cannot be trusted. */
  fail(error: CoordinatorError, lastWritten = 0): void {
    if (this.state.kind === 'failed' || this.state.kind === 'closed') return;
    this.state = {kind: 'failed', error};
    this.diskRetry.dispose();
    this.ticks.dispose();
    this.notice.dispose();
    this.parts.logger.error('the store has stopped', {error});
    const unknown = unknownOutcome('the store failed during the write; it may have been applied', error);
    this.rejectAll(lastWritten, unknown, error);
    void this.parts.transport?.stop();
    this.listener.failed(error);
  }

  /** The others have removed this node: it stops, and does not come back. */
  wasRemoved(): void {
    if (this.leaving) return;
    this.leaving = true;
    void this.listener.removed().then(() => this.fail(removedFromCluster(this.parts.raft.id)));
  }

  /** Lets what was proposed finish, then refuses everything. */
  async close(): Promise<void> {
    this.diskRetry.dispose();
    // Until it refuses, more may come in. With others there is always something, and what waits may wait for them.
    while (!this.parts.transport && this.state.kind === 'running' && (this.scheduled || this.writing))
      await (this.writing?.promise ?? new Promise<void>(resolve => this.parts.endOfTurn(resolve)));
    this.ticks.dispose();
    this.notice.dispose();
    if (this.state.kind !== 'failed') this.state = {kind: 'closed'};
    await this.writing?.promise;
    await this.parts.transport?.stop();
    const unknown = unknownOutcome('the store was closed; the write may yet be applied');
    this.rejectAll(0, unknown, new CoordinatorError('closed', 'the store is closed'));
  }

  get isSoleVoter(): boolean {
    const {id, configuration} = this.parts.raft;
    return (
      configuration.voters.length === 1 &&
      configuration.outgoing.length === 0 &&
      configuration.voters[0] === id
    );
  }

  private transportListener(): TransportListener {
    const {raft, received} = this.parts;
    return {
      message: message => this.step(message),
      unreachable: id => {
        if (this.state.kind !== 'running') return;
        raft.reportUnreachable(id);
        this.schedule();
      },
      gone: id => {
        if (this.state.kind !== 'running') return;
        raft.reportGone(id);
        this.schedule();
      },
      call: (from, body) => this.answerCall(from, body),
      snapshotArrived: source => received.arrived(source),
      wantsSnapshot: mark => this.state.kind === 'running' && !raft.installing && mark.index > raft.committed,
      removed: () => this.wasRemoved(),
      isRemoved: id =>
        this.machine.members.get(id)?.wanted === 'removed' && !membersOf(raft.configuration).includes(id),
    };
  }

  /** Set by whoever answers the questions of other members. */
  answerCall: (from: string, body: string) => Promise<string> = () =>
    Promise.reject(new CoordinatorError('unavailable', 'the store is still recovering'));

  private step(message: Message): void {
    if (this.state.kind !== 'running') return;
    const {raft, received} = this.parts;
    // Its chunks come on another way, and may not all have come.
    if (message.kind === 'installSnapshot' && !received.has(message.mark)) return;
    try {
      raft.step(message);
      // A second copy of the message must not take away what the first is about to install.
      if (message.kind === 'installSnapshot' && raft.installing?.index !== message.mark.index)
        received.drop();
    } catch (error) {
      this.fail(failedApply(error));
      return;
    }
    this.schedule();
  }

  private tick(): void {
    if (this.state.kind !== 'running') return;
    const {raft} = this.parts;
    try {
      raft.tick();
    } catch (error) {
      this.fail(failedApply(error));
      return;
    }
    this.proposer.resendDue();
    this.pump();
  }

  private async readIndex(): Promise<void> {
    const {done, isFirst} = this.reads.join(this.parts.clock.now(), this.elapsed.now());
    if (isFirst) this.schedule();
    await done;
  }

  private pump(): void {
    if (this.pumping || this.state.kind !== 'running') return;
    const {raft, transport} = this.parts;
    this.pumping = true;
    try {
      this.reads.ask();
      while (this.state.kind === 'running' && raft.hasReady) {
        this.turn(raft.ready());
        this.noticeRole();
      }
      transport?.flush();
      if (transport && this.state.kind === 'running') this.notice.soon();
    } catch (error) {
      this.fail(failedApply(error));
    } finally {
      this.pumping = false;
    }
  }

  /** The write of this batch and the application of the one before overlap, and so do the write and the messages. */
  private turn(ready: Ready): void {
    const {transport} = this.parts;
    for (const message of ready.messages) transport?.send(message);
    for (const state of ready.reads) this.reads.answered(state);
    for (const {to, index} of ready.snapshots) void this.sendSnapshot(to, index);
    if (ready.hardState) void this.write(ready, ready.hardState);
    if (ready.committed.length > 0) this.appliedState.apply(ready.committed);
    this.reads.applied(this.applied.index);
  }

  private noticeRole(): void {
    const {raft, clock} = this.parts;
    const {leader, currentTerm: term} = raft;
    if (leader === this.role.leader && term === this.role.term) return;
    const hadLeader = this.role.leader !== undefined;
    this.role = {leader, term};
    if (leader === undefined && hadLeader) this.leaderless = clock.now();
    this.proposer.roleChanged();
    this.reads.ask();
    this.listener.roleChanged();
  }

  private async write(ready: Ready, hardState: HardState): Promise<void> {
    const {raft, log, clock} = this.parts;
    const writing = deferred<void>();
    this.writing = writing;
    this.flushSince = clock.now();
    try {
      if (ready.snapshot) await this.appliedState.install(ready.snapshot);
      await log.append(hardState, ready.entries);
      this.flushSince = undefined;
      this.writing = undefined;
      if (this.state.kind === 'running') raft.persisted(ready);
      // What waits for this write to end must find that the next one has begun.
      this.pump();
    } catch (error) {
      this.flushSince = undefined;
      this.writing = undefined;
      this.writeFailed(ready, error);
    } finally {
      writing.resolve();
    }
  }

  private async sendSnapshot(to: string, index: number): Promise<void> {
    const {raft, transport} = this.parts;
    const message = await deliverSnapshot(this.parts, to, index);
    if (this.state.kind !== 'running') return;
    if (message) transport?.send(message);
    raft.reportSnapshot(to, message ? 'delivered' : 'failed');
    this.schedule();
  }

  private writeFailed(ready: Ready, error: unknown): void {
    const lastWritten = this.parts.log.maybeWritten ? (ready.entries.at(-1)?.index ?? 0) : 0;
    // A node cannot take back a snapshot that is half installed: it has to start again.
    if (isOutOfSpace(error) && !ready.snapshot) this.degrade(ready, lastWritten, error);
    else this.fail(failedWrite(error), lastWritten);
  }

  private degrade(ready: Ready, lastWritten: number, error: unknown): void {
    const {raft, logger} = this.parts;
    const reason = describeFullDisk(error);
    if (this.state.kind === 'running') logger.error('the disk is full', {error});
    this.state = {kind: 'degraded', reason};
    raft.abandon(ready);
    const unknown = unknownOutcome('the disk became full during the write; it may have been applied');
    const full = new CoordinatorError('diskFull', reason);
    this.rejectAll(lastWritten, unknown, full);
    this.reads.reject(Number.POSITIVE_INFINITY, () => full);
    this.diskRetry.later();
  }

  private rejectAll(lastWritten: number, unknown: Error, refused: Error): void {
    this.proposer.rejectAll(lastWritten, unknown, refused);
    if (this.state.kind !== 'degraded') this.reads.reject(Number.POSITIVE_INFINITY, () => refused);
  }

  private goOn(): void {
    if (this.state.kind !== 'degraded') return;
    this.state = {kind: 'running'};
    if (this.isSoleVoter) this.parts.raft.campaign();
    this.parts.logger.info('the disk has space again: writes go on');
    this.pump();
  }
}
