/** One term of leadership: puts the parts together, loads what is unfinished, and follows the store until the lead is lost. */
import type {WorktreePlace} from '../../protocol/model/attempt.ts';
import {ALL_TENANTS_PREFIX} from '../../protocol/model/keys.ts';
import {every} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import {describeError} from '../../runtime/errors.ts';
import type {WatchMessage} from '../../store/store.ts';
import {Approvals} from '../controls/approvals.ts';
import {SessionControls} from '../controls/sessionControls.ts';
import {TaskControls} from '../controls/taskControls.ts';
import {
  type AgentNode,
  type AttemptNode,
  isFinalTask,
  presentAttempts,
  type SessionNode,
} from '../fleet/fleet.ts';
import {Loader} from '../fleet/loader.ts';
import {StoreEvents} from '../fleet/storeEvents.ts';
import {GateApprovals} from '../gates/gateApprovals.ts';
import {Reviews} from '../gates/reviews.ts';
import {Verifier} from '../gates/verifier.ts';
import {Modes} from '../modes/modes.ts';
import {BalanceControls} from '../placing/balanceControls.ts';
import {Calibrations} from '../placing/calibrations.ts';
import {Forecasts} from '../placing/forecasts.ts';
import {LearnedStore} from '../placing/learnedStore.ts';
import {insertMerge} from '../plan/mergeInputs.ts';
import {TaskAdditions} from '../plan/taskAdditions.ts';
import {TaskSplits} from '../plan/taskSplits.ts';
import {ResultCache} from '../reuse/resultCache.ts';
import {Reuse} from '../reuse/reuse.ts';
import {isUndoDue} from '../rollback/rollbackScope.ts';
import {Rollbacks} from '../rollback/rollbacks.ts';
import {Admission} from '../sessions/admission.ts';
import {removeCutOff} from '../sessions/cutOff.ts';
import {Releases} from '../sessions/releases.ts';
import {Retention} from '../sessions/retention.ts';
import {SessionEnds} from '../sessions/sessionEnds.ts';
import {SessionStarts} from '../sessions/sessionStarts.ts';
import {SessionWriter} from '../sessions/sessions.ts';
import {LateUsages} from '../spending/lateUsages.ts';
import {SpendStop} from '../spending/spendStop.ts';
import {Conductor} from '../steps/conductor.ts';
import {coolDown, Dispatcher, type RefusalReason} from '../steps/dispatcher.ts';
import {storedHubTime, Timekeeper} from '../steps/timekeeper.ts';
import {SubjectTasks} from '../subjects/subjectTasks.ts';
import type {Held} from './election.ts';
import {guarded, nowOf, type Term} from './term.ts';
import {createTerm, type TermOptions} from './termParts.ts';

export class LeadTerm implements Disposable {
  readonly term: Term;
  readonly controls: SessionControls;
  readonly starts: SessionStarts;
  readonly splits: TaskSplits;
  readonly balance: BalanceControls;
  readonly modes: Modes;
  readonly cache: ResultCache;
  readonly forecasts: Forecasts;
  private readonly owned = new DisposableStore();
  private readonly tasks: TaskControls;
  private readonly conductor: Conductor;
  private readonly rollbacks: Rollbacks;
  private readonly dispatcher: Dispatcher;
  private readonly sessions: SessionWriter;
  private readonly timekeeper: Timekeeper;
  private readonly approvals: Approvals;
  private readonly loader: Loader;
  private readonly events: StoreEvents;
  private readonly retention: Retention;
  private readonly lateUsages: LateUsages;
  private readonly spendStop: SpendStop;
  private readonly releases: Releases;
  private readonly learned: LearnedStore;
  private readonly calibrations: Calibrations;
  private readonly tenants = new Set<string>();
  private readonly suspects: Set<string>;
  private isOver = false;

  private constructor(
    options: TermOptions,
    held: Held,
    hubTimeMs: number,
    private readonly onEnd: (reason: string) => void,
  ) {
    const end = new AbortController();
    this.owned.add({dispose: () => end.abort()});
    const term = createTerm(options, held, hubTimeMs, end.signal, {
      depose: reason => this.depose(reason),
      faulted: (what, error, session) => this.faulted(what, error, session),
    });
    this.suspects = options.suspects;
    this.term = term;
    this.owned.add({dispose: () => term.committer.stop()});
    this.sessions = new SessionWriter(term);
    const gateApprovals = new GateApprovals(term);
    this.approvals = new Approvals(term, gateApprovals, task => this.conductor.evaluate(task));
    this.dispatcher = new Dispatcher(term, {
      accepted: (attempt, worktree) => this.confirmed(attempt, worktree),
      refused: (attempt, reason) => this.refusedBy(attempt, reason),
      undeliverable: (attempt, failure) => this.rejected(attempt, failure),
    });
    const subjects = new SubjectTasks(term, () => this.conductor);
    const reviews = new Reviews(term, subjects, () => this.conductor);
    const verifier = new Verifier(term, {reviews, approvals: gateApprovals}, attempt => {
      this.conductor.evaluate(attempt.task);
      // Whoever waits for others has left its slot.
      if (attempt.verification?.standsBy) this.conductor.schedule();
    });
    this.cache = new ResultCache(term);
    const reuse = new Reuse(term, this.cache, task => this.conductor.evaluate(task));
    const ends = new SessionEnds(term, this.sessions, session => this.sessionEnded(session));
    this.conductor = new Conductor(term, {
      spent: session => this.spendStop.spent(session),
      assigned: attempt => this.dispatcher.assign(attempt),
      ended: (attempt, record) => {
        this.dispatcher.ended(attempt, record);
        if (record.outcome === 'succeeded') reuse.keep(attempt.task, record);
        this.approvals.withdrawAttempt(attempt);
        subjects.abandonAll(attempt.task.session, record.id);
      },
      finished: task => {
        this.approvals.withdrawDecisions(task);
        if (isUndoDue(task)) this.rollbacks.advance(task.session);
      },
      verify: attempt => verifier.begin(attempt),
      question: (task, subject, message) => this.approvals.question(task, subject, message),
      mergeInputs: (task, failure) =>
        insertMerge(task, failure, term.principal, merge => this.conductor.evaluate(merge)),
      workedOff: session =>
        this.rollbacks.holds(session) ? this.rollbacks.advance(session) : ends.workedOff(session),
      lookUp: task => reuse.lookUp(task),
      reuse: task => reuse.step(task),
    });
    term.advisers.whenAdvised(() => this.conductor.schedule());
    this.rollbacks = new Rollbacks({
      term,
      sessions: this.sessions,
      subjects,
      conductor: () => this.conductor,
      reconsider: session => this.tasks.reconsider(session),
      workedOff: session => ends.workedOff(session),
      ended: session => this.sessionEnded(session),
    });
    this.spendStop = new SpendStop(term, this.conductor, this.sessions);
    this.timekeeper = new Timekeeper(term, this.conductor, this.sessions);
    this.loader = new Loader(term, this.approvals);
    this.events = new StoreEvents(term, this.approvals, {
      attemptChanged: attempt => {
        this.conductor.evaluate(attempt.task);
        this.spendStop.spent(attempt.task.session);
      },
      agentChanged: agent => this.agentChanged(agent),
      accountChanged: () => this.conductor.schedule(),
      spentLate: (tenant, attemptId) => this.lateUsages.note(tenant, attemptId),
    });
    this.lateUsages = new LateUsages(term, this.conductor.steps, this.sessions, session =>
      this.spendStop.spent(session),
    );
    const admission = new Admission(term);
    this.starts = new SessionStarts(term, admission, session => this.adopt(session));
    const {conductor, sessions, approvals, loader} = this;
    const adopt = (session: SessionNode): void => this.adopt(session);
    this.releases = new Releases(term);
    this.learned = new LearnedStore(term);
    const {releases} = this;
    this.tasks = new TaskControls({term, conductor, sessions, approvals, verifier});
    const additions = new TaskAdditions(term, admission, conductor, sessions, this.tasks, added =>
      this.timekeeper.adopt(added),
    );
    this.splits = new TaskSplits(term, additions);
    this.controls = new SessionControls({
      term,
      conductor,
      sessions,
      approvals,
      tasks: this.tasks,
      additions,
      loader,
      releases,
      admission,
      adopt,
    });
    this.balance = new BalanceControls({term, conductor, sessions, tasks: this.tasks});
    this.modes = new Modes({term, conductor, sessions, tasks: this.tasks});
    this.forecasts = new Forecasts(term, this.modes);
    this.calibrations = new Calibrations(term, this.starts, this.modes);
    this.retention = new Retention(term, releases);
  }

  /** Resolves when everything unfinished is loaded and being worked on. */
  static async open(options: TermOptions, held: Held, onEnd: (reason: string) => void): Promise<LeadTerm> {
    const opened = new LeadTerm(options, held, await storedHubTime(options.store), onEnd);
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

  /** Stores what is only in memory: counts, spend, hub time and what was learned of agents. */
  async flush(): Promise<void> {
    this.timekeeper.storeHubTime(this.term.hub.now());
    await Promise.all([this.sessions.flushed(this.term.fleet), this.learned.save()]);
  }

  private async begin(revision: number): Promise<void> {
    const {store, clock, settings, logger} = this.term;
    const {tenants, halfStarted, lateUsages} = await this.loader.load(revision);
    for (const tenant of tenants) this.tenants.add(tenant);
    await this.releases.load(tenants, revision);
    await this.learned.load(tenants, revision);
    await this.modes.load(tenants, revision);
    this.owned.add(
      store.watch(ALL_TENANTS_PREFIX, {fromRevision: revision + 1}, message => this.onWatch(message)),
    );
    this.owned.add(every(clock, settings.tickMs, () => guarded(this.term, 'a tick', () => this.tick())));
    this.owned.add(
      every(clock, settings.retentionMs, () => guarded(this.term, 'a sweep', () => this.sweep())),
    );
    this.owned.add(every(clock, settings.learnedFlushMs, () => void this.learned.save()));
    await removeCutOff(this.term, halfStarted, this.loader.strays);
    for (const session of [...this.term.fleet.sessions.values()]) {
      try {
        this.adopt(session);
      } catch (error) {
        logger.error('a session cannot be taken up and does not run', {session: session.id, error});
        this.setAside(session, error);
      }
    }
    for (const {tenant, attemptId} of lateUsages) this.lateUsages.note(tenant, attemptId);
    for (const agent of this.term.fleet.agents.values()) {
      this.releases.agentChanged(agent);
      this.calibrations.agentChanged(agent);
    }
  }

  private tick(): void {
    this.timekeeper.tick();
    this.modes.tick();
    this.lateUsages.settle().catch((error: unknown) => {
      if (!this.isOver) this.term.logger.warn('late spend is not counted yet', {error});
    });
  }

  private onWatch(message: WatchMessage): void {
    if (this.isOver) return;
    if (message.kind === 'events')
      guarded(this.term, 'the watch', () => {
        for (const event of message.events) this.events.take(event);
      });
    else this.depose(message.kind === 'compacted' ? 'the watch fell behind' : 'the store was closed');
  }

  /** A fault of ours must not leave a lead that decides on a picture which has parted from the store. */
  private faulted(what: string, error: unknown, session?: SessionNode): void {
    if (this.isOver) return;
    const {logger} = this.term;
    const name = session && `${session.tenant}/${session.id}`;
    if (session && name !== undefined && this.suspects.has(name)) {
      logger.error('the lead stumbled over a session again and sets it aside', {what, session: name, error});
      this.setAside(session, error);
      return;
    }
    if (name !== undefined) this.suspects.add(name);
    logger.error('the lead stumbled and starts over from the store', {what, session: name, error});
    this.depose(`${what} failed`);
  }

  private setAside(session: SessionNode, error: unknown): void {
    this.forgetSession(session);
    this.loader.unload(session);
    this.term.fleet.setAside(session.tenant, session.id, describeError(error));
  }

  private forgetSession(session: SessionNode): void {
    for (const task of session.tasks.values()) {
      this.term.queue.remove(task);
      for (const attempt of presentAttempts(task)) attempt.talk.end();
    }
    this.conductor.forget(session);
    this.timekeeper.forget(session);
  }

  private depose(reason: string): void {
    if (this.isOver) return;
    this.dispose();
    this.onEnd(reason);
  }

  /** Everything of the session that can be done now is begun. */
  private adopt(session: SessionNode): void {
    this.tenants.add(session.tenant);
    session.held = false;
    this.term.fleet.addSession(session);
    this.modes.adopt(session);
    this.conductor.ranks.renew(session, nowOf(this.term));
    this.timekeeper.adopt(session.tasks.values());
    for (const task of session.tasks.values()) {
      for (const incarnation of task.lostOn) this.conductor.noteLoss(task, incarnation);
      for (const attempt of presentAttempts(task)) {
        this.timekeeper.watch(attempt);
        if (!attempt.accepted) this.dispatcher.assign(attempt);
      }
    }
    this.tasks.reconsider(session);
    if (this.rollbacks.holds(session)) this.rollbacks.advance(session);
  }

  private confirmed(attempt: AttemptNode, worktree: WorktreePlace | undefined): void {
    attempt.accepted = true;
    attempt.worktree = worktree;
    this.timekeeper.confirmed(attempt);
  }

  private refusedBy(attempt: AttemptNode, reason: RefusalReason): void {
    this.term.logger.debug('an agent refused an attempt', {attempt: attempt.record.id, reason});
    coolDown(attempt, this.term, reason);
    this.rejected(attempt, 'refused');
  }

  private rejected(attempt: AttemptNode, how: NonNullable<AttemptNode['rejected']>): void {
    attempt.rejected = how;
    this.conductor.evaluate(attempt.task);
  }

  private agentChanged(agent: AgentNode): void {
    for (const attempt of agent.attempts) {
      this.timekeeper.watch(attempt);
      this.conductor.evaluate(attempt.task);
    }
    this.releases.agentChanged(agent);
    this.calibrations.agentChanged(agent);
    if (agent.live) this.conductor.returnLosses(agent.tenant, `${agent.id}/${agent.live.value.incarnation}`);
    this.conductor.schedule();
  }

  private sessionEnded(session: SessionNode): void {
    this.approvals.withdrawSession(session);
    for (const task of session.tasks.values())
      if (!isFinalTask(task)) this.term.logger.warn('a session ended before a task', {task: task.key});
    this.forgetSession(session);
    this.suspects.delete(`${session.tenant}/${session.id}`);
    this.term.logger.info('a session ended', {session: session.id, state: session.record.state});
  }

  private sweep(): void {
    for (const tenant of this.tenants)
      this.retention.sweep(tenant).catch((error: unknown) => {
        if (!this.isOver) this.term.logger.warn('old sessions could not be deleted', {tenant, error});
      });
    for (const tenant of this.tenants)
      this.cache.sweep(tenant).catch((error: unknown) => {
        if (!this.isOver) this.term.logger.warn('kept results could not be looked through', {tenant, error});
      });
  }
}
