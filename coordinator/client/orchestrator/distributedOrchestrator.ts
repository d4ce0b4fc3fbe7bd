/** The interface by which programs run teams of Claude Code. Its implementation over a connection is mcpxOrchestrator.ts. */
import type {DistributionPlan} from '../../protocol/commands/distribution.ts';
import type {ClaudeCodeInstance, DiscoveryCriteria} from '../../protocol/instance.ts';
import type {TaskSpecification} from '../../protocol/plan/plan.ts';
import type {ExecutionUpdate} from './executionFeed.ts';
import type {OrchestrationResult} from './outcome.ts';
import type {OrchestrationSession, SessionConfig} from './session.ts';
import type {SharedState, StateUpdate, SyncResult} from './sharedState.ts';

export interface Cancellable {
  /** Ends the waiting, with its reason; what was begun goes on. */
  readonly signal?: AbortSignal;
}

export interface TerminateOptions extends Cancellable {
  /**
   * `cancel` (the default): what runs is stopped. `drain`: what runs comes to its end, nothing new begins. `finish`: no more tasks are added, those that
   * are there come to their end and the results are merged.
   */
  readonly mode?: 'cancel' | 'drain' | 'finish';
}

export interface RegisterOptions extends Cancellable {
  /** What the agent wants to see of who dials it. */
  readonly token: string;
  /** PEM of the only authority that is trusted; default: the system's. */
  readonly ca?: string;
  /** Longest wait for it to register, in ms. Default 30 s. */
  readonly timeoutMs?: number;
}

export interface DistributeOptions
  extends Cancellable,
    Pick<SessionConfig, 'folder' | 'uncommitted' | 'rehearsal'> {
  /** Where the tasks are added. Default: a session of their own, which ends with them, and is cancelled when `signal` ends the waiting. */
  readonly session?: OrchestrationSession;
}

/** What is to be placed: a plan that is not started, tasks by themselves or beside those of a session, or what a session has still to do. */
export interface DistributionRequest {
  readonly plan?: SessionConfig['plan'];
  readonly tasks?: readonly TaskSpecification[];
  readonly session?: Pick<OrchestrationSession, 'id'>;
  /** As if these were the only ones. Default: all that are connected. */
  readonly agents?: readonly Pick<ClaudeCodeInstance, 'id'>[];
}

/** What became of a task that was given to several agents: one answer for each of them, in their order. */
export interface DistributionResult {
  readonly sessionId: string;
  /** Where and when the tasks were expected to be done, as it was known before: one for each connected agent that fits. */
  readonly plan: DistributionPlan;
  readonly agents: readonly DistributedTask[];
}

export type DistributedTask =
  | {readonly agentId: string; readonly kind: 'ran'; readonly result: OrchestrationResult}
  /** It got no task, since it was not there when the task was given out. */
  | {readonly agentId: string; readonly kind: 'notConnected'};

/**
 * Methods reject with `ProtocolError` for what the coordinator answers (`kind` says what) and with `CoordinatorError` for what is wrong on this side
 * (`code`). A request waits for a lost connection up to its timeout of 30 s.
 */
export interface DistributedOrchestrator {
  /**
   * Starts a session and resolves once it is stored. With the `id` of one that was started from the same plan, that one. Errors: `config` (the plan),
   * `git` (the repository), `conflict` (the id is another session's).
   */
  createSession(config: SessionConfig): Promise<OrchestrationSession>;
  /** As it is now; null when there is none, or it was deleted. */
  getSession(sessionId: string): Promise<OrchestrationSession | null>;
  /** Resolves once it has ended; one that has ended stays as it is. Errors: `notFound`. */
  terminateSession(sessionId: string, options?: TerminateOptions): Promise<void>;

  /**
   * Has the coordinator dial an agent that listens at `agent.endpoint` (`mcpx agent --listen`), now and again until it is removed; resolves once it has
   * registered. One that dials the coordinator itself (`mcpx agent --join`) registers by that: there is nothing to be done for it. Errors: `config` (no
   * address to dial), `forbidden` (needs the full rights of the coordinator's own user), `timeout` (it is dialled on).
   */
  registerAgent(agent: ClaudeCodeInstance, options?: RegisterOptions): Promise<void>;
  /** Gives it nothing new, and sends it away when its last attempt is over. Errors: `notFound`. */
  deregisterAgent(agentId: string): Promise<void>;
  /** Those that take work now (`idle` and `active`) unless `criteria.status` names others, in order of id. */
  getAvailableAgents(criteria?: DiscoveryCriteria): Promise<ClaudeCodeInstance[]>;

  /**
   * Adds the task to the session and resolves with what became of it: that it failed is an answer, not an error. It is there once, however often it is
   * sent. Errors: `conflict` (the session has ended, or has another task of this id), `invalidParams`.
   */
  orchestrateTask(
    task: TaskSpecification,
    session: OrchestrationSession,
    options?: Cancellable,
  ): Promise<OrchestrationResult>;
  /**
   * Has each of these agents, and nobody else, do the task; resolves when all have. Retries of the task stay with its agent. Errors: as those of
   * `createSession`; `unavailable` when none of the agents is connected.
   */
  distributeTask(
    task: TaskSpecification,
    agents: readonly ClaudeCodeInstance[],
    options?: DistributeOptions,
  ): Promise<DistributionResult>;
  /**
   * Where tasks would go if they were placed now: who gets them, why, and when they would be done. Nothing is started, and the coordinator decides anew when
   * slots come free. Errors: `config` (the plan), `invalidParams`, `notFound` (no such session runs).
   */
  planDistribution(request: DistributionRequest): Promise<DistributionPlan>;
  /**
   * What is there, then every change, until the session has ended; a lost connection is resumed. Who reads slowly gets the newest state of each row. `break`
   * ends it. It throws `notFound` where there is no such session.
   */
  monitorExecution(sessionId: string): AsyncIterable<ExecutionUpdate>;

  /** Every key of the shared memory, at one revision. Errors: `notFound`. */
  getSharedState(sessionId: string): Promise<SharedState>;
  /** All of the updates or none, in one transaction; at most 40. Errors: `conflict` (`data` has the key and its version), `notFound`, `tooLarge`. */
  updateSharedState(sessionId: string, updates: readonly StateUpdate[]): Promise<void>;
  /** Brings the replicas of these agents up to date, and says of each whether it is. Default: those that work for the session. */
  syncState(sessionId: string, targetAgents?: readonly string[]): Promise<SyncResult>;
}
