/** What a replica is made of, and what it tells its owner. */
import type {Logger} from '../../observability/logger.ts';
import type {RaftNode} from '../../raft/raftNode.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {CoordinatorError} from '../../runtime/errors.ts';
import type {Command} from '../commands.ts';
import type {Outcome, StateMachine} from '../stateMachine.ts';
import type {LogWriter} from './logWriter.ts';
import type {Transport} from './peers/transport.ts';
import type {ReceivedSnapshot} from './receivedSnapshot.ts';
import type {EmbeddedSettings} from './settings.ts';
import type {Snapshots} from './snapshots.ts';

/** What its owner wants to hear. */
export interface ReplicaListener {
  applied(command: Command, outcome: Outcome): void;
  /** After a batch: watches, snapshots, retention. */
  batchApplied(): void;
  /** A received snapshot has taken the place of the state. */
  restored(): void;
  /** Another leader, term or role. */
  roleChanged(): void;
  /** The others have removed this node; `failed` follows. */
  removed(): Promise<void>;
  /** Nothing works any more. */
  failed(error: CoordinatorError): void;
}

type ReplicaSettings = Pick<
  EmbeddedSettings,
  | 'diskRetryMs'
  | 'maxPendingProposals'
  | 'maxPendingBytes'
  | 'writeTimeoutMs'
  | 'raftTickMs'
  | 'commitNoticeMs'
  | 'resendMs'
  | 'followerLagBytes'
>;

export interface ReplicaParts {
  readonly raft: RaftNode;
  readonly log: LogWriter;
  readonly snapshots: Snapshots;
  readonly machine: StateMachine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: ReplicaSettings;
  /** Names this process among all that ever propose. */
  readonly client: string;
  /** Undefined for a node that is and stays alone. */
  readonly transport: Transport | undefined;
  readonly received: ReceivedSnapshot;
  /** Runs a function at the end of the turn of the event loop. */
  readonly endOfTurn: (run: () => void) => void;
}
