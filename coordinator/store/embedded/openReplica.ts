/** Opens a data directory: lock, version, newest readable snapshot, log behind it, Raft node. Refuses what it cannot trust. */
import path from 'node:path';
import type {Logger} from '../../observability/logger.ts';
import {initialConfiguration} from '../../raft/configuration.ts';
import {RaftNode} from '../../raft/raftNode.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {DirectoryLock} from '../../runtime/directoryLock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {newId, type Random} from '../../runtime/random.ts';
import type {StateMachine} from '../stateMachine.ts';
import {openVersion, removeLeftovers, writeVersion} from './dataDirectory.ts';
import type {Disk} from './disk.ts';
import {RESTORE, recoverLog} from './logRecovery.ts';
import {LogWriter} from './logWriter.ts';
import {Replica, type ReplicaListener} from './replica.ts';
import {segmentName} from './segment.ts';
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
  const start = mark ?? {index: 0, term: 0, configuration: initialConfiguration([version.node])};
  const recovered = await recoverLog(disk, directory, start, logger).catch(error => {
    if (unreadable.length === 0) throw error;
    throw new CoordinatorError(
      'corrupt',
      `${unreadable.join(', ')} cannot be read, and the log does not cover it`,
      {
        cause: error,
        hint: RESTORE,
      },
    );
  });
  if ((recovered.segments.at(-1)?.number ?? 0) < version.segment)
    throw new CoordinatorError(
      'corrupt',
      `${path.join(directory, segmentName(version.segment))}, the end of the log, is missing`,
      {hint: RESTORE},
    );
  const raft = new RaftNode({
    id: version.node,
    hardState: recovered.hardState,
    start,
    entries: recovered.entries,
  });
  const log = await LogWriter.open({
    disk,
    folder: directory,
    settings,
    random,
    logger,
    recovered,
    begun: segment => writeVersion(disk, directory, {...version, segment}),
  });
  const replica = new Replica({...environment, raft, log, machine}, start, listener);
  return {
    raft,
    log,
    machine,
    replica,
    snapshots,
    snapshotIndex: start.index,
    async snapshot(signal) {
      await snapshots.write(machine, {...replica.applied, configuration: raft.configuration}, signal);
      await log.deleteTo(snapshots.coveredIndex);
    },
    async close() {
      await log.close();
      await lock.release();
    },
  };
}
