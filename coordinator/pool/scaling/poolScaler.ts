/**
 * Keeps as many agents as the work demands: a duty of the lead. Each is a record before anything is started, so that whoever leads next knows it.
 * Dead ones are replaced under their own name, which keeps their caches; only idle ones are sent away, and what they were given meanwhile they
 * finish.
 */
import type {Logger} from '../../observability/logger.ts';
import type {AgentMode} from '../../protocol/model/mode.ts';
import type {PoolMember} from '../../protocol/model/pool.ts';
import {type Clock, every} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import {describeError, isCoordinatorError} from '../../runtime/errors.ts';
import type {Principal} from '../../security/principal.ts';
import type {Stored} from '../../store/records.ts';
import type {Compare} from '../../store/store.ts';
import type {AgentDirectory, KnownAgent} from '../agentDirectory.ts';
import type {AgentRegistry} from '../agentRegistry.ts';
import type {AgentProvider} from '../providers/agentProvider.ts';
import {type Demand, describeDemand, type PoolLimits, predictedWaitMs, wantedAgents} from './poolSize.ts';
import type {PoolStore} from './poolStore.ts';

export interface PoolScalerSettings extends PoolLimits {
  /** Time between two looks, in ms. */
  readonly lookMs: number;
  /** How long an agent has been idle before it is sent away for want of work, in ms. */
  readonly cooldownMs: number;
  /** One that fell silent is replaced after this, unless its process is known to have ended, in ms. */
  readonly silentMs: number;
  /** An agent that has not joined after this is started anew, in ms. */
  readonly joinMs: number;
}

export interface PoolDemand extends Pick<Demand, 'ready' | 'meanMs' | 'leftOutBy'> {
  /** The coordinator's mode gives such agents work. */
  readonly admits: (mode: AgentMode) => boolean;
}

export interface PoolScalerOptions {
  readonly records: PoolStore;
  readonly provider: AgentProvider;
  readonly directory: AgentDirectory;
  readonly registry: Pick<AgentRegistry, 'remove'>;
  /** What waits, as the lead knows it; undefined while it does not lead. `meanMs` is what attempts took lately. */
  readonly demand: () => Promise<PoolDemand | undefined>;
  readonly tenant: string;
  readonly coordinatorId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: PoolScalerSettings;
}

const FIRST_BACKOFF_MS = 1000;
const LONGEST_BACKOFF_MS = 60_000;
/** An agent that lived this long died of something new. */
const WELL_MS = 60_000;

export class PoolScaler implements Disposable {
  private readonly owned = new DisposableStore();
  private term: {readonly fence: Compare; readonly owned: DisposableStore} | undefined;
  private looking = false;
  private lookAgain = false;
  private said = '';

  constructor(private readonly options: PoolScalerOptions) {
    const {provider, directory} = options;
    this.owned.add(provider);
    this.owned.add(provider.onExit(() => this.look()));
    this.owned.add(directory.lives.onChange(() => this.look()));
  }

  /** `fence` holds while this coordinator leads. */
  begin(fence: Compare): void {
    this.end();
    const owned = new DisposableStore();
    this.term = {fence, owned};
    owned.add(every(this.options.clock, this.options.settings.lookMs, () => this.look()));
    this.look();
  }

  /** Its agents go on: whoever leads next knows them. */
  end(): void {
    this.term?.owned.dispose();
    this.term = undefined;
  }

  dispose(): void {
    this.end();
    this.owned.dispose();
  }

  /** Looks at once, or after the present look. */
  look(): void {
    const {term} = this;
    if (!term) return;
    if (this.looking) {
      this.lookAgain = true;
      return;
    }
    this.looking = true;
    void this.reconcile(term.fence)
      .catch((error: unknown) => {
        if (this.term !== term || isCoordinatorError(error, 'closed')) return;
        this.options.logger.warn('the pool is not as it should be yet', {error});
      })
      .finally(() => {
        this.looking = false;
        const again = this.lookAgain;
        this.lookAgain = false;
        if (again) this.look();
      });
  }

  private async reconcile(fence: Compare): Promise<void> {
    const {records} = this.options;
    const isOver = (): boolean => this.term?.fence !== fence;
    const members = await records.members();
    for (const member of members) {
      if (isOver()) return;
      await this.settle(member, fence);
    }
    const demand = await this.demand(members);
    const target = (await records.target())?.value.size;
    if (!demand || isOver()) return;
    const {settings} = this.options;
    const wanted =
      target === undefined || demand.leftOutBy !== undefined
        ? wantedAgents(demand, settings)
        : Math.min(target, Math.max(settings.max, settings.min));
    await this.decided(wanted, members.length, target, demand, fence);
    if (isOver()) return;
    const present = await records.members();
    const staying = present.filter(({value}) => value.state !== 'stopping');
    if (staying.length < wanted) await this.grow(wanted - staying.length, present, fence);
    else if (staying.length > wanted)
      await this.shrink(
        staying.length - wanted,
        staying,
        target === undefined && demand.leftOutBy === undefined,
        fence,
      );
  }

  /** Brings one member and its record in line with what is so. */
  private async settle(member: Stored<PoolMember>, fence: Compare): Promise<void> {
    const {records, provider, directory, clock} = this.options;
    const {agentId, state, startedAt} = member.value;
    const agent = directory.get(agentId);
    const joined = agent?.live !== undefined && agent.live.incarnation !== member.value.replaced;
    if (state === 'stopping') {
      if (agent?.live) return this.sendAway(agentId);
      await provider.stop(agentId);
      await records.forget(member, fence);
      return;
    }
    const hasEnded = this.isMine(member.value) && provider.isRunning(agentId) === false;
    if (joined && !hasEnded) {
      const well = clock.wallNow() - startedAt > WELL_MS;
      if (state === 'starting' || (well && member.value.failures > 0))
        await records.put(
          {...member.value, state: 'running', failures: well ? 0 : member.value.failures},
          member,
          fence,
        );
      return;
    }
    await this.revive(member, hasEnded, fence);
  }

  /** It did not join in time, or is gone. One that dies again and again is given more and more time. */
  private async revive(member: Stored<PoolMember>, hasEnded: boolean, fence: Compare): Promise<void> {
    const {clock, logger, settings, coordinatorId} = this.options;
    const {agentId, state, startedAt, failures} = member.value;
    const ageMs = clock.wallNow() - startedAt;
    if (state === 'starting' && !hasEnded && ageMs < settings.joinMs && this.isMine(member.value)) return;
    if (!hasEnded && state === 'running' && failures === 0 && this.mayComeBack(agentId)) return;
    const backoffMs =
      failures === 0 ? 0 : Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(10, failures - 1));
    if (ageMs < backoffMs) return;
    const lastFailure = hasEnded
      ? 'its process ended'
      : state === 'starting'
        ? 'it did not join in time'
        : 'it fell silent';
    logger.warn('an agent of the pool is replaced', {agentId, why: lastFailure, failures: failures + 1});
    const next = {
      ...member.value,
      coordinator: coordinatorId,
      provider: this.options.provider.name,
      startedAt: clock.wallNow(),
      state: 'starting' as const,
      failures: failures + 1,
      lastFailure,
      replaced: this.incarnationOf(agentId),
    };
    if (!(await this.options.records.put(next, member, fence))) return;
    // Of what was there something may be left.
    await this.options.provider.stop(agentId).catch((error: unknown) => {
      logger.debug('what was left of an agent could not be ended', {agentId, error});
    });
    await this.start(agentId, fence);
  }

  private incarnationOf(agentId: string): string | undefined {
    return this.options.directory.live(agentId)?.value.incarnation;
  }

  /** It fell silent only just now: a cut is no death. */
  private mayComeBack(agentId: string): boolean {
    const {directory, clock, settings} = this.options;
    const {status, stateSince} = statusOf(directory.get(agentId));
    return status === 'unreachable' && clock.wallNow() - stateSince < settings.silentMs;
  }

  private isMine({coordinator}: PoolMember): boolean {
    return coordinator === this.options.coordinatorId;
  }

  private async grow(count: number, members: readonly Stored<PoolMember>[], fence: Compare): Promise<void> {
    const {records, coordinatorId, provider, clock} = this.options;
    const taken = new Set(members.map(({value}) => value.agentId));
    const started: Promise<void>[] = [];
    for (let number = 1; started.length < count; number++) {
      const agentId = `pool-${number}`;
      if (taken.has(agentId)) continue;
      const member = {
        agentId,
        provider: provider.name,
        coordinator: coordinatorId,
        startedAt: clock.wallNow(),
        state: 'starting' as const,
        failures: 0,
        replaced: this.incarnationOf(agentId),
      };
      if (!(await records.put(member, undefined, fence))) break;
      started.push(this.start(agentId, fence));
    }
    await Promise.all(started);
  }

  private async start(agentId: string, fence: Compare): Promise<void> {
    const {records, provider, logger} = this.options;
    try {
      await provider.start(agentId);
      logger.info('an agent of the pool was started', {agentId, provider: provider.name});
    } catch (error) {
      logger.warn('an agent of the pool could not be started', {agentId, error});
      const member = (await records.members()).find(({value}) => value.agentId === agentId);
      if (!member) return;
      const failures = Math.max(1, member.value.failures);
      // Nothing is to be waited for: the next look tries again, after a while.
      const failed = {
        ...member.value,
        failures,
        state: 'running' as const,
        lastFailure: describeError(error).slice(0, 1024),
      };
      await records.put(failed, member, fence);
    }
  }

  /** Those that have been idle for longest, highest number first; never one that works. */
  private async shrink(
    count: number,
    members: readonly Stored<PoolMember>[],
    forWantOfWork: boolean,
    fence: Compare,
  ): Promise<void> {
    const {records, directory, clock, settings, logger} = this.options;
    const now = clock.wallNow();
    const isIdle = (agent: KnownAgent | undefined): boolean =>
      agent?.live !== undefined &&
      agent.running === 0 &&
      agent.record.instance.status === 'idle' &&
      (!forWantOfWork || now - (agent.record.stateSince ?? now) >= settings.cooldownMs);
    const idle = members
      .filter(({value}) => isIdle(directory.get(value.agentId)))
      .sort((a, b) => numberOf(b.value) - numberOf(a.value));
    for (const member of idle.slice(0, count)) {
      if (!(await records.put({...member.value, state: 'stopping'}, member, fence))) return;
      logger.info('an agent of the pool is sent away', {agentId: member.value.agentId});
      await this.sendAway(member.value.agentId);
    }
  }

  /** What it got meanwhile it finishes. */
  private async sendAway(agentId: string): Promise<void> {
    const {registry, directory, records, tenant} = this.options;
    if (directory.get(agentId)?.record['removing'] === true) return;
    const principal: Principal = {id: records.principal, tenant, role: 'coordinator'};
    await registry.remove({agentId}, principal);
  }

  private async demand(members: readonly Stored<PoolMember>[]): Promise<Demand | undefined> {
    const wanted = await this.options.demand();
    if (!wanted) return undefined;
    const {admits, ...known} = wanted;
    const own = new Set(members.map(({value}) => value.agentId));
    let [otherSlots, working] = [0, 0];
    for (const {id, live, record, running} of this.options.directory.all()) {
      // Those of a run do its tasks alone.
      if (!live || record.instance.metadata.reservedFor !== undefined) continue;
      working += running;
      if (!own.has(id) && !record.draining && admits(record.mode))
        otherSlots += record.instance.metadata.maxConcurrentTasks;
    }
    return {...known, running: working, otherSlots};
  }

  private async decided(
    wanted: number,
    size: number,
    target: number | undefined,
    demand: Demand,
    fence: Compare,
  ): Promise<void> {
    const {slots} = this.options.settings;
    const waitMs = predictedWaitMs(demand, demand.otherSlots + size * slots);
    const follows = target === undefined || demand.leftOutBy !== undefined;
    const reason = follows ? describeDemand(demand) : `a person wants ${target}`;
    const text = `${wanted} ${reason}`;
    if (text === this.said) return;
    this.said = text;
    const predicted = Number.isFinite(waitMs) ? {predictedWaitMs: Math.round(waitMs)} : {};
    await this.options.records.decided({wanted, reason, ...predicted}, fence);
  }
}

function statusOf(agent: KnownAgent | undefined): {status: string | undefined; stateSince: number} {
  return {status: agent?.record.instance.status, stateSince: agent?.record.stateSince ?? 0};
}

function numberOf({agentId}: PoolMember): number {
  return Number(agentId.slice(agentId.lastIndexOf('-') + 1));
}
