/** What people do to sessions: end, pause, resume, cancel tasks, raise the budget, release what was kept. Other things done to tasks are taskControls.ts and taskAdditions.ts. */
import type {SessionControl, SessionEnd} from '../../protocol/commands/session.ts';
import {isProtocolError, ProtocolError} from '../../protocol/errors.ts';
import {tenantKeys} from '../../protocol/model/keys.ts';
import {FINAL_SESSION_STATES, SessionRecord} from '../../protocol/model/session.ts';
import type {Principal} from '../../security/principal.ts';
import {putRecord, readRecord, type Stored, unchanged} from '../../store/records.ts';
import {isFinalTask, type SessionNode, type TaskNode} from '../fleet/fleet.ts';
import type {Loader} from '../fleet/loader.ts';
import type {TaskAdditions} from '../plan/taskAdditions.ts';
import {rollbackIntent} from '../rollback/rollbackIntent.ts';
import {isRollingBack, pointsOf} from '../rollback/rollbackScope.ts';
import type {Admission} from '../sessions/admission.ts';
import type {Releases} from '../sessions/releases.ts';
import {type AuditAction, commitAudited, type SessionWriter} from '../sessions/sessions.ts';
import {endUnloadable} from '../sessions/unloadable.ts';
import {leadLost} from '../steps/committer.ts';
import type {Conductor} from '../steps/conductor.ts';
import type {Term} from '../term/term.ts';
import type {Approvals} from './approvals.ts';
import {type RevivingAction, type TaskControls, taskOf} from './taskControls.ts';

export interface ControlParts {
  readonly term: Term;
  readonly conductor: Conductor;
  readonly sessions: SessionWriter;
  readonly approvals: Approvals;
  readonly tasks: TaskControls;
  readonly additions: TaskAdditions;
  readonly loader: Loader;
  readonly releases: Releases;
  readonly admission: Admission;
  /** A session that had ended runs again. */
  readonly adopt: (session: SessionNode) => void;
}

/** Of many added tasks an audit record names the first. */
const TASKS_NAMED = 100;

type Action<K extends SessionControl['action']['kind']> = Extract<SessionControl['action'], {kind: K}>;

export class SessionControls {
  constructor(private readonly parts: ControlParts) {}

  /** Ending a session that has ended changes nothing, but it may be rolled back. Errors: `notFound`, `invalidParams` (no such point). */
  async end(params: SessionEnd, principal: Principal): Promise<SessionRecord> {
    const {sessionId, mode, reason} = params;
    if (mode === 'rollback') return this.rollBack(params, principal);
    const session = await this.unfinished(sessionId, principal);
    if (!session)
      return this.parts.term.fleet.unloadable.has(`${principal.tenant}/${sessionId}`)
        ? endUnloadable(this.parts.term, sessionId, principal, reason)
        : (await this.ended(sessionId, principal)).value;
    if (isRollingBack(session)) return session.record;
    const endMode = session.record.endMode === 'cancel' ? 'cancel' : mode;
    const record = await this.parts.sessions.update(
      session,
      () => ({
        state: 'ending',
        endMode,
        endingAs: session.record.endingAs ?? 'cancelled',
        pauseReason: undefined,
        failure: reason ?? session.record.failure ?? 'ended by a person',
      }),
      {
        action: `session.${mode}`,
        principal: principal.id,
        detail: {mode, ...(reason === undefined ? {} : {reason})},
      },
    );
    this.parts.tasks.reconsider(session);
    return record;
  }

  /** Its attempts are stopped, then what its tasks did is undone, the last first. One that has ended is taken up again for that. */
  private async rollBack(params: SessionEnd, principal: Principal): Promise<SessionRecord> {
    const {sessionId, reason, syncPoint} = params;
    const {sessions, tasks, loader, adopt, term} = this.parts;
    const audit: AuditAction = {
      action: 'session.rollback',
      principal: principal.id,
      detail: {
        mode: 'rollback',
        ...(syncPoint === undefined ? {} : {syncPoint}),
        ...(reason === undefined ? {} : {reason}),
      },
    };
    const intent = (): Partial<SessionRecord> =>
      rollbackIntent(syncPoint, principal.id, term.clock.wallNow(), reason);
    const session = await this.unfinished(sessionId, principal);
    if (session) {
      requirePoint(session, syncPoint);
      if (isRollingBack(session)) return session.record;
      const record = await sessions.update(session, intent, audit);
      tasks.reconsider(session);
      return record;
    }
    const ended = await this.ended(sessionId, principal);
    if (ended.value.state === 'rolledBack' && ended.value.rollback?.syncPoint === syncPoint)
      return ended.value;
    const loaded = await sessions.alone(() => this.load(sessionId, principal));
    return tasks.inTurn(loaded, async () => {
      let record: SessionRecord;
      try {
        requirePoint(loaded, syncPoint);
        record = await sessions.update(
          loaded,
          () => ({...intent(), endedAt: undefined, result: undefined}),
          audit,
        );
      } catch (error) {
        loader.unload(loaded);
        throw error;
      }
      adopt(loaded);
      return record;
    });
  }

  /** Errors: `notFound`, `conflict` when the session or the task is in no state for it. */
  async control(params: SessionControl, principal: Principal): Promise<SessionRecord> {
    const {sessionId, action} = params;
    const session = await this.unfinished(sessionId, principal);
    const audit: AuditAction = {
      action: `session.${action.kind}`,
      principal: principal.id,
      detail:
        action.kind === 'addTasks'
          ? {kind: action.kind, tasks: action.tasks.slice(0, TASKS_NAMED).map(({id}) => id)}
          : {...action},
    };
    if (!session) {
      if (action.kind === 'release') return this.release(sessionId, principal, audit);
      const ended = await this.ended(sessionId, principal);
      if (isReviving(action)) return this.reopen(ended, action, principal, audit);
      throw new ProtocolError('conflict', `session ${sessionId} has ended: ${ended.value.state}`);
    }
    try {
      return await this.steer(session, action, audit);
    } catch (error) {
      // It came to its end just before: then the action is one on an ended session.
      if (session.closed && isProtocolError(error, 'conflict')) return this.control(params, principal);
      throw error;
    }
  }

  private async steer(
    session: SessionNode,
    action: SessionControl['action'],
    audit: AuditAction,
  ): Promise<SessionRecord> {
    switch (action.kind) {
      case 'pause':
        return this.pause(session, audit);
      case 'resume':
        return this.resume(session, audit);
      case 'retryTask':
      case 'reassignTask':
      case 'rerunGates':
      case 'waiveGate':
        return this.parts.tasks.act(session, action, audit);
      case 'addTasks':
        checkBudget(this.parts.term, session);
        return this.parts.additions.add(session, action.tasks, audit);
      case 'cancelTask':
        return this.cancelTask(session, action, audit);
      case 'close':
        return this.close(session, audit);
      case 'budget':
        return this.raiseBudget(session, action, audit);
      case 'release':
        throw new ProtocolError('conflict', `session ${session.id} still runs: what it keeps is needed`);
      default:
        return action satisfies never;
    }
  }

  /** The session, unless its end is stored already or on its way there. */
  private unfinished(sessionId: string, {tenant}: Principal): Promise<SessionNode | undefined> {
    const {term, sessions} = this.parts;
    return sessions.alone(() => Promise.resolve(term.fleet.session(tenant, sessionId)));
  }

  private async pause(session: SessionNode, audit: AuditAction): Promise<SessionRecord> {
    const {state} = session.record;
    if (state === 'ending') throw new ProtocolError('conflict', `session ${session.id} is ending`);
    const record = await this.parts.sessions.update(
      session,
      () => ({state: 'paused', pauseReason: 'person'}),
      audit,
    );
    this.parts.tasks.reconsider(session);
    return record;
  }

  /** One that is not open is none the worse for it. */
  private async close(session: SessionNode, audit: AuditAction): Promise<SessionRecord> {
    if (!session.record.open) return session.record;
    const record = await this.parts.sessions.update(session, () => ({open: undefined}), audit);
    this.parts.tasks.reconsider(session);
    return record;
  }

  private async resume(session: SessionNode, audit: AuditAction): Promise<SessionRecord> {
    if (session.record.state === 'ending')
      throw new ProtocolError('conflict', `session ${session.id} is ending`);
    checkBudget(this.parts.term, session);
    const patch = {state: 'running', pauseReason: undefined, failure: undefined} as const;
    await this.reopenTasks(session, () => failedTasks(session, true), audit, patch);
    for (const task of session.tasks.values())
      if (task.record.waitingFor?.kind === 'person') this.unpark(task);
    return session.record;
  }

  private async cancelTask(
    session: SessionNode,
    {taskId}: Action<'cancelTask'>,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const task = taskOf(session, taskId);
    if (isFinalTask(task))
      throw new ProtocolError('conflict', `task ${taskId} is ${task.record.state} already`);
    await this.parts.sessions.update(session, () => ({}), audit);
    const final = this.parts.conductor.steps.whenFinal(task);
    task.wanted = {kind: 'cancelled', message: 'cancelled by a person'};
    this.parts.conductor.evaluate(task);
    await final;
    return session.record;
  }

  private async raiseBudget(
    session: SessionNode,
    {budgetUsd}: Action<'budget'>,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const record = await this.parts.sessions.update(
      session,
      () => {
        const goesOn = session.record.pauseReason === 'budget' && session.spentUsd < budgetUsd;
        return goesOn
          ? {budgetUsd, state: 'running', pauseReason: undefined, failure: undefined}
          : {budgetUsd};
      },
      audit,
    );
    this.parts.tasks.reconsider(session);
    return record;
  }

  /** What is asked for, and what was held back by it, is taken up again in a session that had ended; then the session runs again. */
  private async reopen(
    ended: Stored<SessionRecord>,
    action: Action<'resume'> | RevivingAction,
    principal: Principal,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const {sessions, adopt, tasks} = this.parts;
    if (ended.value.state === 'succeeded')
      throw new ProtocolError(
        'conflict',
        `session ${ended.value.id} has succeeded: there is nothing to retry`,
      );
    const session = await this.loadAdmitted(ended.value.id, principal);
    return tasks.inTurn(session, async () => {
      const patch = {
        state: 'running',
        endedAt: undefined,
        failure: undefined,
        result: undefined,
        rollback: undefined,
      } as const;
      let record: SessionRecord;
      try {
        if (action.kind === 'resume' || action.kind === 'retryTask') checkBudget(this.parts.term, session);
        if (action.kind === 'resume') {
          // A failed session has none that its end cancelled.
          await tasks.storeReopened(failedTasks(session, ended.value.state !== 'failed'));
          record = await sessions.update(session, () => patch, audit);
        } else record = await tasks.revive(taskOf(session, action.taskId), action, audit, patch);
      } catch (error) {
        this.parts.loader.unload(session);
        throw error;
      }
      adopt(session);
      return record;
    });
  }

  /** It is one more that is open. */
  private async loadAdmitted(sessionId: string, principal: Principal): Promise<SessionNode> {
    const {admission, sessions} = this.parts;
    const place = admission.open({tenant: principal.tenant, sessions: 1, tasks: 0});
    return sessions.alone(() => this.load(sessionId, principal)).finally(() => place.dispose());
  }

  /** The session of a record that nobody changes meanwhile. */
  private async load(sessionId: string, principal: Principal): Promise<SessionNode> {
    const {loader, term} = this.parts;
    if (term.fleet.session(principal.tenant, sessionId))
      throw new ProtocolError('conflict', `session ${sessionId} was taken up by somebody else`);
    const {value, modRevision} = await this.ended(sessionId, principal);
    return loader.loadSession(principal.tenant, value, modRevision, term.store.status().revision);
  }

  /** Held from before the record is written: a session whose last task is being taken up again does not end. */
  private reopenTasks(
    session: SessionNode,
    reopened: () => readonly TaskNode[],
    audit: AuditAction,
    patch: Partial<SessionRecord>,
  ): Promise<void> {
    const {sessions, tasks} = this.parts;
    return tasks.inTurn(session, async () => {
      session.held = true;
      try {
        await sessions.update(session, () => patch, audit);
        await tasks.storeReopened(reopened());
      } finally {
        session.held = false;
        tasks.reconsider(session);
      }
    });
  }

  private unpark(task: TaskNode): void {
    task.answer = 'allow';
    this.parts.approvals.withdrawDecisions(task);
    this.parts.conductor.evaluate(task);
  }

  private async ended(sessionId: string, {tenant}: Principal): Promise<Stored<SessionRecord>> {
    const stored = await readRecord(
      this.parts.term.store,
      SessionRecord,
      tenantKeys(tenant).session(sessionId),
    );
    if (!stored) throw new ProtocolError('notFound', `there is no session ${sessionId}`);
    if (!FINAL_SESSION_STATES.has(stored.value.state))
      throw new ProtocolError(
        'unavailable',
        `session ${sessionId} could not be loaded: ${this.parts.term.fleet.unloadable.get(`${tenant}/${sessionId}`) ?? "see the coordinator's log"}`,
      );
    return stored;
  }

  /** What the session keeps goes: at once on agents that are connected, on others when they come back. */
  private async release(sessionId: string, principal: Principal, audit: AuditAction): Promise<SessionRecord> {
    const {term, sessions, releases} = this.parts;
    return sessions.alone(async () => {
      const stored = await this.ended(sessionId, principal);
      await releases.order(principal.tenant, stored.value);
      const record: SessionRecord = {...stored.value, principal: term.principal, keep: false};
      const revision = await commitAudited(term, [unchanged(stored)], [putRecord(stored.key, record)], {
        ...audit,
        tenant: principal.tenant,
        subject: `session ${sessionId}`,
      });
      if (revision === undefined) throw leadLost();
      return record;
    });
  }
}

function requirePoint(session: SessionNode, syncPoint: string | undefined): void {
  const known = pointsOf(session);
  if (syncPoint === undefined || known.includes(syncPoint)) return;
  throw new ProtocolError(
    'invalidParams',
    `the plan of session ${session.id} has no synchronisation point "${syncPoint}"${known.length > 0 ? `; it has ${known.join(', ')}` : ''}. Nothing was undone`,
    {field: 'syncPoint'},
  );
}

function checkBudget({budgets}: Term, session: SessionNode): void {
  if (budgets.isSessionSpent(session))
    throw new ProtocolError('conflict', `the budget of session ${session.id} is spent: raise it first`, {
      budgetUsd: session.record.budgetUsd,
      spentUsd: session.spentUsd,
    });
}

/** Failed tasks and those that were held back by them; with `cancelled` also those that a person or the session's end cancelled. */
function failedTasks(session: SessionNode, cancelled: boolean): TaskNode[] {
  return [...session.tasks.values()].filter(({record}) => {
    if (record.about) return false;
    if (record.state === 'failed' || record.state === 'rolledBack') return true;
    return record.state === 'cancelled' && (cancelled || record.failure?.kind === 'dependency');
  });
}

/** Of a session that has ended. */
function isReviving(action: SessionControl['action']): action is Action<'resume'> | RevivingAction {
  const {kind} = action;
  return kind === 'resume' || kind === 'retryTask' || kind === 'rerunGates' || kind === 'waiveGate';
}
