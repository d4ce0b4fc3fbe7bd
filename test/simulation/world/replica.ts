/**
 * Drives the real Raft core, log, recovery, snapshots and state machine of one node in a simulated process: the least that a driver of several
 * voters must do. It answers clients through callbacks and says to its observer what it does, so that every step can be checked.
 */
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import type {Message} from '../../../coordinator/raft/messages.ts';
import type {RaftNode} from '../../../coordinator/raft/raftNode.ts';
import {
  type Configuration,
  type Entry,
  type HardState,
  NO_HARD_STATE,
  type RaftConfig,
  type Ready,
  type SnapshotMark,
} from '../../../coordinator/raft/types.ts';
import {systemErrorCode} from '../../../coordinator/runtime/errors.ts';
import {BinaryReader, BinaryWriter} from '../../../coordinator/store/binary.ts';
import {type Command, decodeCommand, encodeCommand} from '../../../coordinator/store/commands.ts';
import {
  openVersion,
  removeLeftovers,
  writeVersion,
} from '../../../coordinator/store/embedded/dataDirectory.ts';
import {recoverLog} from '../../../coordinator/store/embedded/logRecovery.ts';
import {LogWriter} from '../../../coordinator/store/embedded/logWriter.ts';
import {Snapshots} from '../../../coordinator/store/embedded/snapshots.ts';
import type {Outcome, StateMachine} from '../../../coordinator/store/stateMachine.ts';
import {WatchHub} from '../../../coordinator/store/watchHub.ts';
import type {Process} from './machine.ts';
import {ReplicaService} from './replicaService.ts';
import {type SentSnapshot, SnapshotTransfer} from './snapshotTransfer.ts';

export const FOLDER = '/data';
const TICK_MS = 20;
/** How often leases are looked at. */
const LEASE_TICK_MS = 50;
const DISK_RETRY_MS = 100;
/** Small, so that short runs go through several segments and snapshots. */
const LOG_SETTINGS = {sync: 'auto', segmentBytes: 16 * 1024, firstSegmentBytes: 8 * 1024} as const;

/** Hears of every step, after it. */
export interface ReplicaObserver {
  recovered(
    replica: Replica,
    found: {hardState: HardState; start: SnapshotMark; entries: readonly Entry[]},
  ): void;
  handedOut(replica: Replica, ready: Ready): void;
  persisted(replica: Replica, ready: Ready): void;
  abandoned(replica: Replica, ready: Ready): void;
  applied(replica: Replica, entry: Entry, outcome: Outcome | undefined): void;
  snapshotWritten(replica: Replica, mark: SnapshotMark): void;
  installed(replica: Replica, mark: SnapshotMark): void;
  /** Anything may have changed. */
  stepped(replica: Replica): void;
  /** The process cannot go on: `expected` where the disk is to blame. */
  died(replica: Replica, why: string, expected: boolean): void;
}

export interface ReplicaSettings {
  /** Of a new cluster; a node that joins later has none. */
  readonly configuration: Configuration;
  /** Entries after which a snapshot is taken. */
  readonly snapshotEntries: number;
  readonly limits: Pick<RaftConfig, 'maxReadyBytes' | 'maxMessageBytes' | 'maxInFlight'>;
  readonly newNode: (config: RaftConfig) => RaftNode;
  send(replica: Replica, message: Message): void;
  /** Bytes that lead up to a snapshot message; they may be lost whole. `arrived` is called when the other end has them on its disk. */
  sendSnapshot(replica: Replica, to: string, snapshot: SentSnapshot, arrived: () => void): void;
}

export class Replica {
  node!: RaftNode;
  machine!: StateMachine;
  readonly service: ReplicaService;
  snapshots!: Snapshots;
  readonly transfer: SnapshotTransfer;
  private log!: LogWriter;
  private writing = false;
  /** The disk was full: nothing is said or done until it was tried again. */
  private blocked = false;
  private snapshotting = false;
  private snapshotIndex = 0;
  private readonly encoder = new BinaryWriter(16 * 1024);
  ready = false;

  constructor(
    readonly process: Process,
    readonly settings: ReplicaSettings,
    private readonly observer: ReplicaObserver,
  ) {
    this.service = new ReplicaService(this);
    this.transfer = new SnapshotTransfer(this);
  }

  get id(): string {
    return this.process.machine.id;
  }

  get isLive(): boolean {
    return this.ready && this.process.alive && !this.blocked;
  }

  start(): void {
    this.open().then(
      () =>
        this.guarded(() => {
          this.ready = true;
          this.tick();
          this.lookAtLeases();
          this.pump();
        }),
      (error: unknown) => this.die(error),
    );
  }

  step(message: Message): void {
    if (!this.isLive) return;
    if (message.kind === 'installSnapshot') this.transfer.step(message);
    else this.node.step(message);
    this.pump();
  }

  encode(id: string, command: Command): Uint8Array {
    this.encoder.text(id);
    const head = this.encoder.finish();
    return Buffer.concat([head, encodeCommand(this.encoder, command)]);
  }

  /** Carries out all that the node has for its driver. */
  pump(): void {
    if (!this.isLive) return;
    const {node, observer, settings, service} = this;
    while (this.process.alive && node.hasReady) {
      const ready = node.ready();
      observer.handedOut(this, ready);
      for (const message of ready.messages) settings.send(this, message);
      for (const state of ready.reads) service.readAnswered(state);
      for (const request of ready.snapshots) this.transfer.send(request);
      if (ready.hardState) this.write(ready, ready.hardState);
      if (ready.committed.length > 0) this.apply(ready.committed);
    }
    service.changed();
    observer.stepped(this);
  }

  private async open(): Promise<void> {
    const {disk, random} = this.process;
    const version = await openVersion(disk, FOLDER, this.id);
    await removeLeftovers(disk, FOLDER);
    this.snapshots = new Snapshots(disk, FOLDER, silentLogger);
    const {mark, machine} = await this.snapshots.load();
    const start = mark ?? {index: 0, term: 0, configuration: this.settings.configuration};
    const recovered = await recoverLog(disk, FOLDER, start, silentLogger);
    this.log = await LogWriter.open({
      disk,
      folder: FOLDER,
      settings: LOG_SETTINGS,
      random,
      logger: silentLogger,
      recovered,
      begun: segment => writeVersion(disk, FOLDER, {...version, segment}),
    });
    this.machine = machine;
    this.snapshotIndex = start.index;
    const {hardState, entries} = recovered;
    this.node = this.settings.newNode({
      id: this.id,
      hardState: hardState ?? NO_HARD_STATE,
      start,
      entries,
      random,
      ...this.settings.limits,
    });
    this.service.restored();
    this.observer.recovered(this, {hardState, start, entries});
  }

  newWatchHub(): WatchHub {
    return new WatchHub(this.machine, run => this.process.after(0.01, run), silentLogger);
  }

  private tick(): void {
    if (this.isLive) {
      this.node.tick();
      this.pump();
    }
    this.process.after(TICK_MS, () => this.tick());
  }

  private lookAtLeases(): void {
    if (this.isLive) {
      this.service.lookAtLeases(this.process.clock.now());
      this.pump();
    }
    this.process.after(LEASE_TICK_MS, () => this.lookAtLeases());
  }

  private write(ready: Ready, hardState: HardState): void {
    if (this.writing) throw new Error(`${this.id} was given a second write`);
    this.writing = true;
    const {snapshot} = ready;
    const before = snapshot ? this.install(snapshot) : undefined;
    const written = before
      ? before.then(() => this.log.append(hardState, ready.entries))
      : this.log.append(hardState, ready.entries);
    written.then(
      () =>
        this.guarded(() => {
          this.writing = false;
          this.observer.persisted(this, ready);
          this.node.persisted(ready);
          this.pump();
        }),
      (error: unknown) => this.guarded(() => this.writeFailed(ready, error)),
    );
  }

  private async install(snapshot: SnapshotMark): Promise<void> {
    await this.log.restartAfter(snapshot);
    const {machine} = await this.snapshots.install(this.transfer.take(snapshot));
    if (!this.process.alive) return;
    this.machine = machine;
    this.snapshotIndex = snapshot.index;
    this.service.restored();
    this.observer.installed(this, snapshot);
  }

  private writeFailed(ready: Ready, error: unknown): void {
    this.writing = false;
    // A node cannot take back a snapshot: it starts again, from the one before.
    if (!isFull(error) || ready.snapshot) {
      this.die(error);
      return;
    }
    this.node.abandon(ready);
    this.observer.abandoned(this, ready);
    this.service.diskFull();
    this.blocked = true;
    this.tryDiskLater();
  }

  private tryDiskLater(): void {
    this.process.after(DISK_RETRY_MS, () => {
      this.log.reserve().then(
        () =>
          this.guarded(() => {
            this.blocked = false;
            this.pump();
          }),
        (error: unknown) => this.guarded(() => (isFull(error) ? this.tryDiskLater() : this.die(error))),
      );
    });
  }

  private apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind !== 'command') {
        this.observer.applied(this, entry, undefined);
        this.service.appliedOther(entry);
        continue;
      }
      const reader = new BinaryReader(entry.data);
      const id = reader.text();
      const command = decodeCommand(entry.data.subarray(4 + Buffer.byteLength(id)));
      const outcome = this.machine.apply(command);
      this.observer.applied(this, entry, outcome);
      this.service.applied(entry, id, command, outcome);
    }
    this.node.appliedTo(entries.at(-1)?.index ?? 0);
    this.service.batchApplied();
    this.machine.trim(64);
    this.snapshotIfDue(entries.at(-1));
  }

  private snapshotIfDue(last: Entry | undefined): void {
    if (!last || this.snapshotting || last.index - this.snapshotIndex < this.settings.snapshotEntries) return;
    const mark = {index: last.index, term: last.term, configuration: this.node.configuration};
    this.snapshotting = true;
    this.snapshotIndex = mark.index;
    const {snapshots, log} = this;
    snapshots
      .write(this.machine, mark, new AbortController().signal)
      .then(() => {
        this.guarded(() => this.observer.snapshotWritten(this, mark));
        return log.deleteTo(snapshots.coveredIndex);
      })
      .then(
        () =>
          this.guarded(() => {
            this.snapshotting = false;
            this.node.compactTo(mark.index);
            this.service.compactHistory();
            this.pump();
          }),
        (error: unknown) => {
          this.snapshotting = false;
          if (!isFull(error)) this.guarded(() => this.die(error));
        },
      );
  }

  /** Continuations of promises run outside of the simulation's steps: what they throw must reach it. */
  guarded(act: () => void): void {
    if (!this.process.alive) return;
    try {
      act();
    } catch (error) {
      this.die(error);
    }
  }

  die(error: unknown): void {
    if (!this.process.alive) return;
    const code = systemErrorCode(error);
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.observer.died(this, why, code === 'EIO' || code === 'ENOSPC');
  }
}

function isFull(error: unknown): boolean {
  return systemErrorCode(error) === 'ENOSPC';
}
