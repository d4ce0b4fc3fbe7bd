/**
 * Drives one Raft node: proposals in, log on disk, commands applied, in that order. All proposals of a turn of the event loop, and all that arrive
 * while a flush is in flight, share one flush. Leases, watches and the public contract are its owner's.
 */
import type {Logger} from '../../observability/logger.ts';
import type {RaftNode} from '../../raft/raftNode.ts';
import type {Entry, Ready} from '../../raft/types.ts';
import type {Clock} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import {CoordinatorError, describeError, systemErrorCode} from '../../runtime/errors.ts';
import {BinaryWriter} from '../binary.ts';
import {type Command, decodeCommand, encodeCommand} from '../commands.ts';
import type {Outcome, StateMachine} from '../stateMachine.ts';
import type {LogWriter} from './logWriter.ts';
import {PendingProposals} from './pendingProposals.ts';
import type {EmbeddedSettings} from './settings.ts';

/** What its owner wants to hear. */
export interface ReplicaListener {
  applied(command: Command, outcome: Outcome): void;
  /** After a batch: watches, snapshots, retention. */
  batchApplied(): void;
  /** Nothing works any more. */
  failed(error: CoordinatorError): void;
}

type ReplicaState =
  | {readonly kind: 'running'}
  /** The disk is full: nothing is acknowledged until a retry has been written. */
  | {readonly kind: 'degraded'; readonly reason: string}
  | {readonly kind: 'failed'; readonly error: CoordinatorError}
  | {readonly kind: 'closed'};

type ReplicaSettings = Pick<
  EmbeddedSettings,
  'diskRetryMs' | 'maxPendingProposals' | 'maxPendingBytes' | 'writeTimeoutMs'
>;

export interface ReplicaParts {
  readonly raft: RaftNode;
  readonly log: LogWriter;
  readonly machine: StateMachine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: ReplicaSettings;
  /** Runs a function at the end of the turn of the event loop. */
  readonly endOfTurn: (run: () => void) => void;
}

export class Replica {
  private state: ReplicaState = {kind: 'running'};
  private readonly pending = new PendingProposals();
  private readonly encoder = new BinaryWriter();
  private pumping = false;
  private scheduled = false;
  private retry: Disposable = noDisposable;
  private idle: Deferred<void> | undefined;
  private flushSince: number | undefined;
  private position: {readonly index: number; readonly term: number};
  private bytes = 0;

  constructor(
    private readonly parts: ReplicaParts,
    start: {readonly index: number; readonly term: number},
    private readonly listener: ReplicaListener,
  ) {
    this.position = start;
  }

  /** The last entry that the state machine has applied. */
  get applied(): {readonly index: number; readonly term: number} {
    return this.position;
  }

  /** Bytes of commands applied by this process. */
  get appliedBytes(): number {
    return this.bytes;
  }

  /** Why writes are refused or do not end, for a person. */
  get degraded(): string | undefined {
    if (this.state.kind === 'degraded') return this.state.reason;
    if (this.state.kind === 'failed') return describeError(this.state.error);
    const stuckMs = this.parts.clock.now() - (this.flushSince ?? Number.POSITIVE_INFINITY);
    return stuckMs > this.parts.settings.writeTimeoutMs
      ? `the disk has not finished a write for ${Math.round(stuckMs / 1000)} s`
      : undefined;
  }

  /** Elects this node; resolves when everything that its log holds is applied. */
  async start(): Promise<void> {
    this.parts.raft.campaign();
    await this.pump();
    this.checkOpen();
    if (this.state.kind === 'degraded') throw new CoordinatorError('diskFull', this.state.reason);
  }

  /** Throws what every call on a store that is over throws. */
  checkOpen(): void {
    if (this.state.kind === 'failed') throw this.state.error;
    if (this.state.kind === 'closed') throw new CoordinatorError('closed', 'the store is closed');
  }

  /** Resolves once the command is durable and applied. */
  propose(command: Command): Promise<Outcome> {
    this.checkOpen();
    const {raft, clock, settings} = this.parts;
    if (this.state.kind === 'degraded') throw new CoordinatorError('diskFull', this.state.reason);
    if (this.pending.size >= settings.maxPendingProposals || this.pending.bytes >= settings.maxPendingBytes)
      throw new CoordinatorError(
        'unavailable',
        `${this.pending.size} writes are waiting for the disk already`,
      );
    const data = encodeCommand(this.encoder, command);
    const place = raft.propose(data);
    if (place.kind !== 'appended') throw new CoordinatorError('unavailable', 'this node does not lead');
    return new Promise((resolve, reject) => {
      const bytes = data.length;
      this.pending.push({index: place.index, command, bytes, since: clock.now(), resolve, reject});
      this.schedule();
    });
  }

  /** Rejects what has waited too long, with `timeout`: the outcome is unknown. */
  timeOut(): void {
    const {clock, settings} = this.parts;
    this.pending.timeOut(
      clock.now() - settings.writeTimeoutMs,
      () =>
        new CoordinatorError('timeout', 'the disk did not finish the write in time; it may yet be applied'),
    );
  }

  /** Stops everything: a fault after which the state on disk or in memory cannot be trusted. */
  fail(error: CoordinatorError, lastWritten = 0): void {
    if (this.state.kind === 'failed' || this.state.kind === 'closed') return;
    this.state = {kind: 'failed', error};
    this.retry.dispose();
    this.parts.logger.error('the store has stopped', {error});
    const unknown = new CoordinatorError(
      'timeout',
      'the store failed during the write; it may have been applied',
      {
        cause: error,
      },
    );
    this.pending.rejectAll(lastWritten, unknown, error);
    this.listener.failed(error);
  }

  /** Lets what was proposed finish, then refuses everything. */
  async close(): Promise<void> {
    this.retry.dispose();
    if (this.state.kind === 'running' && (this.pumping || this.scheduled)) {
      this.idle ??= deferred();
      await this.idle.promise;
    }
    if (this.state.kind !== 'failed') this.state = {kind: 'closed'};
    const closed = new CoordinatorError('closed', 'the store is closed');
    this.pending.rejectAll(0, closed, closed);
  }

  private schedule(): void {
    if (this.scheduled || this.pumping) return;
    this.scheduled = true;
    this.parts.endOfTurn(() => {
      this.scheduled = false;
      void this.pump();
    });
  }

  private async pump(): Promise<void> {
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (this.isLive() && this.parts.raft.hasReady) await this.turn(this.parts.raft.ready());
      if (this.state.kind === 'degraded' && this.parts.raft.role === 'leader') this.recovered();
    } catch (error) {
      this.fail(
        error instanceof CoordinatorError
          ? error
          : new CoordinatorError('internal', 'applying the log failed', {cause: error}),
      );
    } finally {
      this.pumping = false;
      this.idle?.resolve();
      this.idle = undefined;
    }
  }

  /** The write of this batch and the application of the one before overlap. */
  private async turn(ready: Ready): Promise<void> {
    const {raft, log, clock} = this.parts;
    const written = ready.hardState && log.append(ready.hardState, ready.entries);
    // Observed here in case applying throws, and awaited below.
    written?.catch(() => undefined);
    if (written) this.flushSince = clock.now();
    if (ready.committed.length > 0) this.apply(ready.committed);
    try {
      await written;
    } catch (error) {
      this.writeFailed(ready, error);
      return;
    } finally {
      this.flushSince = undefined;
    }
    if (written) raft.persisted(ready);
    raft.compactTo(raft.applied);
  }

  private apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind === 'command') this.applyCommand(entry);
      this.bytes += entry.data.length;
    }
    const last = entries.at(-1);
    if (last) {
      this.position = {index: last.index, term: last.term};
      this.parts.raft.appliedTo(last.index);
    }
    this.listener.batchApplied();
  }

  private applyCommand(entry: Entry): void {
    const proposal = this.pending.take(entry.index);
    // Decoding what this process encoded would cost a fifth of a transaction.
    const command = proposal?.command ?? decodeCommand(entry.data);
    const outcome = this.parts.machine.apply(command);
    this.listener.applied(command, outcome);
    proposal?.resolve(outcome);
  }

  private writeFailed(ready: Ready, error: unknown): void {
    const code = systemErrorCode(error);
    const lastWritten = this.parts.log.maybeWritten ? (ready.entries.at(-1)?.index ?? 0) : 0;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      this.degrade(ready, lastWritten, error);
      return;
    }
    // After a failed flush the kernel may have dropped the data, and a second one would report success: never retry.
    const fault = new CoordinatorError('corrupt', 'the disk failed a write of the log', {
      cause: error,
      hint: 'Nothing acknowledged is lost as far as the disk kept it. Check the disk, then start the coordinator again.',
    });
    this.fail(fault, lastWritten);
  }

  private degrade(ready: Ready, lastWritten: number, error: unknown): void {
    const {raft, logger} = this.parts;
    const reason = `the disk is full (${describeError(error)}): nothing acknowledged is lost, free some space to go on`;
    if (this.state.kind === 'running') logger.error('the disk is full', {error});
    this.state = {kind: 'degraded', reason};
    raft.abandon(ready);
    const unknown = new CoordinatorError(
      'timeout',
      'the disk became full during the write; it may have been applied',
    );
    this.pending.rejectAll(lastWritten, unknown, new CoordinatorError('diskFull', reason));
    this.retryLater();
  }

  private retryLater(): void {
    const {clock, settings} = this.parts;
    this.retry.dispose();
    this.retry = clock.schedule(settings.diskRetryMs, () => void this.tryAgain(), {background: true});
  }

  private async tryAgain(): Promise<void> {
    try {
      await this.parts.log.reserve();
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === 'ENOSPC' || code === 'EDQUOT') this.retryLater();
      else this.fail(new CoordinatorError('corrupt', 'the disk failed', {cause: error}));
      return;
    }
    if (this.state.kind !== 'degraded') return;
    this.parts.raft.campaign();
    await this.pump();
  }

  private recovered(): void {
    this.state = {kind: 'running'};
    this.parts.logger.info('the disk has space again: writes go on');
  }

  private isLive(): boolean {
    return this.state.kind === 'running' || this.state.kind === 'degraded';
  }
}
