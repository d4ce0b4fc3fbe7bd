/** What attempts share on one agent; assembled once by agent.ts. */
import type {ArtifactSource} from '../../artifacts/artifactCache.ts';
import type {Logger} from '../../observability/logger.ts';
import type {TaskAssign} from '../../protocol/commands/attempt.ts';
import type {WorktreePlace} from '../../protocol/model/attempt.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Random} from '../../runtime/random.ts';
import type {AgentSettings} from '../agentSettings.ts';
import type {McpDoor} from '../delegation/mcpDoor.ts';
import type {Driver, McpEndpoint} from '../driver.ts';
import type {AgentLink} from '../link/agentLink.ts';
import type {CompletionSender} from '../link/completionSender.ts';
import type {Spool} from '../link/spool.ts';
import type {MemoryDoor} from '../memory/memoryDoor.ts';
import type {MemoryReplica} from '../memory/memoryReplica.ts';
import type {Supervisor} from '../supervisor/supervisor.ts';
import type {Workspaces} from '../workspace/workspaces.ts';
import type {AgentCounters} from './agentCounters.ts';
import type {Approvals} from './approvals.ts';
import type {Secrets} from './secrets.ts';
import type {StartGate} from './startGate.ts';

export interface RunnerServices {
  readonly agentId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: AgentSettings;
  readonly link: AgentLink;
  readonly spool: Spool;
  readonly completions: CompletionSender;
  readonly approvals: Approvals;
  readonly memory: MemoryReplica;
  readonly memoryDoor: MemoryDoor;
  readonly mcpDoor: McpDoor;
  readonly counters: AgentCounters;
  readonly drivers: {
    /** Undefined where there is no usable Claude Code. */
    readonly prompt: Driver | undefined;
    readonly run: Driver;
    readonly noop: Driver;
  };
  readonly supervisor: Supervisor;
  readonly workspaces: Workspaces;
  /** Of every artifact, fetched where it is not here. */
  readonly artifacts: ArtifactSource;
  /** Version of the Claude Code that `drivers.prompt` runs. */
  readonly claudeVersion: string | undefined;
  readonly secrets: Secrets;
  readonly startGate: StartGate;
  /** What every process of every attempt has in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** The environment that every attempt in this slot starts from. */
  environmentOf(slot: number): Readonly<Record<string, string>>;
  /** Where an attempt has its folder, whether it is there yet or not. */
  worktreeOf(attemptId: string): WorktreePlace;
  /** MCP servers of the hub that the attempt may use. */
  mcpServers(assign: TaskAssign): Promise<Readonly<Record<string, McpEndpoint>> | undefined>;
  /** The coordinator that the agent talks to now. */
  hubUrl(): string;
  /** Uploads a long output of a gate; its digest. */
  upload(content: Uint8Array, signal: AbortSignal): Promise<string>;
  rateLimited(limit: {readonly resetAt?: number | undefined; readonly message: string}): void;
}
