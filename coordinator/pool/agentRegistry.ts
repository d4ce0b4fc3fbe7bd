/**
 * The agents of one tenant at one coordinator: registration, heartbeats, drain, goodbye, removal. Their records' states are agentStates.ts;
 * sockets are the hub's, what becomes of a lost agent's attempts is the lead's.
 */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import type {
  AgentDrain,
  AgentGoodbye,
  AgentKept,
  AgentRegister,
  AgentRegistered,
  AgentRelease,
  AgentRemove,
  HealthCheck,
  HealthStatus,
  HeldAttempt,
  MetricsReport,
} from '../protocol/commands/agent.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {AgentLoad, PerformanceMetrics} from '../protocol/instance.ts';
import {type TenantKeys, tenantKeys} from '../protocol/model/keys.ts';
import {assert} from '../runtime/assert.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {Event} from '../runtime/emitter.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {AuditLog} from '../security/audit.ts';
import type {Principal} from '../security/principal.ts';
import {found} from '../store/records.ts';
import type {Op, Store} from '../store/store.ts';
import type {AgentBreakers} from './agentBreakers.ts';
import type {AgentDirectory} from './agentDirectory.ts';
import {AgentHealth} from './agentHealth.ts';
import {performanceOf} from './agentPerformance.ts';
import {AgentStates} from './agentStates.ts';
import {HeartbeatWatch} from './heartbeatWatch.ts';
import {registerAgent} from './registration.ts';

export interface AgentRegistrySettings {
  /** An agent that is silent for so long is given up. */
  readonly leaseSeconds: number;
  /** Least time between two writes of an agent's status as its load changes, in ms. */
  readonly statusIntervalMs: number;
  /** Time between two writes of an agent's health, in ms. */
  readonly healthIntervalMs: number;
  /** Tries of a read-modify-write that others keep overtaking. */
  readonly maxTries: number;
}

export const AGENT_REGISTRY_SETTINGS: AgentRegistrySettings = {
  leaseSeconds: 10,
  statusIntervalMs: 1000,
  healthIntervalMs: 30_000,
  maxTries: 8,
};

/** Heartbeats in the time of a lease: two may be lost. */
const HEARTBEATS_PER_LEASE = 3;
/** Error rate from which an agent is told that it is degraded. */
const DEGRADED_ERROR_RATE = 0.5;
const GETS_PER_TXN = 64;
/** Processes that were sent away and are not let in again. */
const MAX_REMOVED = 1000;

export interface AgentRegistryOptions {
  readonly store: Store;
  readonly tenant: string;
  readonly coordinatorId: string;
  readonly directory: AgentDirectory;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What became of commands to the agents that are connected here. */
  readonly breakers?: AgentBreakers;
  readonly settings?: Partial<AgentRegistrySettings>;
}

/** What this process knows of an agent that registered here. */
interface Session {
  readonly incarnation: string;
  readonly lease: string;
  readonly health: AgentHealth;
  load: AgentLoad | undefined;
  /** Of its last metrics report. */
  performance: PerformanceMetrics | undefined;
}

export class AgentRegistry implements Disposable {
  private readonly store: Store;
  private readonly keys: TenantKeys;
  private readonly directory: AgentDirectory;
  private readonly settings: AgentRegistrySettings;
  private readonly states: AgentStates;
  private readonly heartbeats: HeartbeatWatch;
  private readonly sessions = new Map<string, Session>();
  private readonly removedIncarnations = new Set<string>();
  private readonly heartbeatMs: number;

  /** An agent was forgotten: whoever holds its socket tells it to stop. */
  readonly onRemoved: Event<string>;

  constructor(private readonly options: AgentRegistryOptions) {
    const {store, tenant, directory} = options;
    this.store = store;
    this.keys = tenantKeys(tenant);
    this.directory = directory;
    this.settings = {...AGENT_REGISTRY_SETTINGS, ...options.settings};
    this.heartbeatMs = (this.settings.leaseSeconds * 1000) / HEARTBEATS_PER_LEASE;
    const {clock, logger} = options;
    this.heartbeats = new HeartbeatWatch(this.heartbeatMs, {clock, logger}, agentId =>
      this.states.touch(agentId),
    );
    this.states = new AgentStates({
      ...options,
      ...this.settings,
      keys: this.keys,
      healthOf: agentId => this.sessions.get(agentId)?.health.current,
      performanceOf: agentId => this.sessions.get(agentId)?.performance,
      troubleOf: agentId => this.heartbeats.troubleOf(agentId) ?? options.breakers?.troubleOf(agentId),
    });
    options.breakers?.onChanged(agentId => this.states.touch(agentId));
    this.onRemoved = this.states.onRemoved;
    this.onRemoved(agentId => this.sentAway(agentId));
  }

  /**
   * Starts to follow the agents, once the directory has started. Live keys of agents of this coordinator get a whole lease from now, so that they
   * have time to come back when it was away; how long others are silent, their coordinators know. Agents that went meanwhile are marked.
   */
  async adopt(): Promise<void> {
    const {coordinatorId} = this.options;
    const own = [...this.directory.lives.all()].filter(({value}) => value.coordinator === coordinatorId);
    const leases = own.flatMap(({lease}) => (lease === undefined ? [] : [lease]));
    await Promise.all(leases.map(lease => this.store.keepAlive(lease)));
    this.states.start();
    this.heartbeats.start();
  }

  dispose(): void {
    this.heartbeats.dispose();
    this.states.dispose();
    this.sessions.clear();
  }

  /** As `dispose`; resolves when every write that was begun has settled, so that the store may close. */
  async stop(): Promise<void> {
    this.dispose();
    await this.states.queue.idle();
  }

  /** Errors: `forbidden`, `conflict` (replaced by a process that still lives), `overloaded`. */
  async register(params: AgentRegister, principal: Principal): Promise<z.infer<typeof AgentRegistered>> {
    const agentId = params.instance.id;
    this.checkAgent(agentId, principal);
    if (this.removedIncarnations.has(params.incarnation))
      throw new ProtocolError('forbidden', `agent ${agentId} was removed; start it again to join anew`);
    const finished = await this.finishedOf(params.attempts);
    await this.states.queue.run(agentId, () => this.enrol(params, finished, principal));
    return {
      coordinator: this.options.coordinatorId,
      store: this.store.status().incarnation,
      leaseSeconds: this.settings.leaseSeconds,
      heartbeatMs: this.heartbeatMs,
      stale: await this.staleOf(params.attempts),
    };
  }

  /**
   * Renews the agent's lease and takes its load. Errors: `notFound` (register again: the lease ended, or another coordinator has it),
   * `conflict` (another process took the id: stop).
   */
  async heartbeat(
    params: z.infer<typeof HealthCheck>,
    principal: Principal,
  ): Promise<z.infer<typeof HealthStatus>> {
    const agentId = params.agentId ?? principal.agentId;
    if (agentId === undefined) throw new ProtocolError('invalidParams', 'a heartbeat names its agent');
    this.checkAgent(agentId, principal);
    const session = this.sessionOf(agentId, params.incarnation);
    const {clock, coordinatorId} = this.options;
    const wallNow = clock.wallNow();
    session.load = params.load ?? session.load;
    this.heartbeats.heard(agentId);
    session.health.heartbeat({now: clock.now(), wallNow, sentAt: params.sentAt, periodMs: this.heartbeatMs});
    const answer = {id: coordinatorId, load: params.load, at: wallNow};
    try {
      if (!(await this.store.keepAlive(session.lease))) throw unregistered(agentId, 'its lease has ended');
    } catch (error) {
      // Without a majority no lease ends either: the agent holds on.
      if (!isCoordinatorError(error, 'unavailable') && !isCoordinatorError(error, 'timeout')) throw error;
      return {...answer, status: 'degraded', detail: 'the store has no majority'};
    }
    if (this.directory.record(agentId)?.value.draining) return {...answer, status: 'draining'};
    const degraded = session.health.current.errorRate > DEGRADED_ERROR_RATE;
    return {...answer, status: degraded ? 'degraded' : 'ok'};
  }

  /** Takes the outcome of a health check that the hub made of an agent that is registered here. */
  observe(agentId: string, outcome: {ok: true; responseMs: number} | {ok: false}): void {
    const health = this.sessions.get(agentId)?.health;
    if (outcome.ok) health?.checked({...outcome, wallNow: this.options.clock.wallNow()});
    else health?.checked(outcome);
  }

  /** Takes what the agent has done so far; its record tells it when its health is written next. What a replaced process says changes nothing. */
  measured({agentId, incarnation, counters}: z.infer<typeof MetricsReport>, principal: Principal): void {
    this.checkAgent(agentId, principal);
    const session = this.sessions.get(agentId);
    if (session?.incarnation === incarnation) session.performance = performanceOf(counters);
  }

  /** The load of the last heartbeat, of agents that are registered here. */
  loadOf(agentId: string): AgentLoad | undefined {
    return this.sessions.get(agentId)?.load;
  }

  /** The agent leaves by its own will. A goodbye of a process that was replaced changes nothing. */
  async goodbye(params: z.infer<typeof AgentGoodbye>, principal: Principal): Promise<Record<string, never>> {
    const {agentId, incarnation} = params;
    this.checkAgent(agentId, principal);
    await this.states.queue.run(agentId, () => this.states.leave(agentId, incarnation, 'offline'));
    if (this.sessions.get(agentId)?.incarnation === incarnation) this.forget(agentId);
    return {};
  }

  /** Takes what an agent keeps on its disk. What a process says that was replaced changes nothing. Errors: `notFound`, `forbidden`. */
  async kept({agentId, incarnation, kept}: AgentKept, principal: Principal): Promise<Record<string, never>> {
    this.checkAgent(agentId, principal);
    await this.states.queue.run(agentId, () =>
      this.states.update(agentId, record =>
        record.incarnation === incarnation ? {...record, keptWorktrees: kept} : record,
      ),
    );
    return {};
  }

  /** A drained agent finishes what it has and gets nothing new. Errors: `notFound`, `forbidden` (an agent drains itself only). */
  async drain(
    {agentId, drain}: z.infer<typeof AgentDrain>,
    principal: Principal,
  ): Promise<Record<string, never>> {
    if (principal.role === 'agent') this.checkAgent(agentId, principal);
    const action = drain ? 'agent.drain' : 'agent.undrain';
    await this.states.queue.run(agentId, () =>
      this.states.update(agentId, record => ({...record, draining: drain}), {action, principal}),
    );
    return {};
  }

  /** A person trusts it again: quarantine or probation is over, and what led there counts no more. Errors: `notFound`, `forbidden`. */
  async release(
    {agentId}: z.infer<typeof AgentRelease>,
    principal: Principal,
  ): Promise<Record<string, never>> {
    if (principal.role === 'agent') throw new ProtocolError('forbidden', 'agents do not release agents');
    const releasedAt = this.options.clock.wallNow();
    await this.states.queue.run(agentId, () =>
      this.states.update(agentId, record => ({...record, quarantine: undefined, releasedAt}), {
        action: 'agent.release',
        principal,
      }),
    );
    return {};
  }

  /**
   * Forgets an agent that is gone. A live one is drained, and sent away when its last attempt is over. Errors: `notFound`, `forbidden`.
   */
  async remove({agentId}: z.infer<typeof AgentRemove>, principal: Principal): Promise<Record<string, never>> {
    if (principal.role === 'agent') throw new ProtocolError('forbidden', 'agents do not remove agents');
    await this.states.queue.run(agentId, async () => {
      await this.states.update(agentId, record => ({...record, draining: true, removing: true}), {
        action: 'agent.remove',
        principal,
      });
      await this.states.settle(agentId);
    });
    return {};
  }

  private async enrol(
    params: AgentRegister,
    finished: readonly string[],
    principal: Principal,
  ): Promise<void> {
    const {audit, clock, coordinatorId, logger} = this.options;
    const {leaseSeconds, maxTries} = this.settings;
    const agentId = params.instance.id;
    const registered = await registerAgent(
      {store: this.store, keys: this.keys, audit, clock, coordinatorId, leaseSeconds, maxTries, finished},
      params,
      principal,
    );
    const before = this.sessions.get(agentId);
    this.directory.take(registered);
    const same = before?.incarnation === params.incarnation ? before : undefined;
    const {healthcheck} = (this.directory.record(agentId)?.value ?? params).instance;
    this.sessions.set(agentId, {
      incarnation: params.incarnation,
      lease: registered.lease,
      health: same?.health ?? new AgentHealth(healthcheck),
      load: same?.load,
      performance: same?.performance,
    });
    this.heartbeats.registered(agentId);
    this.options.breakers?.forget(agentId);
    if (registered.replaced !== undefined)
      logger.warn('an agent was replaced', {agentId, by: params.incarnation, replaced: registered.replaced});
    this.states.touch(agentId);
  }

  private sentAway(agentId: string): void {
    const incarnation = this.sessions.get(agentId)?.incarnation;
    this.forget(agentId);
    if (incarnation === undefined) return;
    this.removedIncarnations.add(incarnation);
    const [oldest] = this.removedIncarnations;
    if (this.removedIncarnations.size > MAX_REMOVED && oldest !== undefined)
      this.removedIncarnations.delete(oldest);
  }

  private forget(agentId: string): void {
    this.sessions.delete(agentId);
    this.heartbeats.forget(agentId);
    this.options.breakers?.forget(agentId);
  }

  /** Of the held attempts, those that are finished and whose completions will be accepted: nobody needs to do them again. */
  private async finishedOf(held: readonly z.infer<typeof HeldAttempt>[]): Promise<string[]> {
    const finished = held.filter(({state}) => state === 'finished');
    const stale = new Set(await this.staleOf(finished));
    return finished.map(({attemptId}) => attemptId).filter(attemptId => !stale.has(attemptId));
  }

  /** Of the held attempts, those whose effects would be refused. */
  private async staleOf(held: readonly z.infer<typeof HeldAttempt>[]): Promise<string[]> {
    const {incarnation} = this.store.status();
    const stale: string[] = [];
    for (let from = 0; from < held.length; from += GETS_PER_TXN) {
      const part = held.slice(from, from + GETS_PER_TXN);
      const ops = part.map(({attemptId}): Op => ({kind: 'get', key: this.keys.live(attemptId)}));
      const {responses} = await this.store.txn({then: ops});
      for (const [index, {attemptId, fence}] of part.entries()) {
        const stands = found(responses[index])?.createRevision === fence.revision;
        if (!stands || fence.store !== incarnation || fence.attempt !== attemptId) stale.push(attemptId);
      }
    }
    return stale;
  }

  private sessionOf(agentId: string, incarnation: string | undefined): Session {
    const live = this.directory.live(agentId);
    if (live && incarnation !== undefined && live.value.incarnation !== incarnation)
      throw new ProtocolError('conflict', `agent ${agentId} runs as another process that started later`, {
        incarnation: live.value.incarnation,
      });
    if (!live) throw unregistered(agentId, 'it has no lease');
    const {coordinator} = live.value;
    const session = this.sessions.get(agentId);
    if (!session || coordinator !== this.options.coordinatorId)
      throw unregistered(agentId, `${coordinator} has it, this connection is new`);
    return session;
  }

  private checkAgent(agentId: string, principal: Principal): void {
    assert(principal.tenant === this.options.tenant, `a principal of tenant ${principal.tenant} came here`);
    const own = principal.agentId === undefined || principal.agentId === agentId;
    if (principal.role === 'client' || !own)
      throw new ProtocolError('forbidden', `${principal.id} does not speak for agent ${agentId}`);
  }
}

function unregistered(agentId: string, reason: string): ProtocolError {
  return new ProtocolError('notFound', `agent ${agentId} has to register again: ${reason}`, {agentId});
}
