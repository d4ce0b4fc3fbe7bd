/** Opens a data directory: lock, version, newest readable snapshot, log behind it, Raft node. Refuses what it cannot trust. */
import type {Logger} from '../../observability/logger.ts';
import {RaftNode} from '../../raft/raftNode.ts';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {newId, type Random} from '../../runtime/random.ts';
import type {StateMachine} from '../stateMachine.ts';
import {openVersion, removeLeftovers, type Version, writeVersion} from './dataDirectory.ts';
import type {DirectoryLock} from './directoryLock.ts';
import type {Disk} from './disk.ts';
import {recoverLog} from './logRecovery.ts';
import {LogWriter} from './logWriter.ts';
import {Replica, type ReplicaListener} from './replica.ts';
import type {EmbeddedSettings} from './settings.ts';
import {Snapshots} from './snapshots.ts';

export interface OpenedReplica {
  readonly raft: RaftNode;
  readonly log: LogWriter;
  readonly machine: StateMachine;
  readonly replica: Replica;
  readonly snapshots: Snapshots;
  /** Entry that the loaded snapshot covers, 0 without one. */
  readonly snapshotIndex: number;
  /** Resolves when the log is applied. */
  start(): Promise<void>;
  /** Writes a snapshot of the state of now and deletes the log that it makes needless. */
  snapshot(signal: AbortSignal): Promise<void>;
  /** Releases files and lock; the replica must have stopped. */
  close(): Promise<void>;
}

export interface ReplicaEnvironment {
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: EmbeddedSettings;
  readonly endOfTurn: (run: () => void) => void;
}

export async function openReplica(
  environment: ReplicaEnvironment,
  listener: ReplicaListener,
): Promise<OpenedReplica> {
  const {disk, directory, random} = environment;
  await disk.makeFolder(directory);
  const lock = await disk.lock(directory, random.hex(8));
  try {
    return await openLocked(environment, listener, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openLocked(
  environment: ReplicaEnvironment,
  listener: ReplicaListener,
  lock: DirectoryLock,
): Promise<OpenedReplica> {
  const {disk, directory, random, logger, settings} = environment;
  const version = await openVersion(disk, directory, settings.nodeId ?? newId(random, 'n'));
  await removeLeftovers(disk, directory);
  const snapshots = new Snapshots(disk, directory, logger);
  const {mark, machine, unreadable} = await snapshots.load();
  const start = mark ?? {index: 0, term: 0};
  const recovered = await recoverLog(disk, directory, start, logger).catch(error => {
    if (unreadable.length === 0) throw error;
    throw new CoordinatorError(
      'corrupt',
      `${unreadable.join(', ')} cannot be read, and the log does not cover it`,
      {
        cause: error,
        hint: 'Restore the data directory from a backup, or start this node empty and let it rejoin.',
      },
    );
  });
  if (version.populated && recovered.segments.length === 0)
    throw new CoordinatorError('corrupt', `the log in ${directory} is missing`, {
      hint: 'Restore the data directory from a backup.',
    });
  const raft = new RaftNode({
    id: version.node,
    voters: [version.node],
    hardState: recovered.hardState,
    start,
    entries: recovered.entries,
  });
  const log = await LogWriter.open(disk, directory, settings, random, logger, recovered);
  const replica = new Replica({...environment, raft, log, machine}, start, listener);
  return {
    raft,
    log,
    machine,
    replica,
    snapshots,
    snapshotIndex: start.index,
    start: () => startReplica(disk, directory, replica, version),
    async snapshot(signal) {
      await snapshots.write(machine, {...replica.applied, voters: [raft.id]}, signal);
      await log.deleteTo(snapshots.coveredIndex);
    },
    async close() {
      await log.close();
      await lock.release();
    },
  };
}

async function startReplica(
  disk: Disk,
  directory: string,
  replica: Replica,
  version: Version,
): Promise<void> {
  await replica.start();
  if (!version.populated) await writeVersion(disk, directory, {...version, populated: true});
}
