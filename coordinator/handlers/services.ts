/** Everything that the handlers of commands need: the parts of one coordinator, made by the composition root. */
import type {AttemptTokens} from '../cluster/attemptTokens.ts';
import type {ClusterWays} from '../cluster/clusterWays.ts';
import type {CoordinatorDirectory} from '../cluster/coordinatorDirectory.ts';
import type {Approvals} from '../effects/approvals.ts';
import type {AttemptEffects} from '../effects/attemptEffects.ts';
import type {Checkpoints} from '../effects/checkpoints.ts';
import type {LiveAttempts} from '../effects/liveAttempts.ts';
import type {UsageReports} from '../effects/usageReports.ts';
import type {SessionHistory} from '../history/sessionHistory.ts';
import type {Hub} from '../hub/hub.ts';
import type {MCPXProtocol} from '../hub/mcpxProtocol.ts';
import type {SharedMemory} from '../memory/sharedMemory.ts';
import type {AccountPauses} from '../pool/accountPauses.ts';
import type {AgentBreakers} from '../pool/agentBreakers.ts';
import type {AgentDirectory} from '../pool/agentDirectory.ts';
import type {AgentRegistry} from '../pool/agentRegistry.ts';
import type {DialledAgents} from '../pool/dialledAgents.ts';
import type {PoolStore} from '../pool/scaling/poolStore.ts';
import type {TokenRegistry} from '../security/tokenRegistry.ts';
import type {Store} from '../store/store.ts';
import type {Lead} from '../tasks/lead.ts';
import type {TranscriptService} from '../transcripts/transcriptService.ts';
import type {Discovery} from './makeDiscovery.ts';

export interface Services {
  readonly store: Store;
  readonly hub: Hub;
  /** Commands to instances, and messages that came another way than a socket. */
  readonly protocol: MCPXProtocol;
  readonly lead: Lead;
  readonly agents: AgentDirectory;
  readonly breakers: AgentBreakers;
  readonly registry: AgentRegistry;
  readonly poolRecords: PoolStore;
  readonly discovery: Discovery;
  readonly dialled: DialledAgents;
  readonly pauses: AccountPauses;
  readonly effects: AttemptEffects;
  readonly checkpoints: Checkpoints;
  readonly memory: SharedMemory;
  readonly approvals: Approvals;
  readonly usage: UsageReports;
  readonly transcripts: TranscriptService;
  readonly history: SessionHistory;
  readonly attempts: LiveAttempts;
  readonly tokens: TokenRegistry;
  readonly attemptTokens: AttemptTokens;
  /** The other coordinators of the store. */
  readonly coordinators: CoordinatorDirectory;
  /** And what goes to them. */
  readonly ways: ClusterWays;
  readonly identity: {
    readonly coordinator: string;
    readonly startedAt: number;
    readonly authorityPin: string | undefined;
    url(): string;
  };
}
