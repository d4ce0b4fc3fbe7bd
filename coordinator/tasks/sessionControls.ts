/** What people do to sessions: end, pause, resume, retry and cancel tasks, raise the budget, release what was kept. */
import type {SessionControl, SessionEnd} from '../protocol/commands/session.ts';
import {isProtocolError, ProtocolError} from '../protocol/errors.ts';
import {tenantKeys} from '../protocol/model/keys.ts';
import {FINAL_SESSION_STATES, SessionRecord} from '../protocol/model/session.ts';
import type {Failure} from '../protocol/model/task.ts';
import type {Principal} from '../security/principal.ts';
import {putRecord, readRecord, type Stored, unchanged} from '../store/records.ts';
import type {Approvals} from './approvals.ts';
import {leadLost} from './committer.ts';
import type {Conductor} from './conductor.ts';
import {isFinalTask, isWorkedOff, type SessionNode, type TaskNode} from './fleet.ts';
import type {Loader} from './loader.ts';
import type {Releases} from './releases.ts';
import {type AuditAction, commitAudited, type SessionWriter} from './sessions.ts';
import {taskTransition} from './taskMachine.ts';
import type {Term} from './term.ts';
import {endUnloadable} from './unloadable.ts';

export interface ControlParts {
  readonly term: Term;
  readonly conductor: Conductor;
  readonly sessions: SessionWriter;
  readonly approvals: Approvals;
  readonly loader: Loader;
  readonly releases: Releases;
  /** A session that had ended runs again. */
  readonly adopt: (session: SessionNode) => void;
}

type Action<K extends SessionControl['action']['kind']> = Extract<SessionControl['action'], {kind: K}>;

export class SessionControls {
  constructor(private readonly parts: ControlParts) {}

  /** Ending a session that has ended changes nothing. Errors: `notFound`, `notAvailable` (rollback). */
  async end({sessionId, mode, reason}: SessionEnd, principal: Principal): Promise<SessionRecord> {
    if (mode === 'rollback')
      throw new ProtocolError('notAvailable', 'rolling a session back is not available; cancel it instead');
    const session = await this.unfinished(sessionId, principal);
    if (!session)
      return this.parts.term.fleet.unloadable.has(`${principal.tenant}/${sessionId}`)
        ? endUnloadable(this.parts.term, sessionId, principal, reason)
        : (await this.ended(sessionId, principal)).value;
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
    this.reconsider(session);
    return record;
  }

  /** Errors: `notFound`, `conflict` when the session or the task is in no state for it. */
  async control(params: SessionControl, principal: Principal): Promise<SessionRecord> {
    const {sessionId, action} = params;
    const session = await this.unfinished(sessionId, principal);
    const audit: AuditAction = {
      action: `session.${action.kind}`,
      principal: principal.id,
      detail: {...action},
    };
    if (!session) {
      if (action.kind === 'release') return this.release(sessionId, principal, audit);
      const ended = await this.ended(sessionId, principal);
      if (action.kind === 'resume' || action.kind === 'retryTask')
        return this.reopen(ended, action, principal, audit);
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
        return this.retryTask(session, action, audit);
      case 'cancelTask':
        return this.cancelTask(session, action, audit);
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

  /** Looks at every task that is not at its end. */
  reconsider(session: SessionNode): void {
    for (const task of session.tasks.values()) if (!isFinalTask(task)) this.parts.conductor.evaluate(task);
    const first = isWorkedOff(session) ? session.tasks.values().next().value : undefined;
    if (first) this.parts.conductor.evaluate(first);
  }

  private async pause(session: SessionNode, audit: AuditAction): Promise<SessionRecord> {
    const {state} = session.record;
    if (state === 'ending') throw new ProtocolError('conflict', `session ${session.id} is ending`);
    const record = await this.parts.sessions.update(
      session,
      () => ({state: 'paused', pauseReason: 'person'}),
      audit,
    );
    this.reconsider(session);
    return record;
  }

  private async resume(session: SessionNode, audit: AuditAction): Promise<SessionRecord> {
    if (session.record.state === 'ending')
      throw new ProtocolError('conflict', `session ${session.id} is ending`);
    this.checkBudget(session);
    const patch = {state: 'running', pauseReason: undefined, failure: undefined} as const;
    await this.reopenTasks(session, failedTasks(session, true), audit, patch);
    for (const task of session.tasks.values())
      if (task.record.waitingFor?.kind === 'person') this.unpark(task);
    return session.record;
  }

  private async retryTask(
    session: SessionNode,
    {taskId}: Action<'retryTask'>,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const task = this.taskOf(session, taskId);
    const {state, waitingFor} = task.record;
    if (mayReopen(task)) {
      await this.reopenTasks(session, [task, ...heldBy(task)], audit);
      return session.record;
    }
    if (state !== 'ready' || !waitingFor)
      throw new ProtocolError('conflict', `task ${taskId} is ${state}: there is nothing to retry`);
    const record = await this.parts.sessions.update(session, () => ({}), audit);
    if (waitingFor.kind === 'person') this.unpark(task);
    else if (!task.busy && !task.attempt)
      this.parts.conductor.steps.rewriteTask(task, {
        task: {...task.record, notBefore: undefined, waitingFor: undefined},
      });
    return record;
  }

  private async cancelTask(
    session: SessionNode,
    {taskId}: Action<'cancelTask'>,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const task = this.taskOf(session, taskId);
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
    this.reconsider(session);
    return record;
  }

  /** Failed tasks of a session that had ended, and what was held back by them, become pending; then the session runs again. */
  private async reopen(
    ended: Stored<SessionRecord>,
    action: Action<'resume'> | Action<'retryTask'>,
    principal: Principal,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const {sessions, adopt} = this.parts;
    if (ended.value.state === 'succeeded')
      throw new ProtocolError(
        'conflict',
        `session ${ended.value.id} has succeeded: there is nothing to retry`,
      );
    const session = await sessions.alone(() => this.load(ended.value.id, principal));
    try {
      const chosen =
        action.kind === 'resume'
          ? failedTasks(session, ended.value.state === 'cancelled')
          : retriedTasks(this.taskOf(session, action.taskId));
      this.checkBudget(session);
      await this.storeReopened(chosen);
    } catch (error) {
      this.parts.loader.unload(session);
      throw error;
    }
    const record = await sessions.update(
      session,
      () => ({state: 'running', endedAt: undefined, failure: undefined, result: undefined}),
      audit,
    );
    adopt(session);
    return record;
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
  private async reopenTasks(
    session: SessionNode,
    tasks: readonly TaskNode[],
    audit: AuditAction,
    patch: Partial<SessionRecord> = {},
  ): Promise<void> {
    session.held = true;
    try {
      await this.parts.sessions.update(session, () => patch, audit);
      await this.storeReopened(tasks.filter(mayReopen));
    } finally {
      session.held = false;
      this.reconsider(session);
    }
  }

  private async storeReopened(tasks: readonly TaskNode[]): Promise<void> {
    await Promise.all(tasks.map(task => this.parts.conductor.steps.whenIdle(task)));
    await Promise.all(
      tasks.map(
        task =>
          new Promise<void>(resolve => {
            task.avoid = [];
            task.lostOn.clear();
            const record = taskTransition(task.record, 'reopen', {
              retries: 0,
              losses: 0,
              endedAt: undefined,
              failure: undefined,
              readyAt: undefined,
            });
            this.parts.conductor.steps.rewriteTask(task, {task: record}, resolve);
          }),
      ),
    );
  }

  private unpark(task: TaskNode): void {
    task.answer = 'allow';
    this.parts.approvals.withdrawDecisions(task);
    this.parts.conductor.evaluate(task);
  }

  private checkBudget(session: SessionNode): void {
    if (this.parts.term.budgets.isSessionSpent(session))
      throw new ProtocolError('conflict', `the budget of session ${session.id} is spent: raise it first`, {
        budgetUsd: session.record.budgetUsd,
        spentUsd: session.spentUsd,
      });
  }

  private taskOf(session: SessionNode, taskId: string): TaskNode {
    const task = session.tasks.get(taskId);
    if (!task) throw new ProtocolError('notFound', `session ${session.id} has no task "${taskId}"`);
    return task;
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

function mayReopen({record}: TaskNode): boolean {
  return record.state === 'failed' || record.state === 'cancelled';
}

/** Throws `conflict` for a task that did not fail. */
function retriedTasks(task: TaskNode): TaskNode[] {
  if (!mayReopen(task))
    throw new ProtocolError(
      'conflict',
      `task ${task.spec.id} is ${task.record.state}: there is nothing to retry`,
    );
  return [task, ...heldBy(task)];
}

/** Failed tasks and those that were held back by them; with `cancelled` also those that a person or the session's end cancelled. */
function failedTasks(session: SessionNode, cancelled: boolean): TaskNode[] {
  return [...session.tasks.values()].filter(({record}) => {
    if (record.state === 'failed') return true;
    return record.state === 'cancelled' && (cancelled || record.failure?.kind === 'dependency');
  });
}

/** Everything downstream that was cancelled only because something before it did not succeed. */
function heldBy(task: TaskNode): TaskNode[] {
  const held = new Set<TaskNode>();
  const open = [task];
  for (let next = open.pop(); next; next = open.pop())
    for (const dependent of next.dependents) {
      const {state, failure} = dependent.record;
      const isHeld = state === 'cancelled' && (failure as Failure | undefined)?.kind === 'dependency';
      if (!isHeld || held.has(dependent)) continue;
      held.add(dependent);
      open.push(dependent);
    }
  return [...held];
}
