/** One term of leadership: puts the parts together, loads what is unfinished, and follows the store until the lead is lost. */
import * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import {ALL_TENANTS_PREFIX, SYSTEM_KEYS, tenantKeys} from '../protocol/model/keys.ts';
import {parseRecord, recordFields} from '../protocol/model/record.ts';
import {every} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {HubClock} from '../runtime/hubClock.ts';
import type {WatchMessage} from '../store/store.ts';
import {Approvals} from './approvals.ts';
import {Budgets} from './budgets.ts';
import {Committer} from './committer.ts';
import {Conductor} from './conductor.ts';
import {coolDown, Dispatcher} from './dispatcher.ts';
import type {Held} from './election.ts';
import {
  type AgentNode,
  type AttemptNode,
  Fleet,
  isFinalTask,
  type SessionNode,
  type TaskNode,
} from './fleet.ts';
import {Loader} from './loader.ts';
import {insertMerge} from './mergeInputs.ts';
import {isPrompt, ReadyQueue} from './readyQueue.ts';
import {Retention} from './retention.ts';
import {Scheduler} from './scheduler.ts';
import {SessionControls} from './sessionControls.ts';
import {SessionEnds} from './sessionEnds.ts';
import {removeTasks, SessionStarts} from './sessionStarts.ts';
import {SessionWriter} from './sessions.ts';
import {StoreEvents} from './storeEvents.ts';
import type {Term} from './term.ts';
import {Timekeeper} from './timekeeper.ts';
import {Verifier} from './verifier.ts';

export const HubTimeRecord = z.looseObject({...recordFields, hubTimeMs: z.number().nonnegative()});

export type TermOptions = Pick<
  Term,
  'store' | 'channel' | 'plans' | 'auditedTxn' | 'clock' | 'random' | 'settings' | 'coordinator'
> & {readonly logger: Logger; readonly onEnd: (reason: string) => void};

export class LeadTerm implements Disposable {
  readonly term: Term;
  readonly controls: SessionControls;
  readonly starts: SessionStarts;
  private readonly owned = new DisposableStore();
  private readonly budgets: Budgets;
  private readonly conductor: Conductor;
  private readonly dispatcher: Dispatcher;
  private readonly sessions: SessionWriter;
  private readonly timekeeper: Timekeeper;
  private readonly approvals: Approvals;
  private readonly loader: Loader;
  private readonly events: StoreEvents;
  private readonly retention: Retention;
  private readonly tenants = new Set<string>();
  private isOver = false;

  private constructor(
    private readonly options: TermOptions,
    held: Held,
    hubTimeMs: number,
  ) {
    const end = new AbortController();
    this.owned.add({dispose: () => end.abort()});
    const fleet = new Fleet();
    const queue = new ReadyQueue();
    const {store, clock, settings, logger, coordinator} = options;
    const committer = new Committer(
      store,
      {key: SYSTEM_KEYS.lead, target: 'create', op: '=', operand: held.createRevision},
      {
        clock,
        logger,
        maxInFlight: settings.maxTxnsInFlight,
        onFenced: () => this.depose('somebody else leads'),
      },
    );
    this.owned.add({dispose: () => committer.stop()});
    const principal = `coordinator:${coordinator}`;
    const scheduler = new Scheduler(
      fleet,
      queue,
      placement =>
        placement.session.record.state === 'running' &&
        !placement.session.held &&
        !(placement.isPrompt && this.promptsStopped(placement.session)),
    );
    this.term = {
      ...options,
      incarnation: store.status().incarnation,
      committer,
      fleet,
      queue,
      scheduler,
      hub: new HubClock(clock, hubTimeMs),
      principal,
      signal: end.signal,
      depose: reason => this.depose(reason),
    };
    const {term} = this;
    this.budgets = new Budgets(fleet, () => clock.wallNow(), settings.fleetBudgetUsdPerDay, principal);
    this.sessions = new SessionWriter(term, this.budgets);
    this.approvals = new Approvals(term, task => this.conductor.evaluate(task));
    this.dispatcher = new Dispatcher(term, this.budgets, {
      accepted: attempt => this.confirmed(attempt),
      refused: (attempt, reason) => this.refusedBy(attempt, reason),
      undeliverable: (attempt, failure) => this.rejected(attempt, failure),
    });
    const verifier = new Verifier(term, attempt => this.conductor.evaluate(attempt.task));
    const ends = new SessionEnds(term, this.sessions, session => this.sessionEnded(session));
    this.conductor = new Conductor(term, {
      promptsStopped: session => this.promptsStopped(session),
      spent: session => this.spent(session),
      assigned: attempt => this.dispatcher.assign(attempt),
      ended: (attempt, record) => {
        this.dispatcher.ended(attempt, record);
        this.approvals.withdrawAttempt(attempt);
      },
      verify: attempt => verifier.begin(attempt),
      question: (task, subject, message) => this.approvals.question(task, subject, message),
      mergeInputs: (task, failure) =>
        insertMerge(task, failure, principal, merge => this.conductor.evaluate(merge)),
      workedOff: session => ends.workedOff(session),
    });
    this.timekeeper = new Timekeeper(term, this.conductor, this.sessions, this.budgets);
    this.loader = new Loader(term, this.budgets, this.approvals);
    this.events = new StoreEvents(term, this.approvals, {
      attemptChanged: attempt => {
        this.conductor.evaluate(attempt.task);
        this.spent(attempt.task.session);
      },
      agentChanged: agent => this.agentChanged(agent),
      accountChanged: () => this.conductor.schedule(),
    });
    this.starts = new SessionStarts(term, session => this.adopt(session, true));
    this.controls = new SessionControls({
      term,
      conductor: this.conductor,
      sessions: this.sessions,
      budgets: this.budgets,
      approvals: this.approvals,
      loader: this.loader,
      adopt: session => this.adopt(session, false),
    });
    this.retention = new Retention(term);
  }

  /** Resolves when everything unfinished is loaded and being worked on. */
  static async open(options: TermOptions, held: Held): Promise<LeadTerm> {
    const stored = await options.store.get(SYSTEM_KEYS.hubTime);
    const hubTimeMs = stored ? parseRecord(HubTimeRecord, stored.key, stored.value).hubTimeMs : 0;
    const opened = new LeadTerm(options, held, hubTimeMs);
    try {
      await opened.begin(held.revision);
    } catch (error) {
      opened.dispose();
      throw error;
    }
    return opened;
  }

  dispose(): void {
    this.isOver = true;
    this.owned.dispose();
  }

  /** Stores what is only in memory: counts, spend and hub time. */
  async flush(): Promise<void> {
    this.timekeeper.storeHubTime(this.term.hub.now());
    await this.sessions.flushed(this.term.fleet);
  }

  private async begin(revision: number): Promise<void> {
    const {store, clock, settings, logger} = this.options;
    const {tenants, halfStarted} = await this.loader.load(revision);
    for (const tenant of tenants) this.tenants.add(tenant);
    this.owned.add(
      store.watch(ALL_TENANTS_PREFIX, {fromRevision: revision + 1}, message => this.onWatch(message)),
    );
    this.owned.add(every(clock, settings.tickMs, () => this.guarded('tick', () => this.timekeeper.tick())));
    this.owned.add(every(clock, settings.retentionMs, () => this.sweep()));
    for (const {tenant, id} of halfStarted) {
      logger.info('the start of a session was cut off; its tasks are removed', {session: id});
      await removeTasks(this.term, tenantKeys(tenant), id);
    }
    for (const session of [...this.term.fleet.sessions.values()]) this.adopt(session, false);
  }

  private onWatch(message: WatchMessage): void {
    if (this.isOver) return;
    if (message.kind === 'events')
      this.guarded('watch', () => {
        for (const event of message.events) this.events.take(event);
      });
    else this.depose(message.kind === 'compacted' ? 'the watch fell behind' : 'the store was closed');
  }

  /** A fault of ours must not leave a lead that decides on a picture which has parted from the store. */
  private guarded(what: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.options.logger.error('the lead stumbled and starts over from the store', {what, error});
      this.depose(`${what} failed`);
    }
  }

  private depose(reason: string): void {
    if (this.isOver) return;
    this.dispose();
    this.options.onEnd(reason);
  }

  /** Everything of the session that can be done now is begun. */
  private adopt(session: SessionNode, isNew: boolean): void {
    const {fleet} = this.term;
    this.tenants.add(session.tenant);
    fleet.addSession(session);
    this.timekeeper.adopt(session);
    if (!isNew)
      for (const task of session.tasks.values()) {
        const {attempt} = task;
        for (const incarnation of task.lostOn) this.conductor.noteLoss(task, incarnation);
        if (!attempt) continue;
        this.timekeeper.watch(attempt);
        if (!attempt.accepted) this.dispatcher.assign(attempt);
      }
    this.controls.reconsider(session);
  }

  private confirmed(attempt: AttemptNode): void {
    attempt.accepted = true;
    this.timekeeper.confirmed(attempt);
  }

  private refusedBy(attempt: AttemptNode, reason: string): void {
    this.term.logger.debug('an agent refused an attempt', {attempt: attempt.record.id, reason});
    coolDown(attempt, this.term);
    this.rejected(attempt, 'refused');
  }

  private rejected(attempt: AttemptNode, how: NonNullable<AttemptNode['rejected']>): void {
    attempt.rejected = how;
    this.conductor.evaluate(attempt.task);
  }

  /** Call when an attempt may have spent something. */
  private spent(session: SessionNode): void {
    if (this.promptsStopped(session)) this.stopSpending(session);
  }

  private promptsStopped(session: SessionNode): boolean {
    return this.budgets.isSessionSpent(session) || this.budgets.isDaySpent(session.tenant);
  }

  private stopSpending(session: SessionNode): void {
    if (this.budgets.isSessionSpent(session) && session.record.state === 'running') {
      const spent = session.spentUsd.toFixed(2);
      const failure = `the session's budget of $${session.record.budgetUsd} is spent ($${spent}): raise it to go on`;
      this.sessions
        .update(
          session,
          () =>
            session.record.state === 'running'
              ? {state: 'paused', pauseReason: 'budget', failure}
              : undefined,
          {
            action: 'session.budgetSpent',
            principal: this.term.principal,
            detail: {spentUsd: session.spentUsd},
          },
        )
        .catch((error: unknown) =>
          this.options.logger.debug('a session was not paused', {session: session.id, error}),
        );
    }
    for (const agent of this.term.fleet.agents.values())
      for (const attempt of agent.attempts)
        if (isPrompt(attempt.task.spec) && agent.tenant === session.tenant)
          this.conductor.evaluate(attempt.task);
  }

  private agentChanged(agent: AgentNode): void {
    for (const attempt of agent.attempts) {
      this.timekeeper.watch(attempt);
      this.conductor.evaluate(attempt.task);
    }
    if (agent.live) this.conductor.returnLosses(agent.tenant, `${agent.id}/${agent.live.value.incarnation}`);
    this.conductor.schedule();
  }

  private sessionEnded(session: SessionNode): void {
    this.approvals.withdrawSession(session);
    for (const task of session.tasks.values()) this.forget(task);
    this.options.logger.info('a session ended', {session: session.id, state: session.record.state});
  }

  private forget(task: TaskNode): void {
    this.term.queue.remove(task);
    if (!isFinalTask(task)) this.options.logger.warn('a session ended before a task', {task: task.key});
  }

  private sweep(): void {
    for (const tenant of this.tenants)
      this.retention.sweep(tenant).catch((error: unknown) => {
        if (!this.isOver) this.options.logger.warn('old sessions could not be deleted', {tenant, error});
      });
  }
}
