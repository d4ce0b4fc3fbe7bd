/** Everything that the handlers of commands need: the parts of one coordinator, made by the composition root. */
import type {ClusterWays} from '../cluster/clusterWays.ts';
import type {CoordinatorDirectory} from '../cluster/coordinatorDirectory.ts';
import type {Approvals} from '../effects/approvals.ts';
import type {AttemptEffects} from '../effects/attemptEffects.ts';
import type {LiveAttempts} from '../effects/liveAttempts.ts';
import type {UsageReports} from '../effects/usageReports.ts';
import type {SessionHistory} from '../history/sessionHistory.ts';
import type {Hub} from '../hub/hub.ts';
import type {MCPXProtocol} from '../hub/mcpxProtocol.ts';
import type {SharedMemory} from '../memory/sharedMemory.ts';
import type {AccountPauses} from '../pool/accountPauses.ts';
import type {AgentDirectory} from '../pool/agentDirectory.ts';
import type {AgentRegistry} from '../pool/agentRegistry.ts';
import type {TokenRegistry} from '../security/tokenRegistry.ts';
import type {Store} from '../store/store.ts';
import type {Lead} from '../tasks/lead.ts';
import type {TranscriptService} from '../transcripts/transcriptService.ts';

export interface Services {
  readonly store: Store;
  readonly hub: Hub;
  /** Commands to instances, and messages that came another way than a socket. */
  readonly protocol: MCPXProtocol;
  readonly lead: Lead;
  readonly agents: AgentDirectory;
  readonly registry: AgentRegistry;
  readonly pauses: AccountPauses;
  readonly effects: AttemptEffects;
  readonly memory: SharedMemory;
  readonly approvals: Approvals;
  readonly usage: UsageReports;
  readonly transcripts: TranscriptService;
  readonly history: SessionHistory;
  readonly attempts: LiveAttempts;
  readonly tokens: TokenRegistry;
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
