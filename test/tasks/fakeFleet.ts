/** Agents for the lead's tests: an `AgentChannel` whose other end registers, works and reports through the store as the real services do. */

import {Fences} from '../../coordinator/effects/fences.ts';
import {storeLateUsage} from '../../coordinator/effects/lateUsage.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {TaskAssign} from '../../coordinator/protocol/commands/attempt.ts';
import {
  METHODS,
  type Method,
  type ParamsInput,
  type Result,
} from '../../coordinator/protocol/commands/table.ts';
import {ProtocolError} from '../../coordinator/protocol/errors.ts';
import type {GateEvidence, QualityGateConfig} from '../../coordinator/protocol/gate.ts';
import {DEFAULT_TENANT} from '../../coordinator/protocol/ids.ts';
import {ClaudeCodeInstance} from '../../coordinator/protocol/instance.ts';
import {AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import {AttemptRecord, type AttemptReport} from '../../coordinator/protocol/model/attempt.ts';
import {tenantKeys} from '../../coordinator/protocol/model/keys.ts';
import {NO_USAGE, type Usage} from '../../coordinator/protocol/usage.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {type Deferred, deferred} from '../../coordinator/runtime/deferred.ts';
import type {Principal} from '../../coordinator/security/principal.ts';
import {fenceHolds, putRecord, readRecord, unchanged} from '../../coordinator/store/records.ts';
import type {Store} from '../../coordinator/store/store.ts';
import type {AgentChannel} from '../../coordinator/tasks/agentChannel.ts';

export const keys = tenantKeys(DEFAULT_TENANT);

export type Work = (
  assign: TaskAssign,
  agent: FakeAgent,
) => Promise<AttemptReport | undefined> | AttemptReport | undefined;
export type GateRun = (gate: QualityGateConfig, attemptId: string) => GateEvidence | Promise<GateEvidence>;

export const done: AttemptReport = {outcome: 'succeeded', result: {summary: 'done'}};

export const succeed: Work = () => done;

export function failing(
  kind: 'exit' | 'rateLimit' | 'auth' | 'crashed' | 'budget',
  message = 'it failed',
): AttemptReport {
  return {outcome: 'failed', failure: {kind, message}};
}

export function passed(gate: QualityGateConfig): GateEvidence {
  return {gate: gate.name, passed: true, exitCode: 0, output: 'ok', durationMs: 1};
}

export interface AgentOptions {
  readonly id: string;
  readonly slots?: number;
  readonly mode?: AgentRecord['mode'];
  readonly instance?: Record<string, unknown>;
  readonly metadata?: Record<string, unknown>;
  readonly work?: Work;
  readonly gate?: GateRun;
}

export class FakeAgent {
  readonly assigned: TaskAssign[] = [];
  readonly cancelled: string[] = [];
  readonly released: {attemptId: string; keep: boolean}[] = [];
  work: Work;
  gate: GateRun;
  refuses: 'draining' | 'noSlot' | 'stopped' | undefined;
  connected = true;
  /** Of these it was told by the command of that name. */
  readonly merges: string[] = [];
  /** False: it is of a version that has no such command. */
  knowsMerges = true;
  /** Whether it still has worktrees that it was told to keep. */
  hasWorktrees = true;
  /** So many of the next releases are lost on the way. */
  losesReleases = 0;
  /** Times that it was told to stop everything. */
  stops = 0;
  private lease: string | undefined;
  private readonly known = new Set<string>();

  constructor(
    private readonly store: Store,
    private readonly options: AgentOptions,
    public incarnation: string,
  ) {
    this.work = options.work ?? succeed;
    this.gate = options.gate ?? passed;
  }

  get id(): string {
    return this.options.id;
  }

  /** Takes the id under a lease of its own, as the registry does. */
  async register(patch: Record<string, unknown> = {}, finished?: readonly string[]): Promise<void> {
    const {id, slots = 1, mode = 'external', instance = {}, metadata = {}} = this.options;
    const lease = await this.store.grantLease(600);
    const record = {
      v: 1,
      principal: `agent:${id}`,
      instance: ClaudeCodeInstance.parse({
        id,
        endpoint: `/agents/${id}`,
        capabilities: [],
        status: 'idle',
        healthcheck: {lastSeen: 0, responseTime: 0, errorRate: 0},
        ...instance,
        metadata: {
          region: 'local',
          version: '1',
          maxConcurrentTasks: slots,
          specializations: [],
          performanceMetrics: {},
          claude: {kind: 'ready', version: '2', authentication: 'key'},
          ...metadata,
        },
      }),
      incarnation: this.incarnation,
      mode,
      registeredAt: 0,
      draining: false,
      ...patch,
    };
    const live = {
      v: 1,
      principal: `agent:${id}`,
      incarnation: this.incarnation,
      coordinator: 'c-1',
      finished,
    };
    await this.store.txn({
      then: [putRecord(keys.agent(id), record), putRecord(keys.agentLive(id), live, lease.id)],
    });
    const before = this.lease;
    this.lease = lease.id;
    this.connected = true;
    if (before !== undefined) await this.store.revokeLease(before);
  }

  /** Leaves by its own will. */
  async goodbye(): Promise<void> {
    const stored = await readRecord(this.store, AgentRecord, keys.agent(this.id));
    if (!stored) throw new Error(`no agent ${this.id}`);
    this.connected = false;
    const instance = {...stored.value.instance, status: 'offline'};
    await this.store.txn({
      then: [
        {kind: 'delete', key: keys.agentLive(this.id)},
        putRecord(stored.key, {...stored.value, instance, departed: this.incarnation}),
      ],
    });
  }

  /** Falls silent: its lease ends, its work goes on. */
  async vanish(): Promise<void> {
    this.connected = false;
    if (this.lease !== undefined) await this.store.revokeLease(this.lease);
    this.lease = undefined;
  }

  /** Reports as the attempt's effects do: one transaction under the fence, in which that of a rival falls. False when its own had fallen. */
  async report({fence}: TaskAssign, report: AttemptReport, usage: Usage = NO_USAGE): Promise<boolean> {
    const isWon = report.outcome === 'succeeded';
    return this.rewrite(
      fence,
      ({backup, ...record}) => ({
        ...record,
        ...(backup && !isWon && {backup}),
        state: 'reported',
        report,
        usage,
      }),
      ({backup, backupOf, rival}) => (isWon ? (backup ? backupOf?.attemptId : rival) : undefined),
    );
  }

  /** Tells what the attempt spent after the lead has ended it. */
  async spendLate({attemptId}: TaskAssign, costUsd: number): Promise<void> {
    const options = {store: this.store, tenant: DEFAULT_TENANT, clock: systemClock, logger: silentLogger};
    const fences = new Fences(options);
    const principal: Principal = {
      id: `agent:${this.id}`,
      tenant: DEFAULT_TENANT,
      role: 'agent',
      agentId: this.id,
    };
    await storeLateUsage(fences, attemptId, {...NO_USAGE, costUsd}, principal);
    fences.dispose();
  }

  async spend({fence}: TaskAssign, costUsd: number): Promise<boolean> {
    return this.rewrite(fence, record => ({...record, usage: {...record.usage, costUsd}}));
  }

  private async rewrite(
    fence: TaskAssign['fence'],
    change: (record: AttemptRecord) => AttemptRecord,
    fallOf: (record: AttemptRecord) => string | undefined = () => undefined,
  ): Promise<boolean> {
    for (;;) {
      const attempt = await readRecord(this.store, AttemptRecord, keys.attempt(fence.attempt));
      if (!attempt) return false;
      const live = keys.live(fence.attempt);
      const other = fallOf(attempt.value);
      const {succeeded} = await this.store.txn({
        compare: [fenceHolds(live, fence), unchanged(attempt)],
        then: [
          putRecord(attempt.key, change(attempt.value)),
          ...(other === undefined ? [] : [{kind: 'delete', key: keys.live(other)} as const]),
        ],
      });
      if (succeeded) return true;
      if ((await this.store.get(live))?.createRevision !== fence.revision) return false;
    }
  }

  async handle<M extends Method>(method: M, input: ParamsInput<M>): Promise<unknown> {
    const params = METHODS[method].params.parse(input) as never;
    switch (method) {
      case 'mcpx.distribute.result.merge':
        if (!this.knowsMerges) throw new ProtocolError('notAvailable', method);
        this.merges.push((params as TaskAssign).taskId);
        return this.take(params);
      case 'mcpx.orchestrate.task.assign':
        return this.take(params);
      case 'mcpx.coordinate.quality.gate': {
        const {gate, attemptId} = params as {gate: QualityGateConfig; attemptId: string};
        const isElsewhere = gate.type === 'review' || gate.type === 'approval';
        const change = isElsewhere ? {files: 1, summary: 'changed a.txt'} : undefined;
        return {evidence: await this.gate(gate, attemptId), change};
      }
      case 'mcpx.attempt.cancel':
        this.cancelled.push((params as {attemptId: string}).attemptId);
        return {known: true};
      case 'mcpx.attempt.release':
        if (this.losesReleases > 0) {
          this.losesReleases -= 1;
          throw new ProtocolError('agentDisconnected', 'the connection closed');
        }
        this.released.push(params);
        return {kept: (params as {keep: boolean}).keep && this.hasWorktrees};
      case 'mcpx.agent.stopAll':
        this.stops += 1;
        return {killed: this.assigned.length};
      default:
        throw new ProtocolError('methodNotFound', method);
    }
  }

  private take(assign: TaskAssign): unknown {
    if (this.refuses) return {kind: 'refused', reason: this.refuses, message: 'no'};
    if (this.known.has(assign.attemptId)) return {kind: 'known'};
    this.known.add(assign.attemptId);
    this.assigned.push(assign);
    void (async () => {
      const {recheck} = assign;
      const report: AttemptReport | undefined = recheck
        ? {outcome: 'succeeded', result: recheck.result}
        : await this.work(assign, this);
      if (report) await this.report(assign, report);
    })();
    return {kind: 'accepted'};
  }
}

export class FakeFleet implements AgentChannel {
  readonly agents = new Map<string, FakeAgent>();
  private readonly waiting: {readonly test: () => boolean; readonly met: Deferred<void>}[] = [];

  constructor(private readonly store: Store) {}

  async add(options: AgentOptions): Promise<FakeAgent> {
    const agent = new FakeAgent(this.store, options, `${options.id}-first`);
    this.agents.set(agent.id, agent);
    await agent.register();
    return agent;
  }

  /** Resolves when a message to an agent makes `test` true. */
  until(test: () => boolean): Promise<void> {
    if (test()) return Promise.resolve();
    const met = deferred<void>();
    this.waiting.push({test, met});
    return met.promise;
  }

  async send<M extends Method>(agentId: string, method: M, params: ParamsInput<M>): Promise<Result<M>> {
    const agent = this.agents.get(agentId);
    // As over a socket: never in the sender's own turn.
    await new Promise<void>(resolve => setImmediate(resolve));
    if (!agent?.connected) throw new ProtocolError('agentDisconnected', `agent ${agentId} is not connected`);
    const answer = (await agent.handle(method, params)) as Result<M>;
    for (const {test, met} of this.waiting) if (test()) met.resolve();
    return answer;
  }
}
