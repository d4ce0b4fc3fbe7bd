/** Opens a data directory: lock, version, newest readable snapshot, log behind it, Raft node. Refuses what it cannot trust. */
import path from 'node:path';
import type {Logger} from '../../observability/logger.ts';
import {initialConfiguration} from '../../raft/configuration.ts';
import {RaftNode} from '../../raft/raftNode.ts';
import type {RaftConfig} from '../../raft/types.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {DirectoryLock} from '../../runtime/directoryLock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import type {ClusterOptions} from './clusterOptions.ts';
import {removeLeftovers, writeVersion} from './dataDirectory.ts';
import type {Disk} from './disk.ts';
import {RESTORE, recoverLog} from './logRecovery.ts';
import {LogWriter} from './logWriter.ts';
import {openMembership} from './membershipFile.ts';
import type {Transport} from './peers/transport.ts';
import {ReceivedSnapshot} from './receivedSnapshot.ts';
import {Replica} from './replica.ts';
import type {ReplicaListener} from './replicaParts.ts';
import {segmentName} from './segment.ts';
import type {EmbeddedSettings} from './settings.ts';
import {Snapshots} from './snapshots.ts';

export interface OpenedReplica {
  readonly raft: RaftNode;
  readonly log: LogWriter;
  readonly replica: Replica;
  readonly snapshots: Snapshots;
  readonly transport: Transport | undefined;
  /** Entry that the loaded snapshot covers, 0 without one. */
  readonly snapshotIndex: number;
  /** Writes a snapshot of the state of now and deletes the log that it makes needless. */
  snapshot(signal: AbortSignal): Promise<void>;
  /** The directory is never to be started again: the others have removed this node. */
  markRemoved(): Promise<void>;
  /** Releases files and lock; the replica must have stopped. */
  close(): Promise<void>;
}

/** For who watches a replica from within, as a simulation does. */
export interface ReplicaProbe {
  /** Makes the Raft node. */
  newNode(config: RaftConfig): RaftNode;
  /** Before the replica starts. */
  opened(replica: OpenedReplica): void;
}

export interface ReplicaEnvironment {
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: EmbeddedSettings;
  readonly endOfTurn: (run: () => void) => void;
  readonly cluster?: ClusterOptions | undefined;
  /** Of a member of a cluster; absent for a node that is alone. */
  readonly transport?: Transport | undefined;
  readonly probe?: ReplicaProbe | undefined;
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
  const {disk, directory, random, logger, settings, cluster, transport} = environment;
  let version = await openMembership(disk, directory, cluster, settings.nodeId, random);
  await removeLeftovers(disk, directory);
  const snapshots = new Snapshots(disk, directory, logger);
  const {mark, machine, unreadable} = await snapshots.load();
  const start = mark ?? {index: 0, term: 0, configuration: initialConfiguration(version.voters)};
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
  const {raftTickMs, heartbeatMs, electionMs} = settings;
  const config: RaftConfig = {
    id: version.node,
    hardState: recovered.hardState,
    start,
    entries: recovered.entries,
    random,
    electionTicks: Math.max(2, Math.round(electionMs / raftTickMs)),
    heartbeatTicks: Math.max(1, Math.round(heartbeatMs / raftTickMs)),
    lazyCommits: true,
  };
  const raft = environment.probe?.newNode(config) ?? new RaftNode(config);
  let changing: Promise<void> = Promise.resolve();
  const change = (part: Partial<Pick<typeof version, 'segment' | 'removed'>>): Promise<void> => {
    const write = async (): Promise<void> => {
      version = {...version, ...part};
      await writeVersion(disk, directory, version);
    };
    const changed = changing.then(write);
    changing = changed.catch(() => undefined);
    return changed;
  };
  const log = await LogWriter.open({
    disk,
    folder: directory,
    settings,
    random,
    logger,
    recovered,
    begun: segment => change({segment}),
  });
  // The place in the log makes it another one after a restart even where randomness repeats itself.
  const client = `${version.node}.${random.hex(8)}.${recovered.tail?.nextSequence ?? 0}`;
  const received = new ReceivedSnapshot(disk, logger);
  const parts = {...environment, raft, log, snapshots, machine, client, received, transport};
  const replica = new Replica(parts, start, listener);
  const opened: OpenedReplica = {
    raft,
    log,
    replica,
    snapshots,
    transport,
    snapshotIndex: start.index,
    async snapshot(signal) {
      await snapshots.write(replica.machine, {...replica.applied, configuration: raft.configuration}, signal);
      await log.deleteTo(snapshots.coveredIndex);
    },
    markRemoved: () => change({removed: true}),
    async close() {
      await changing;
      await log.close();
      await lock.release();
    },
  };
  environment.probe?.opened(opened);
  return opened;
}
