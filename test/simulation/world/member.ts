/**
 * One member of the simulated cluster: the product's embedded store, whole, in a simulated process. It says to its observer what its Raft node does,
 * so that every step can be checked.
 */
import type {LogFields, Logger} from '../../../coordinator/observability/logger.ts';
import type {RaftNode} from '../../../coordinator/raft/raftNode.ts';
import type {Entry, HardState, RaftConfig, SnapshotMark} from '../../../coordinator/raft/types.ts';
import {NO_HARD_STATE} from '../../../coordinator/raft/types.ts';
import {describeError, isCoordinatorError, systemErrorCode} from '../../../coordinator/runtime/errors.ts';
import {type OpenedStore, openEmbeddedStore} from '../../../coordinator/store/embedded/embeddedStore.ts';
import type {OpenedReplica} from '../../../coordinator/store/embedded/openReplica.ts';
import {DEFAULT_PEER_SETTINGS} from '../../../coordinator/store/embedded/peers/peerSettings.ts';
import type {StateMachine} from '../../../coordinator/store/stateMachine.ts';
import type {Process} from './machine.ts';
import {MemberService} from './memberService.ts';
import {type NodeObserver, ObservedNode} from './observedNode.ts';
import {SimulatedTransport, type TransportWorld} from './simulatedTransport.ts';

export const FOLDER = '/data';

/** Small, so that short runs go through elections, segments, snapshots, compactions and patience that ends. */
const SETTINGS = {
  sync: 'auto',
  segmentBytes: 16 * 1024,
  firstSegmentBytes: 8 * 1024,
  historyRevisions: 20,
  tickMs: 50,
  pauseTicks: 4,
  diskRetryMs: 100,
  writeTimeoutMs: 1200,
  raftTickMs: 20,
  electionMs: 200,
  resendMs: 100,
} as const;

const PEER_SETTINGS = {
  ...DEFAULT_PEER_SETTINGS,
  callTimeoutMs: 300,
  snapshotBytesPerSecond: 256 * 1024,
  snapshotPatienceMs: 500,
} as const;

/** What a run has of its own. */
export interface MemberLimits extends Pick<RaftConfig, 'maxReadyBytes' | 'maxMessageBytes' | 'maxInFlight'> {
  readonly heartbeatMs: number;
  readonly snapshotEntries: number;
  readonly followerLagBytes: number;
  readonly snapshotChunkBytes: number;
  readonly snapshotWindow: number;
}

export interface MemberSettings {
  /** Of the first members of the cluster. */
  readonly founders: readonly string[];
  readonly limits: MemberLimits;
}

/** Hears of every step of the node, and of what else befalls the member. */
export interface MemberObserver {
  nodeObserver(member: Member): NodeObserver;
  recovered(
    member: Member,
    found: {hardState: HardState; start: SnapshotMark; entries: readonly Entry[]},
  ): void;
  /** `cause`: of a disk that failed, or of the others who removed it; undefined for what should not happen. */
  died(member: Member, why: string, cause: 'disk' | 'removed' | undefined): void;
  note(text: string): void;
}

export class Member {
  readonly service: MemberService;
  readonly transport: SimulatedTransport;
  /** Undefined until the log is recovered. */
  node: RaftNode | undefined;
  opened: OpenedReplica | undefined;
  /** Undefined until a majority was there. */
  store: OpenedStore | undefined;
  /** Snapshots of others that it took in. */
  installs = 0;
  private leaving = false;

  constructor(
    readonly process: Process,
    private readonly settings: MemberSettings,
    private readonly observer: MemberObserver,
    world: TransportWorld,
  ) {
    const {limits} = settings;
    const {clock, random, disk} = process;
    this.transport = new SimulatedTransport(this.id, process, world, {
      clock,
      random,
      disk,
      logger: this.logger(),
      folder: FOLDER,
      settings: {...PEER_SETTINGS, ...limits},
    });
    this.service = new MemberService(this);
  }

  get id(): string {
    return this.process.machine.id;
  }

  get isLeader(): boolean {
    return this.process.alive && this.node?.role === 'leader';
  }

  /** Answers clients. */
  get isOpen(): boolean {
    return this.process.alive && this.store !== undefined && !this.leaving;
  }

  get machine(): StateMachine | undefined {
    return this.opened?.replica.machine;
  }

  start(): void {
    this.open().then(
      store => {
        this.store = store;
      },
      (error: unknown) => this.die(error),
    );
  }

  /** Does what has been asked of the node from outside. */
  schedule(): void {
    this.opened?.replica.schedule();
  }

  /** As a person stops a coordinator; `done` once nothing of it runs. */
  shutDown(done: () => void): void {
    if (!this.store || this.leaving) return;
    this.leaving = true;
    this.store.close().then(done, (error: unknown) => this.die(error));
  }

  /** The replica has stopped: at the end of its life, or because it failed. */
  stopped(): void {
    // While it is being opened, that is told by opening.
    if (this.leaving || !this.store) return;
    try {
      this.opened?.replica.checkOpen();
    } catch (error) {
      this.die(error);
    }
  }

  private open(): Promise<OpenedStore> {
    const {
      founders,
      limits: {heartbeatMs, snapshotEntries, followerLagBytes},
    } = this.settings;
    const {clock, random, disk} = this.process;
    const isFounder = founders.includes(this.id);
    const peers = new Map([...founders, this.id].map(id => [id, addressOf(id)]));
    return openEmbeddedStore({
      directory: FOLDER,
      clock,
      random,
      disk,
      logger: this.logger(),
      settings: {
        ...SETTINGS,
        heartbeatMs,
        snapshotEntries,
        followerLagBytes,
      },
      endOfTurn: run => this.process.after(0.01, run),
      cluster: {
        name: 'simulated',
        node: this.id,
        peers,
        start: isFounder ? 'found' : 'join',
        listen: {host: this.id, port: 1},
        secret: 'known to all',
      },
      transport: this.transport,
      probe: {
        newNode: config => this.newNode(config),
        opened: opened => {
          this.opened = opened;
        },
      },
    });
  }

  private newNode(config: RaftConfig): RaftNode {
    const {maxReadyBytes, maxMessageBytes, maxInFlight} = this.settings.limits;
    const node = new ObservedNode(
      {...config, maxReadyBytes, maxMessageBytes, maxInFlight},
      this.observer.nodeObserver(this),
    );
    this.node = node;
    const {hardState = NO_HARD_STATE, start, entries = []} = config;
    this.observer.recovered(this, {hardState, start, entries});
    return node;
  }

  /** It cannot go on. */
  die(error: unknown): void {
    if (!this.process.alive) return;
    const codes = codesOf(error);
    const isDisk = ['EIO', 'ENOSPC', 'diskFull'].some(code => codes.includes(code));
    const isRemoved = isCoordinatorError(error, 'closed') || isCoordinatorError(error, 'conflict');
    const why = error instanceof Error ? `${describeError(error)}\n${error.stack}` : String(error);
    this.observer.died(this, why, isDisk ? 'disk' : isRemoved ? 'removed' : undefined);
  }

  private logger(): Logger {
    const say = (message: string, fields: LogFields = {}): void => {
      if (this.process.alive) this.observer.note(`${this.id}: ${message}${textOf(fields)}`);
    };
    const logger: Logger = {debug: say, info: say, warn: say, error: say, with: () => logger};
    return logger;
  }
}

export function addressOf(id: string): string {
  return `ws://${id}:1`;
}

function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = systemErrorCode(at);
    if (code !== undefined) codes.push(code);
  }
  return codes;
}

function textOf(fields: LogFields): string {
  return Object.entries(fields)
    .map(([key, value]) => ` ${key}=${value instanceof Error ? describeError(value) : String(value)}`)
    .join('');
}
