/**
 * What people do to single tasks: retry, reassign, rerun or waive gates. What a decision writes goes to the store in one transaction with the
 * session's record and the audit; what follows from it is a step that any lead takes.
 */
import type {SessionControl} from '../../protocol/commands/session.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {GateEvidence, GateWaiver} from '../../protocol/gate.ts';
import {AttemptRecord} from '../../protocol/model/attempt.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import type {TaskNote} from '../../protocol/model/task.ts';
import {readRecord} from '../../store/records.ts';
import {lastAttemptId} from '../deciding/changes.ts';
import {isFinalTask, isOnline, type SessionNode, type TaskNode} from '../fleet/fleet.ts';
import type {Verifier} from '../gates/verifier.ts';
import {resultRef} from '../results/resultRef.ts';
import type {AuditAction, SessionWriter} from '../sessions/sessions.ts';
import type {Conductor} from '../steps/conductor.ts';
import type {Submission} from '../steps/taskSteps.ts';
import type {Term} from '../term/term.ts';
import type {Approvals} from './approvals.ts';
import * as steering from './steering.ts';

export interface TaskControlParts {
  readonly term: Term;
  readonly conductor: Conductor;
  readonly sessions: SessionWriter;
  readonly approvals: Approvals;
  readonly verifier: Verifier;
}

type Kind = 'retryTask' | 'reassignTask' | 'rerunGates' | 'waiveGate';
export type TaskAction = Extract<SessionControl['action'], {kind: Kind}>;
/** Actions that bring a task back from its end, and its session too. */
export type RevivingAction = Exclude<TaskAction, {kind: 'reassignTask'}>;

/** An agent has its worktree at hand, or has not. */
const WORKTREE_ANSWER_MS = 15_000;

export class TaskControls {
  private readonly turns = new WeakMap<SessionNode, Promise<unknown>>();

  constructor(private readonly parts: TaskControlParts) {}

  /** One at a time for each session: what one of them takes up must not be cancelled by the end of another. */
  inTurn<T>(session: SessionNode, run: () => Promise<T>): Promise<T> {
    const turn = (this.turns.get(session) ?? Promise.resolve()).then(run);
    this.turns.set(
      session,
      turn.catch(() => undefined),
    );
    return turn;
  }

  /** On a task of a session that has not ended. Errors: `notFound`, `conflict`, `agentDisconnected`. */
  act(session: SessionNode, action: TaskAction, audit: AuditAction): Promise<SessionRecord> {
    const task = taskOf(session, action.taskId);
    return this.inTurn(session, () => {
      if (session.record.state === 'ending')
        throw new ProtocolError('conflict', `session ${session.id} is ending`);
      if (action.kind === 'reassignTask') return this.reassign(task, action.agentId, audit);
      if (isFinalTask(task)) return this.reviveHere(task, action, audit);
      switch (action.kind) {
        case 'retryTask':
          return this.retryWaiting(task, action.note, audit);
        case 'rerunGates':
          return this.rerunPresent(task, audit);
        case 'waiveGate':
          return this.waivePresent(task, action, audit);
        default:
          return action satisfies never;
      }
    });
  }

  /**
   * Brings the task back from its end, after what its end held back, which stays pending or is cancelled again if this is cut off. The session
   * is held by the caller; `patch` is what it becomes in the transaction that moves the task.
   */
  async revive(
    task: TaskNode,
    action: RevivingAction,
    audit: AuditAction,
    patch: Partial<SessionRecord> = {},
  ): Promise<SessionRecord> {
    const {session} = task;
    const {sessions, conductor} = this.parts;
    const move = await this.moveOf(task, action, audit);
    // Refused before anything is touched; and asked again when its turn comes.
    move();
    await this.storeReopened(heldBy(task));
    return sessions.update(session, () => patch, audit, conductor.steps.beside(task, move));
  }

  /** Fresh starts in steps of their own. */
  async storeReopened(tasks: readonly TaskNode[]): Promise<void> {
    const {steps} = this.parts.conductor;
    await Promise.all(tasks.map(task => steps.whenIdle(task)));
    await Promise.all(
      tasks.filter(steering.mayReopen).map(
        task =>
          new Promise<void>(resolve => {
            const {change, committed} = startingFresh(task, wanted(steering.retried(task)));
            steps.submit(task, {
              change,
              committed: revision => {
                committed?.(revision);
                resolve();
              },
            });
          }),
      ),
    );
  }

  /** Looks at every task that is not at its end. */
  reconsider(session: SessionNode): void {
    for (const task of session.tasks.values()) if (!isFinalTask(task)) this.parts.conductor.evaluate(task);
    this.parts.conductor.settle(session);
  }

  /** Held: a session whose last task is being taken up again does not end. */
  private async reviveHere(
    task: TaskNode,
    action: RevivingAction,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const {session, record} = task;
    // Asked for again, since the first answer was lost.
    if (action.kind === 'waiveGate' && record.state === 'succeeded' && record.gates?.some(isWaived))
      return session.record;
    session.held = true;
    try {
      return await this.revive(task, action, audit);
    } finally {
      session.held = false;
      this.reconsider(session);
    }
  }

  /** The step that moves the task; it throws `conflict` when the task is in no state for it. */
  private async moveOf(
    task: TaskNode,
    action: RevivingAction,
    {principal}: AuditAction,
  ): Promise<() => Submission> {
    const at = this.parts.term.clock.wallNow();
    if (action.kind === 'retryTask') {
      const note = noteOf(action.note, principal, at);
      return () => startingFresh(task, wanted(steering.retried(task, note)));
    }
    const last = await this.lastAttempt(task);
    if (action.kind === 'waiveGate') {
      const waiver: GateWaiver = {reason: action.reason, by: principal, at};
      return () => {
        const {task: record, result} = wanted(steering.waived(task, last, action.gate, waiver));
        return {change: {task: record}, ops: resultRef(task, last?.id ?? '', result, {principal, at})};
      };
    }
    const {recheck} = wanted(steering.rechecked(task, last)).task;
    if (recheck) await this.requireWorktree(task, recheck);
    return () => {
      const {task: record, result} = wanted(steering.rechecked(task, last));
      return {
        change: {task: record},
        committed: () => {
          task.recheckedResult = result;
        },
      };
    };
  }

  private async retryWaiting(
    task: TaskNode,
    text: string | undefined,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const {sessions, conductor, approvals, term} = this.parts;
    const note = noteOf(text, audit.principal, term.clock.wallNow());
    return sessions.update(
      task.session,
      () => ({}),
      audit,
      conductor.steps.beside(task, () => ({
        change: {task: wanted(steering.retried(task, note)).task},
        committed: () => {
          task.answer = undefined;
          task.lostOn.clear();
          approvals.withdrawDecisions(task);
        },
      })),
    );
  }

  /** The wish is stored; that an attempt makes way for it is decided like everything else about the task. */
  private async reassign(
    task: TaskNode,
    agentId: string | undefined,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const {sessions, conductor, approvals, term} = this.parts;
    const record = await sessions.update(
      task.session,
      () => ({}),
      audit,
      conductor.steps.beside(task, () => {
        const next = wanted(steering.reassigned(task, agentId)).task;
        this.checkPlace(task, agentId);
        return {
          change: {task: next},
          committed: () => {
            // It may wait among tasks that ask something else of an agent.
            term.queue.remove(task);
            if (task.attempt) return;
            task.answer = undefined;
            approvals.withdrawDecisions(task);
          },
        };
      }),
    );
    await conductor.steps.whenIdle(task);
    return record;
  }

  private checkPlace(task: TaskNode, agentId: string | undefined): void {
    const {fleet, scheduler} = this.parts.term;
    const {tenant} = task.session;
    if (agentId === undefined) {
      const others = [...fleet.agents.values()].filter(
        agent => agent.tenant === tenant && agent.id !== task.attempt?.record.agentId,
      );
      if (others.some(agent => scheduler.misfit(task, agent) === undefined)) return;
      throw new ProtocolError(
        'conflict',
        `no other connected agent fits task ${task.spec.id}: it stays where it is`,
      );
    }
    const agent = fleet.agents.get(`${tenant}/${agentId}`);
    if (!agent?.record)
      throw new ProtocolError('notFound', `there is no agent ${agentId}: the task stays where it is`);
    const misfit = scheduler.misfit(task, agent);
    if (misfit !== undefined)
      throw new ProtocolError(
        'conflict',
        `agent ${agentId} cannot take task ${task.spec.id}: ${misfit}. The task stays where it is`,
      );
  }

  private rerunPresent(task: TaskNode, audit: AuditAction): Promise<SessionRecord> {
    const {sessions, conductor, verifier} = this.parts;
    // Asked for again, since the first answer was lost.
    if (task.record.recheck && !steering.verifyingAttempt(task)) return Promise.resolve(task.session.record);
    return sessions.update(
      task.session,
      () => ({}),
      audit,
      conductor.steps.beside(task, () => {
        const attempt = requireVerifying(task);
        return {change: {task: task.record}, committed: () => verifier.restart(attempt)};
      }),
    );
  }

  private waivePresent(
    task: TaskNode,
    {gate, reason}: Extract<TaskAction, {kind: 'waiveGate'}>,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const {sessions, conductor, verifier, term} = this.parts;
    const waiver: GateWaiver = {reason, by: audit.principal, at: term.clock.wallNow()};
    return sessions.update(
      task.session,
      () => ({}),
      audit,
      conductor.steps.beside(task, () => {
        const attempt = requireVerifying(task);
        const {task: record} = wanted(steering.waivedAhead(task, gate, waiver));
        return {change: {task: record}, committed: () => verifier.restart(attempt)};
      }),
    );
  }

  private async lastAttempt({session, record}: TaskNode): Promise<AttemptRecord | undefined> {
    if (record.attempts === 0) return undefined;
    const key = session.keys.attempt(lastAttemptId(record));
    return (await readRecord(this.parts.term.store, AttemptRecord, key))?.value;
  }

  /** Throws when the agent does not have it any more, or is not there to say so. */
  private async requireWorktree(
    {session, spec}: TaskNode,
    {agentId, attemptId: id}: {readonly agentId: string; readonly attemptId: string},
  ): Promise<void> {
    const {fleet, channel, signal} = this.parts.term;
    const agent = fleet.agents.get(`${session.tenant}/${agentId}`);
    if (!agent || !isOnline(agent))
      throw new ProtocolError(
        'agentDisconnected',
        `agent ${agentId}, which has the worktree of attempt ${id}, is not connected: start it again, or retry task ${spec.id}. Nothing was changed`,
        {agentId},
      );
    const {kept} = await channel.send(
      agentId,
      'mcpx.attempt.release',
      {attemptId: id, keep: true},
      {timeoutMs: WORKTREE_ANSWER_MS, signal},
    );
    if (!kept)
      throw new ProtocolError(
        'notFound',
        `agent ${agentId} does not have the worktree of attempt ${id} any more, so its gates cannot run again: retry task ${spec.id}, or waive the gate. Nothing was changed`,
        {agentId, attemptId: id},
      );
  }
}

export function taskOf(session: SessionNode, taskId: string): TaskNode {
  const task = session.tasks.get(taskId);
  if (!task) throw new ProtocolError('notFound', `session ${session.id} has no task "${taskId}"`);
  return task;
}

function wanted<T extends {readonly kind: 'task'}>(steered: T | steering.Refused): T {
  if (steered.kind === 'refused') throw new ProtocolError('conflict', steered.message);
  return steered;
}

function requireVerifying(task: TaskNode): NonNullable<TaskNode['attempt']> {
  const attempt = steering.verifyingAttempt(task);
  if (attempt) return attempt;
  throw new ProtocolError(
    'conflict',
    `task ${task.spec.id} is ${task.record.state}: no gate of it runs, and none has failed for good`,
  );
}

/** What was learnt of agents and losses is forgotten with the old start. */
function startingFresh(
  task: TaskNode,
  {task: record}: {readonly task: Submission['change']['task']},
): Submission {
  return {
    change: {task: record},
    committed: () => {
      task.avoid = [];
      task.lostOn.clear();
      task.recheckedResult = undefined;
    },
  };
}

function isWaived({waived}: GateEvidence): boolean {
  return waived !== undefined;
}

function noteOf(text: string | undefined, by: string, at: number): TaskNote | undefined {
  return text === undefined ? undefined : {text, by, at};
}

/** Everything downstream that was cancelled only because something before it did not succeed. */
function heldBy(task: TaskNode): TaskNode[] {
  const held = new Set<TaskNode>();
  const open = [task];
  for (let next = open.pop(); next; next = open.pop())
    for (const dependent of next.dependents) {
      const {state, failure} = dependent.record;
      // Pending: an earlier try to take it up was cut off there.
      const isHeld = state === 'pending' || (state === 'cancelled' && failure?.kind === 'dependency');
      if (!isHeld || held.has(dependent)) continue;
      held.add(dependent);
      open.push(dependent);
    }
  return [...held];
}
