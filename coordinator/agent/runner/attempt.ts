/**
 * One attempt on this agent, from its assignment until the hub needs nothing more of it. The steps of its work are attemptWork.ts, what it says
 * meanwhile is attemptTranscript.ts.
 */
import type {TaskAssign, TaskComplete} from '../../protocol/commands/attempt.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import type {TaskResult} from '../../protocol/model/task.ts';
import {delay} from '../../runtime/clock.ts';
import {deferred} from '../../runtime/deferred.ts';
import {Emitter} from '../../runtime/emitter.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {ApprovalAnswer, ApprovalRequest, DriverRun} from '../driver.ts';
import {withPatience} from '../link/withPatience.ts';
import type {Workspace} from '../workspace/workspace.ts';
import {ActiveClock} from './activeClock.ts';
import {failed} from './attemptReport.ts';
import * as states from './attemptState.ts';
import {AttemptTranscript} from './attemptTranscript.ts';
import {performWork} from './attemptWork.ts';
import {claimFence} from './claimFence.ts';
import {clipRequest} from './clipEvent.ts';
import type {RunnerServices} from './runnerServices.ts';
import {NO_MASK, type SecretMask} from './secretMask.ts';
import {reportOfStop, type StopCause, stopReason} from './stopCause.ts';

export class Attempt {
  /** Aborted when the work is to end for whatever cause. */
  readonly work = new AbortController();
  private readonly pointless = new AbortController();
  readonly activeClock: ActiveClock;
  readonly transcript: AttemptTranscript;
  /** Where it works, once that is ready. */
  place: {readonly workspace: Workspace; readonly env: Readonly<Record<string, string>>} | undefined;
  mask: SecretMask = NO_MASK;
  /** What its work left, once that has succeeded. */
  left: TaskResult | undefined;
  private current: states.AttemptState = states.PREPARING;
  private readonly startedAt: number;
  private readonly worked = deferred<void>();
  private readonly over = deferred<void>();
  private cause: StopCause | undefined;
  /** The hub wants it ended, and drops its fence for that: whatever says so afterwards is no news. */
  private cancelled = false;
  /** Its worktree stays after its end. */
  private kept = false;
  private releasedEarly: {readonly keep: boolean} | undefined;
  /** Aborted when it has ended. */
  private readonly closed = new AbortController();
  private readonly sessionNamed = new Emitter<string>();
  /** Never rejects. */
  private gates: Promise<unknown> = Promise.resolve();

  constructor(
    readonly assign: TaskAssign,
    /** Which of the agent's places it takes; places are reused. */
    readonly slot: number,
    private readonly services: RunnerServices,
  ) {
    const {attemptId, fence, task} = assign;
    const {clock, settings} = services;
    this.startedAt = clock.wallNow();
    this.transcript = new AttemptTranscript(
      {
        attemptId,
        fence,
        mask: () => this.mask,
        stale: () => this.stop({kind: 'stale'}, true),
      },
      services,
    );
    this.activeClock = new ActiveClock({
      clock,
      tickMs: settings.clockTickMs,
      maxStepMs: settings.clockMaxStepMs,
      limitMs: task.timeoutMs,
      exceeded: () => this.stop({kind: 'timeout'}, false),
    });
  }

  get id(): string {
    return this.assign.attemptId;
  }

  /** The attempt in whose folder it is: another's when it only runs gates there. */
  get worktreeOf(): string {
    return this.assign.recheck?.attemptId ?? this.assign.attemptId;
  }

  get state(): states.AttemptState {
    return this.current;
  }

  /** Aborted when nobody wants even its result any more. */
  get givenUp(): AbortSignal {
    return this.pointless.signal;
  }

  /** Resolves when its work is over, its last gate too, and the processes of both are gone. */
  get quiet(): Promise<unknown> {
    return this.worked.promise.then(() => this.gates);
  }

  /** Resolves when nothing of it is left to do. */
  get finished(): Promise<void> {
    return this.over.promise;
  }

  /** Aborted when no gate may run in its worktree any more. */
  get gateStop(): AbortSignal {
    return AbortSignal.any([this.work.signal, this.closed.signal]);
  }

  /** `run` works in the worktree; it never rejects, and settles soon after `gateStop`. */
  gateBegins(run: Promise<unknown>): void {
    this.gates = Promise.all([this.gates, run]);
  }

  /** Works, reports, and waits for the release where gates follow. Resolves when the attempt has ended. */
  async run(): Promise<void> {
    this.transcript.state('preparing');
    if (this.assign.backup) this.services.memory.stage(this.id);
    const report = await this.performed();
    if (report.outcome === 'succeeded') this.left = report.result;
    this.activeClock.dispose();
    this.worked.resolve();
    if (this.cause?.kind === 'stale' || this.cause?.kind === 'agentStopped') return this.end(this.cause.kind);
    this.current = states.reported(this.current, report);
    await this.reportUntilTaken(report);
    await this.over.promise;
  }

  begin(run: DriverRun): void {
    this.current = states.started(this.current, run);
    this.transcript.state('running');
    if (this.work.signal.aborted) run.cancel();
    else this.work.signal.addEventListener('abort', () => run.cancel(), {once: true});
  }

  /** The driver has ended: what comes now stops no work and changes no report, unless nobody wants the result any more. */
  beginSaving(): void {
    this.activeClock.dispose();
    this.current = states.savesResult(this.current);
  }

  /** Ends the work: politely, or at once with `force`. What is reported follows from the first cause. */
  stop(cause: StopCause, force: boolean): void {
    const {kind} = this.current;
    if (cause.kind === 'cancelled') this.cancelled = true;
    // What was cancelled ends in its own time, and its last words are still welcome.
    if (cause.kind === 'stale' && this.cancelled && kind !== 'gated' && kind !== 'held') {
      if (kind === 'saving') this.giveUp({kind: 'cancelled', reason: 'its result is not wanted any more'});
      return;
    }
    const final = cause.kind === 'stale' || cause.kind === 'agentStopped' ? cause.kind : undefined;
    if (kind === 'saving' && !final) {
      if (force) this.giveUp(cause);
      return;
    }
    // A fence that has fallen overrules whatever was the cause before.
    if (final) this.cause = cause;
    this.cause ??= cause;
    const reason = stopReason(cause);
    if (final) this.pointless.abort(reason);
    this.work.abort(reason);
    // Nothing runs that would notice: it ends here.
    if (final && !states.occupiesSlot(this.current)) void this.end(final);
    const {supervisor, logger} = this.services;
    if (force)
      supervisor
        .killTree(this.id)
        .catch((error: unknown) => logger.error('cannot end an attempt', {attemptId: this.id, error}));
  }

  /** The hub needs nothing more of it: resolves to whether its worktree stays. One that is still at work and was not cancelled has been given up. */
  async release(keep: boolean): Promise<boolean> {
    switch (this.current.kind) {
      case 'gated':
      case 'held':
        await this.end('released', keep);
        return this.kept;
      case 'ended':
        await this.over.promise;
        this.kept = await this.services.workspaces.release(this.worktreeOf, {keep});
        return this.kept;
      // The answer to its completion was lost and is asked for again.
      case 'reporting':
        this.releasedEarly = {keep};
        return false;
      default:
        this.releasedEarly = {keep};
        this.stop({kind: 'stale'}, true);
        return false;
    }
  }

  /** False when it is not at work, or its driver did not do it. */
  async control(action: (run: DriverRun) => Promise<boolean> | boolean): Promise<boolean> {
    const run = states.runOf(this.current);
    if (!run) return false;
    try {
      return await action(run);
    } catch (error) {
      this.services.logger.warn('an attempt could not be steered', {attemptId: this.id, error});
      return false;
    }
  }

  rateLimited(limit: {readonly resetAt?: number | undefined; readonly message: string}): void {
    this.transcript.note('warn', limit.message);
    this.services.rateLimited(limit);
  }

  claudeSession(sessionId: string): void {
    this.sessionNamed.emit(sessionId);
    this.services.logger.debug('Claude Code has a session', {attemptId: this.id, claudeSession: sessionId});
  }

  /** Calls `taken` when Claude Code says that it goes on with this conversation; the answer tells whether it has. */
  claudeTakesUp(conversation: string, taken: () => Promise<void>): () => boolean {
    let isTaken = false;
    this.sessionNamed.event(named => {
      if (isTaken || named !== conversation) return;
      isTaken = true;
      void taken();
    });
    return () => isTaken;
  }

  async ask({requestId: _, ...request}: ApprovalRequest, signal?: AbortSignal): Promise<ApprovalAnswer> {
    const {attemptId, fence} = this.assign;
    const stopped = this.work.signal;
    const hold = this.activeClock.hold();
    this.current = states.personAsked(this.current);
    if (this.current.kind === 'waiting' && this.current.asked === 1) this.transcript.state('waiting');
    try {
      return await this.services.approvals.ask(
        {attemptId, fence, request: clipRequest(this.mask.request(request))},
        signal ? AbortSignal.any([signal, stopped]) : stopped,
      );
    } catch (error) {
      if (isProtocolError(error, 'staleFence')) this.stop({kind: 'stale'}, true);
      throw error;
    } finally {
      hold.dispose();
      this.current = states.personAnswered(this.current);
      if (this.current.kind === 'running') this.transcript.state('running');
    }
  }

  private async performed(): Promise<AttemptReport> {
    try {
      return await performWork(this, this.services);
    } catch (error) {
      if (isProtocolError(error, 'staleFence')) this.stop({kind: 'stale'}, true);
      else if (!this.work.signal.aborted)
        this.services.logger.error('an attempt failed on this agent', {attemptId: this.id, error});
      return (
        this.stoppedReport() ?? failed('internal', error instanceof Error ? error.message : String(error))
      );
    }
  }

  /** What a stop from outside makes of the report. */
  stoppedReport(): AttemptReport | undefined {
    return reportOfStop(this.cause, this.assign.task.timeoutMs);
  }

  private async reportUntilTaken(made: AttemptReport): Promise<void> {
    const {completions, counters, spool} = this.services;
    const report = await this.claimed(made);
    if (!report) return;
    const willBeGated = report.outcome === 'succeeded' && this.assign.task.gates.length > 0;
    this.transcript.state(willBeGated ? 'verifying' : 'ended');
    this.transcript.finish();
    const completion = this.completion(report);
    counters.attemptEnded(report, completion.activeMs, completion.usage);
    try {
      const written = spool.completions.add(completion, true);
      await Promise.all([written, this.drain()]);
      const verdict = await completions.send(completion);
      if (this.current.kind !== 'reporting') return;
      const {releasedEarly: early} = this;
      if (verdict.kind !== 'accepted' && !this.cancelled) await this.end('stale');
      else if (early || verdict.kind !== 'accepted') await this.end('released');
      else if (verdict.gates) this.current = states.awaitsGates(this.current);
      else if (report.outcome === 'failed' && this.place && !this.assign.keep) await this.hold();
      else await this.end('released');
    } catch (error) {
      if (!isCoordinatorError(error, 'closed')) throw error;
      await this.end('agentStopped');
    }
  }

  /** Undefined when the attempt has ended meanwhile. */
  private async claimed(report: AttemptReport): Promise<AttemptReport | undefined> {
    const claim = await claimFence(this, report, this.services);
    if (claim === 'claimed') return report;
    if (typeof claim === 'object') return claim;
    await this.end(claim);
    return undefined;
  }

  /** Whether this failure was the last of its task, and is to be looked at, is known to the hub alone. */
  private async hold(): Promise<void> {
    this.current = states.awaitsRelease(this.current);
    const {clock, settings} = this.services;
    await delay(clock, settings.releaseWaitMs, this.closed.signal).catch(() => undefined);
    await this.end('released');
  }

  /** A worktree that was there before stays when nobody says otherwise. */
  private get keepsUnasked(): boolean {
    return this.assign.keep || this.assign.recheck !== undefined;
  }

  private giveUp(cause: StopCause): void {
    this.cause ??= cause;
    this.pointless.abort(stopReason(cause));
  }

  private completion(report: AttemptReport): TaskComplete {
    const {attemptId, fence} = this.assign;
    return {
      attemptId,
      fence,
      report: this.mask.report(report),
      usage: this.transcript.usage,
      startedAt: this.startedAt,
      endedAt: this.services.clock.wallNow(),
      activeMs: this.activeClock.activeMs,
    };
  }

  /** The hub takes no transcript and no memory write after the completion: they go first, as long as they move. */
  private drain(): Promise<void> {
    const {memory} = this.services;
    return withPatience(
      signal => Promise.all([this.transcript.drain(), memory.settled(this.id, signal)]),
      this.services,
    );
  }

  private async end(
    how: states.AttemptEnd,
    keep = this.releasedEarly?.keep ?? this.keepsUnasked,
  ): Promise<void> {
    if (this.current.kind === 'ended') return;
    this.current = states.ended(this.current, how);
    this.activeClock.dispose();
    this.transcript.end();
    this.closed.abort(new CoordinatorError('cancelled', 'the attempt is over'));
    const {workspaces, counters, completions, supervisor, memory, memoryDoor, mcpDoor, logger} =
      this.services;
    memoryDoor.dismiss(this.id);
    mcpDoor.dismiss(this.id);
    memory.discard(this.id);
    if (how === 'stale') {
      counters.stale++;
      completions.drop(this.id);
      logger.warn('an attempt was given up by the hub; its effects are dropped', {attemptId: this.id});
    }
    try {
      await this.transcript.close({keep: how === 'agentStopped'});
      // A gate may be at work in the folder, and was asked to end.
      if (how === 'released') await this.gates;
      await supervisor.killTree(this.id);
      if (this.place) this.kept = await workspaces.release(this.worktreeOf, {keep});
    } catch (error) {
      logger.error('an attempt could not be cleaned up', {attemptId: this.id, error});
    }
    this.over.resolve();
  }
}
