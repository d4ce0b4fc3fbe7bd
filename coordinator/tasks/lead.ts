/** The lead of the cluster as the rest of the coordinator sees it: stands for election, decides while elected, answers commands about sessions. */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import type {FleetStop, FleetStopped} from '../protocol/commands/agent.ts';
import type {
  DependencyResolve,
  DependencyResolved,
  TaskSplitDone,
  TaskSplitRequest,
} from '../protocol/commands/attempt.ts';
import type {LoadBalance, LoadBalanced} from '../protocol/commands/balance.ts';
import type {CacheClear, CacheCleared, CacheList, CacheListed} from '../protocol/commands/cache.ts';
import type {DistributePlan, DistributionPlan} from '../protocol/commands/distribution.ts';
import type {ModeGet, ModeSet, ModeStatus} from '../protocol/commands/mode.ts';
import type {SessionControl, SessionEnd, SessionStart, SessionStarted} from '../protocol/commands/session.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {AgentMode} from '../protocol/model/mode.ts';
import type {SessionRecord} from '../protocol/model/session.ts';
import {atMost, type Clock, delay} from '../runtime/clock.ts';
import {Emitter} from '../runtime/emitter.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {Random} from '../runtime/random.ts';
import type {Principal} from '../security/principal.ts';
import type {Store} from '../store/store.ts';
import type {AgentChannel} from './agentChannel.ts';
import {stopFleet} from './controls/fleetStop.ts';
import {isOnline} from './fleet/fleet.ts';
import {beginDuties, type LeadDuty} from './leadDuty.ts';
import type {ModeDemand} from './modes/modes.ts';
import {resolveDependencies} from './results/dependencies.ts';
import {DEFAULT_POLICY, type LeadPolicy, type LeadSettings, leadSettings} from './settings.ts';
import {Election, type Held} from './term/election.ts';
import {LeadTerm} from './term/leadTerm.ts';
import type {AuditedTxn, PlanStore, ResultArtifacts} from './term/term.ts';

export interface LeadOptions {
  readonly store: Store;
  readonly channel: AgentChannel;
  readonly plans: PlanStore;
  readonly results: ResultArtifacts;
  readonly auditedTxn: AuditedTxn;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Unique to this coordinator's data directory, which one process holds at a time. */
  readonly coordinator: string;
  readonly settings?: Partial<LeadSettings>;
  readonly policy?: LeadPolicy;
  readonly duties?: readonly LeadDuty[];
}

export type LeadStatus =
  | {readonly kind: 'following'; readonly lead: string | undefined}
  | {
      readonly kind: 'leading';
      readonly lead: string;
      /** Milliseconds. */
      readonly hubTimeMs: number;
      readonly sessions: number;
      readonly ready: number;
      readonly attempts: number;
      readonly agentsOnline: number;
      /** Steps on their way to the store. */
      readonly pendingSteps: number;
    };

const RESTART_MS = 500;
const LONGEST_RESTART_MS = 30_000;
const SHORT_TERM_MS = 10_000;
/** A store without a majority must not keep the process from ending; what is not stored is counted again by the next lead. */
const FLUSH_MS = 2000;

export class Lead {
  private readonly settings: LeadSettings;
  private readonly election: Election;
  private readonly stopping = new AbortController();
  private readonly termChanged = new Emitter<void>();
  private running: Promise<void> | undefined;
  private current: LeadTerm | undefined;
  private lead: string | undefined;
  private readonly suspects = new Set<string>();

  constructor(private readonly options: LeadOptions) {
    this.settings = leadSettings(options.settings);
    const {store, clock, logger, coordinator} = options;
    this.election = new Election({
      store,
      clock,
      logger,
      coordinator,
      ttlSeconds: this.settings.leadTtlSeconds,
    });
  }

  /** Stands for election from now on. Does not wait for the outcome. */
  start(): void {
    this.running ??= this.run();
  }

  /** Gives the lead up and resolves when nothing of it is under way. Attempts go on; the next lead takes them over. */
  async stop(): Promise<void> {
    this.stopping.abort(new ProtocolError('unavailable', 'the coordinator is stopping'));
    await this.running;
    this.termChanged.dispose();
  }

  /** Errors: `invalidParams`, `conflict`, `notFound` (the plan's artifact), `unavailable` (somebody else leads). */
  async startSession(params: SessionStart, principal: Principal): Promise<z.infer<typeof SessionStarted>> {
    return this.withTerm(lead => lead.starts.start(params, principal));
  }

  /** Errors: `notFound`, `notAvailable`, `unavailable`. */
  async endSession(params: SessionEnd, principal: Principal): Promise<{session: SessionRecord}> {
    return this.withTerm(async lead => ({session: await lead.controls.end(params, principal)}));
  }

  /** Errors: `notFound`, `conflict`, `unavailable`. */
  async controlSession(params: SessionControl, principal: Principal): Promise<{session: SessionRecord}> {
    return this.withTerm(async lead => ({session: await lead.controls.control(params, principal)}));
  }

  /** Errors: `notFound`, `conflict`, `invalidParams`, `unavailable`. */
  async balance(params: LoadBalance, principal: Principal): Promise<LoadBalanced> {
    return this.withTerm(lead => lead.balance.change(params, principal));
  }

  /** Errors: `notFound`, `unavailable`. */
  async mode(params: ModeGet, principal: Principal): Promise<ModeStatus> {
    return this.withTerm(lead => lead.modes.status(params, principal));
  }

  /** Errors: `notFound`, `conflict`, `unavailable`. */
  async setMode(params: ModeSet, principal: Principal): Promise<ModeStatus> {
    return this.withTerm(lead => lead.modes.set(params, principal));
  }

  /** Errors: `notFound` (no such session runs), `invalidParams` (the plan has problems), `unavailable`. */
  async planDistribution(params: DistributePlan, principal: Principal): Promise<DistributionPlan> {
    return this.withTerm(lead => lead.forecasts.plan(params, principal));
  }

  /** Errors: `unavailable`. */
  async listCache(params: CacheList, principal: Principal): Promise<CacheListed> {
    return this.withTerm(lead => lead.cache.list(params, principal));
  }

  /** Errors: `unavailable`. */
  async clearCache(params: CacheClear, principal: Principal): Promise<CacheCleared> {
    return this.withTerm(lead => lead.cache.clear(params, principal));
  }

  /** How much waits that agents of the mode may do; undefined while this coordinator does not lead. */
  demandFor(tenant: string, mode: AgentMode): ModeDemand | undefined {
    return this.current?.modes.demandFor(tenant, mode);
  }

  /** Resolves when every agent has confirmed or its time is up. Errors: `unavailable`. */
  async stopFleet(
    params: z.output<typeof FleetStop>,
    principal: Principal,
  ): Promise<z.infer<typeof FleetStopped>> {
    return this.withTerm(lead => stopFleet(lead.term, lead.controls, params, principal));
  }

  /** Errors: `staleFence`, `forbidden`, `invalidParams`, `unavailable`. */
  async resolveDependencies(
    params: DependencyResolve,
    principal: Principal,
  ): Promise<z.infer<typeof DependencyResolved>> {
    return this.withTerm(lead => resolveDependencies(lead.term, params, principal));
  }

  /** Errors: `staleFence`, `forbidden`, `invalidParams`, `conflict`, `unavailable`. */
  async splitTask(params: TaskSplitRequest, principal: Principal): Promise<TaskSplitDone> {
    return this.withTerm(lead => lead.splits.split(params, principal));
  }

  status(): LeadStatus {
    const {current} = this;
    if (!current) return {kind: 'following', lead: this.lead};
    const {fleet, queue, hub, committer} = current.term;
    const agents = [...fleet.agents.values()];
    return {
      kind: 'leading',
      lead: this.options.coordinator,
      hubTimeMs: hub.now(),
      sessions: fleet.sessions.size,
      ready: queue.size,
      attempts: agents.reduce((sum, agent) => sum + agent.attempts.size, 0),
      agentsOnline: agents.filter(isOnline).length,
      pendingSteps: committer.pending,
    };
  }

  private async run(): Promise<void> {
    const {signal} = this.stopping;
    const {logger, clock} = this.options;
    // What ends every term soon must not make this process spin.
    let shortTerms = 0;
    while (!signal.aborted) {
      let began = clock.now();
      try {
        this.lead = await this.election.leader();
        const held = await this.election.campaign(signal);
        began = clock.now();
        await this.reign(held);
      } catch (error) {
        if (signal.aborted) return;
        if (isCoordinatorError(error, 'closed')) {
          logger.info('the store is closed; this coordinator leads no more');
          return;
        }
        logger.error('leading failed; the coordinator tries again', {error});
      }
      shortTerms = clock.now() - began < SHORT_TERM_MS ? shortTerms + 1 : 0;
      const pause = Math.min(LONGEST_RESTART_MS, RESTART_MS * 2 ** Math.max(0, shortTerms - 1));
      await delay(clock, pause, signal).catch(() => undefined);
    }
  }

  /** Resolves when the term is over. */
  private async reign(held: Held): Promise<void> {
    const {clock, logger, coordinator} = this.options;
    const {signal} = this.stopping;
    let end: (reason: string) => void = () => undefined;
    const ended = new Promise<string>(resolve => {
      end = resolve;
    });
    const release = this.election.hold(held, reason => end(reason));
    const onStop = (): void => end('the coordinator is stopping');
    signal.addEventListener('abort', onStop, {once: true});
    if (signal.aborted) onStop();
    let opened: LeadTerm | undefined;
    try {
      opened = await LeadTerm.open(
        {
          ...this.options,
          settings: this.settings,
          policy: this.options.policy ?? DEFAULT_POLICY,
          suspects: this.suspects,
        },
        held,
        end,
      );
      this.current = opened;
      this.lead = coordinator;
      logger.info('this coordinator leads', {
        revision: held.createRevision,
        sessions: opened.term.fleet.sessions.size,
      });
      this.termChanged.emit();
      const {duties = []} = this.options;
      beginDuties(duties, opened.term.committer.guard, opened.term.signal);
      const reason = await ended;
      logger.info('this coordinator leads no more', {reason});
      if (signal.aborted) {
        const flushing = [opened.flush(), ...duties.map(duty => duty.flush?.())];
        await atMost(clock, FLUSH_MS, Promise.allSettled(flushing));
      }
    } finally {
      signal.removeEventListener('abort', onStop);
      this.current = undefined;
      opened?.dispose();
      release();
      await this.election.resign(held).catch((error: unknown) => {
        logger.debug('the lead could not be given up; its lease will end', {error});
      });
    }
  }

  /** Runs a command under the present term, waiting a while for one; a command whose term ends under it is `unavailable`. */
  private async withTerm<T>(run: (lead: LeadTerm) => Promise<T>): Promise<T> {
    const lead = this.current ?? (await this.nextTerm());
    const {signal} = lead.term;
    return new Promise<T>((resolve, reject) => {
      const abort = (): void =>
        reject(
          new ProtocolError(
            'unavailable',
            'the lead changed meanwhile; whether the command took effect is not known',
          ),
        );
      signal.addEventListener('abort', abort, {once: true});
      run(lead)
        .then(resolve, (error: unknown) => (signal.aborted ? abort() : reject(error)))
        .finally(() => signal.removeEventListener('abort', abort));
    });
  }

  private nextTerm(): Promise<LeadTerm> {
    return new Promise((resolve, reject) => {
      const settle = (run: () => void): void => {
        timer.dispose();
        subscription.dispose();
        this.stopping.signal.removeEventListener('abort', onStop);
        run();
      };
      const fail = (): void => {
        const who = this.lead === undefined ? 'nobody leads yet' : `coordinator ${this.lead} leads`;
        reject(new ProtocolError('unavailable', `this coordinator does not lead: ${who}`, {lead: this.lead}));
      };
      const onStop = (): void => settle(fail);
      const timer = this.options.clock.schedule(this.settings.leadWaitMs, () => settle(fail));
      const subscription = this.termChanged.event(() => {
        const {current} = this;
        if (current) settle(() => resolve(current));
      });
      this.stopping.signal.addEventListener('abort', onStop, {once: true});
      if (this.stopping.signal.aborted) settle(fail);
    });
  }
}
