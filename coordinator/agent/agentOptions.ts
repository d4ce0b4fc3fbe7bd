/** What an agent is told at its start: where it works, for whom, and what it says of itself. */
import type {Logger} from '../observability/logger.ts';
import type {AgentCapability, ResourceRequirement} from '../protocol/capability.ts';
import type {TaskAssign} from '../protocol/commands/attempt.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Random} from '../runtime/random.ts';
import type {AgentSettings} from './agentSettings.ts';
import type {Driver, McpEndpoint} from './driver.ts';
import type {ListenOptions} from './link/listeningSocket.ts';

export interface AgentOptions {
  /** Absolute path; only this agent uses it. */
  readonly stateDirectory: string;
  /** Default: the id that the state directory keeps, or a new one. */
  readonly agentId?: string | undefined;
  readonly hub: {
    /** `ws(s)://host:port`, tried in turn. */
    readonly urls: readonly string[];
    /** Read at every try. */
    readonly token: () => string | undefined;
    /** PEM of the only authority to trust. Read at every try. */
    readonly ca?: (() => string | undefined) | undefined;
    /** Default `default`. */
    readonly tenant?: string | undefined;
  };
  /** Waits for the hub to dial it instead of dialling; `hub.token` is what the hub shows. Artifacts go to `hub.urls` in any case. */
  readonly listen?: ListenOptions | undefined;
  readonly mode: 'internal' | 'external';
  readonly maxConcurrentTasks: number;
  /** Of mcpx. */
  readonly version: string;
  readonly region?: string | undefined;
  readonly capabilities?: readonly AgentCapability[] | undefined;
  readonly specializations?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  /** Default: the machine's cores and memory. */
  readonly resources?: readonly ResourceRequirement[] | undefined;
  /** Session that alone may use this agent. */
  readonly reservedFor?: string | undefined;
  /** Agents that spend from one account share this. */
  readonly account?: string | undefined;
  /** Claude Code talks to the scripted server that `ANTHROPIC_BASE_URL` of `env` names, never to a model. */
  readonly rehearsal?: boolean | undefined;
  /** The environment that attempts start from, such as that of the main's process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** JSON object of names and values, for tasks that name secrets; `env` is searched too. */
  readonly secretsFile?: string | undefined;
  /** `off`: takes no prompts. A path: that executable. Default: the one on the PATH, or the one that came with the SDK. */
  readonly claude?: 'off' | {readonly executable: string} | undefined;
  /** Instead of Claude Code, for tests. */
  readonly promptDriver?: Driver | undefined;
  /** MCP servers of the hub that an attempt gets. */
  readonly mcpServers?:
    | ((assign: TaskAssign) => Readonly<Record<string, McpEndpoint>> | undefined)
    | undefined;
  /** Command line of the supervisor process, such as `[process.execPath, '/path/mcpx.mjs', 'supervise']`. */
  readonly supervisorCommand: readonly [string, ...string[]];
  readonly pid: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings?: Partial<AgentSettings> | undefined;
}
