/** The orchestrator over a connection to a coordinator, or to several of one cluster. */
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import {readArtifact} from '../../artifacts/readArtifact.ts';
import type {DistributionPlan} from '../../protocol/commands/distribution.ts';
import type {Row} from '../../protocol/commands/watch.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {ClaudeCodeInstance, DiscoveryCriteria} from '../../protocol/instance.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../protocol/model/session.ts';
import type {Plan, TaskSpecification} from '../../protocol/plan/plan.ts';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import {newId, type Random} from '../../runtime/random.ts';
import type {McpxClient} from '../mcpxClient.ts';
import {PlanReader} from '../mirror/planReader.ts';
import {sessionProgress} from '../report/sessionProgress.ts';
import {readSession} from '../report/sessionReport.ts';
import {sendWorkspace} from '../repository/sendWorkspace.ts';
import {snapshotRows} from '../snapshotRows.ts';
import {startSession} from '../startSession.ts';
import {availableAgents} from './availableAgents.ts';
import type {
  Cancellable,
  DistributedOrchestrator,
  DistributedTask,
  DistributeOptions,
  DistributionRequest,
  DistributionResult,
  RegisterOptions,
  TerminateOptions,
} from './distributedOrchestrator.ts';
import {ExecutionFeed, type ExecutionUpdate} from './executionFeed.ts';
import {type OrchestrationResult, whenFinal} from './outcome.ts';
import {type OrchestrationSession, orchestrationSession, planOf, type SessionConfig} from './session.ts';
import {
  readSharedState,
  type SharedState,
  type StateUpdate,
  type SyncResult,
  syncResult,
} from './sharedState.ts';
import {untilView} from './untilView.ts';

const REGISTER_TIMEOUT_MS = 30_000;
const DEFAULT_SLOTS = 1;

export interface OrchestratorParts {
  readonly client: McpxClient;
  readonly artifacts: ArtifactClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Of the git that is run for `folder`. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export class McpxOrchestrator implements DistributedOrchestrator {
  /** For whatever this interface does not say: every command of the protocol, views and transcripts. */
  readonly client: McpxClient;
  private readonly plans: PlanReader;

  constructor(private readonly parts: OrchestratorParts) {
    this.client = parts.client;
    this.plans = new PlanReader(sha256 => readArtifact(parts.artifacts, sha256));
  }

  /** Leaves; sessions go on. */
  close(): void {
    this.client.dispose();
    this.parts.artifacts.dispose();
  }

  async createSession(config: SessionConfig): Promise<OrchestrationSession> {
    const {artifacts, random} = this.parts;
    const plan = planOf(config);
    const {id = newId(random, 's'), keep = false, rehearsal = false, open = plan.tasks.length === 0} = config;
    const workspace = await this.send(plan, config);
    const record = await startSession(this.client, artifacts, {
      sessionId: id,
      plan,
      workspace: workspace?.source,
      keep,
      rehearsal,
      noCache: config.cache === false || undefined,
      open,
    });
    return (await this.getSession(id)) ?? this.describe(record, [], plan);
  }

  async getSession(sessionId: string): Promise<OrchestrationSession | null> {
    const [rows, agents] = await Promise.all([
      snapshotRows(this.client, {view: 'session', sessionId}, this.parts.clock),
      snapshotRows(this.client, {view: 'agents'}, this.parts.clock),
    ]);
    const record = sessionIn(rows);
    return record ? this.describe(record, [...rows, ...agents], await this.planOf(record)) : null;
  }

  async terminateSession(sessionId: string, {mode = 'cancel', signal}: TerminateOptions = {}): Promise<void> {
    const before = await this.requireSession(sessionId);
    if (FINAL_SESSION_STATES.has(before.state)) return;
    const again = {retry: true};
    if (mode === 'finish')
      await this.client.request('mcpx.session.control', {sessionId, action: {kind: 'close'}}, again);
    else await this.client.request('mcpx.orchestrate.session.end', {sessionId, mode}, again);
    await untilView(
      this.client,
      {view: 'session', sessionId},
      rows => {
        const record = sessionIn(rows);
        return !record || FINAL_SESSION_STATES.has(record.state);
      },
      {signal},
    );
  }

  async registerAgent(agent: ClaudeCodeInstance, options?: RegisterOptions): Promise<void> {
    const {id, endpoint} = agent;
    const isOnline = (rows: readonly Row[]): boolean =>
      rows.some(row => row.kind === 'agent' && row.id === id && row.online);
    if (!/^wss?:\/\//.test(endpoint)) {
      if (isOnline(await snapshotRows(this.client, {view: 'agents'}, this.parts.clock))) return;
      throw new CoordinatorError('config', `agent ${id} has no address that can be dialled: ${endpoint}`, {
        hint: 'Start it with "mcpx agent --listen", or have it join by itself with "mcpx agent --join".',
      });
    }
    if (!options)
      throw new CoordinatorError('config', `agent ${id} wants to see a token: name it in the options`);
    const {token, ca, signal, timeoutMs = REGISTER_TIMEOUT_MS} = options;
    await this.client.request('mcpx.agent.dial', {agentId: id, url: endpoint, token, ca}, {retry: true});
    const late = new AbortController();
    const timer = this.parts.clock.schedule(timeoutMs, () =>
      late.abort(
        new CoordinatorError('timeout', `agent ${id} did not register within ${timeoutMs} ms`, {
          hint: `The coordinator goes on dialling ${endpoint} until the agent is deregistered.`,
        }),
      ),
    );
    const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
    try {
      await untilView(this.client, {view: 'agents'}, isOnline, {signal: either});
    } finally {
      timer.dispose();
    }
  }

  async deregisterAgent(agentId: string): Promise<void> {
    await this.client.request('mcpx.agent.remove', {agentId});
  }

  async getAvailableAgents(criteria?: DiscoveryCriteria): Promise<ClaudeCodeInstance[]> {
    return availableAgents(await snapshotRows(this.client, {view: 'agents'}, this.parts.clock), criteria);
  }

  async orchestrateTask(
    task: TaskSpecification,
    {id: sessionId}: OrchestrationSession,
    {signal}: Cancellable = {},
  ): Promise<OrchestrationResult> {
    await this.addTasks(sessionId, [task]);
    const [result] = await whenFinal(this.client, sessionId, [task.id], signal);
    if (!result) throw new CoordinatorError('notFound', `task ${task.id} of session ${sessionId} is gone`);
    return result;
  }

  async distributeTask(
    task: TaskSpecification,
    agents: readonly ClaudeCodeInstance[],
    {session, signal, ...config}: DistributeOptions = {},
  ): Promise<DistributionResult> {
    const ids = [...new Set(agents.map(({id}) => id))];
    const present = new Set(
      (await this.getAvailableAgents({status: ['idle', 'active', 'busy']})).map(({id}) => id),
    );
    const connected = ids.filter(id => present.has(id));
    if (connected.length === 0)
      throw new CoordinatorError('unavailable', 'none of the agents is connected and takes work', {
        hint: 'Nothing was started. getAvailableAgents() names those that are there.',
      });
    const tasks = connected.map(agentId => onAgent(task, agentId, ids.indexOf(agentId)));
    const plan = await this.planDistribution({tasks, ...(session && {session})});
    const name = task.title ?? task.id;
    const {id: sessionId} = session ?? (await this.createSession({...config, plan: {name}, open: true}));
    try {
      await this.addTasks(sessionId, tasks);
      const results = await whenFinal(
        this.client,
        sessionId,
        tasks.map(({id}) => id),
        signal,
      );
      if (!session) await this.terminateSession(sessionId, {mode: 'finish', signal});
      const byAgent = new Map(connected.map((agentId, at) => [agentId, results[at]]));
      return {sessionId, plan, agents: ids.map(agentId => answerOf(agentId, byAgent.get(agentId)))};
    } catch (error) {
      // Nobody else knows of it.
      if (!session) await this.terminateSession(sessionId).catch(() => undefined);
      throw error;
    }
  }

  async planDistribution({plan, tasks, session, agents}: DistributionRequest): Promise<DistributionPlan> {
    return this.client.request(
      'mcpx.distribute.plan',
      {
        plan: plan === undefined ? undefined : planOf({plan}),
        tasks: tasks && [...tasks],
        sessionId: session?.id,
        agents: agents?.map(({id}) => id),
      },
      {retry: true},
    );
  }

  monitorExecution(sessionId: string): AsyncIterable<ExecutionUpdate> {
    return {
      [Symbol.asyncIterator]: () => this.follow(sessionId),
    };
  }

  async getSharedState(sessionId: string): Promise<SharedState> {
    await this.requireSession(sessionId);
    return readSharedState(this.client, sessionId);
  }

  async updateSharedState(sessionId: string, updates: readonly StateUpdate[]): Promise<void> {
    if (updates.length === 0) return;
    await this.client.request('mcpx.memory.txn', {sessionId, writes: [...updates]});
  }

  async syncState(sessionId: string, targetAgents?: readonly string[]): Promise<SyncResult> {
    await this.requireSession(sessionId);
    const params = {sessionId, targetAgents: targetAgents && [...targetAgents]};
    return syncResult(await this.client.request('mcpx.coordinate.state.sync', params, {retry: true}));
  }

  private async *follow(sessionId: string): AsyncGenerator<ExecutionUpdate, undefined> {
    await this.requireSession(sessionId);
    yield* new ExecutionFeed(this.client, sessionId);
    return undefined;
  }

  private async addTasks(sessionId: string, tasks: TaskSpecification[]): Promise<void> {
    const action = {kind: 'addTasks', tasks} as const;
    await this.client.request('mcpx.session.control', {sessionId, action}, {retry: true});
  }

  private async requireSession(sessionId: string): Promise<SessionRecord> {
    const rows = await snapshotRows(this.client, {view: 'sessions'}, this.parts.clock);
    const record = sessionIn(rows.filter(({id}) => id === sessionId));
    if (!record) throw new ProtocolError('notFound', `there is no session ${sessionId}`);
    return record;
  }

  private send(plan: Plan, {folder = '.', uncommitted = false}: SessionConfig) {
    const {artifacts, clock, env} = this.parts;
    return sendWorkspace({
      plan,
      planFolder: folder,
      includeUncommitted: uncommitted,
      client: this.client,
      artifacts,
      clock,
      env,
      signal: new AbortController().signal,
    });
  }

  /** Undefined when the coordinator has it no more. */
  private planOf({plan}: SessionRecord): Promise<Plan | undefined> {
    return this.plans.read(plan).catch((error: unknown) => {
      if (isCoordinatorError(error, 'notFound')) return undefined;
      throw error;
    });
  }

  private describe(
    record: SessionRecord,
    rows: readonly Row[],
    plan: Plan | undefined,
  ): OrchestrationSession {
    const report = readSession([{kind: 'session', id: record.id, session: record}, ...rows], record.id, plan);
    if (!report) throw new CoordinatorError('internal', `session ${record.id} has no row`);
    const online = report.agents.filter(agent => agent.online);
    const slots = online.reduce((sum, {record: {instance}}) => sum + instance.metadata.maxConcurrentTasks, 0);
    return orchestrationSession(
      record,
      sessionProgress(report, plan, {
        wallNow: this.parts.clock.wallNow(),
        slots: rows.length > 0 ? slots : DEFAULT_SLOTS,
      }),
    );
  }
}

function sessionIn(rows: Iterable<Row>): SessionRecord | undefined {
  for (const row of rows) if (row.kind === 'session') return row.session;
  return undefined;
}

/** The task as this agent gets it, which nobody else may take. */
function onAgent(task: TaskSpecification, agentId: string, index: number): TaskSpecification {
  return {
    ...task,
    id: `${task.id}-${index + 1}`,
    affinity: [...task.affinity, {kind: 'agent', with: [agentId], strength: 'require'}],
  };
}

function answerOf(agentId: string, result: OrchestrationResult | undefined): DistributedTask {
  return result ? {agentId, kind: 'ran', result} : {agentId, kind: 'notConnected'};
}
