/** What people change about how work is shared out: the strategy of a session or of a task, and attempts that are better begun anew elsewhere. */
import type {LoadBalance, LoadBalanced} from '../../protocol/commands/balance.ts';
import {isProtocolError, ProtocolError} from '../../protocol/errors.ts';
import type {Principal} from '../../security/principal.ts';
import {type TaskControls, taskOf} from '../controls/taskControls.ts';
import {isFinalTask, type SessionNode, type TaskNode} from '../fleet/fleet.ts';
import type {AuditAction, SessionWriter} from '../sessions/sessions.ts';
import type {Conductor} from '../steps/conductor.ts';
import {nowOf, type Term} from '../term/term.ts';
import {requireRule} from './strategies.ts';

export interface BalanceParts {
  readonly term: Term;
  readonly conductor: Conductor;
  readonly sessions: SessionWriter;
  readonly tasks: TaskControls;
}

export class BalanceControls {
  constructor(private readonly parts: BalanceParts) {}

  /** Errors: `notFound`, `conflict` (it has ended), `invalidParams` (no such strategy). */
  async change(params: LoadBalance, {tenant, id: principal}: Principal): Promise<LoadBalanced> {
    const {sessionId, taskId, strategy, rebalance} = params;
    const session = this.parts.term.fleet.session(tenant, sessionId);
    if (!session)
      throw new ProtocolError('notFound', `no session ${sessionId} runs: only what runs is balanced`);
    const task = taskId === undefined ? undefined : taskOf(session, taskId);
    const audit: AuditAction = {action: 'session.balance', principal, detail: {...params}};
    if (strategy !== undefined) await this.choose(session, task, strategy, audit);
    const moved = rebalance ? await this.move(session, task, audit) : [];
    this.parts.conductor.schedule();
    return {session: session.record, moved};
  }

  private async choose(
    session: SessionNode,
    task: TaskNode | undefined,
    strategy: string,
    audit: AuditAction,
  ): Promise<void> {
    const rule = requireRule(strategy, 'strategy');
    const {sessions, conductor} = this.parts;
    if (!task) {
      await sessions.update(session, () => ({strategy}), audit);
      session.rule = rule;
      return;
    }
    if (isFinalTask(task))
      throw new ProtocolError('conflict', `task ${task.spec.id} is ${task.record.state} already`);
    const step = conductor.steps.beside(task, () => ({
      change: {task: {...task.record, strategy}},
      committed: () => {
        task.rule = rule;
      },
    }));
    await sessions.update(session, () => ({}), audit, step);
  }

  /** What ended meanwhile, or found no other agent, stays. */
  private async move(
    session: SessionNode,
    only: TaskNode | undefined,
    audit: AuditAction,
  ): Promise<string[]> {
    const {term, tasks} = this.parts;
    const moved: string[] = [];
    for (const task of term.scheduler.stragglers(session, nowOf(term))) {
      if (task.spec.onLost !== 'rerun' || (only && only !== task)) continue;
      const taskId = task.spec.id;
      try {
        await tasks.act(session, {kind: 'reassignTask', taskId}, audit);
        moved.push(taskId);
      } catch (error) {
        if (!isProtocolError(error, 'conflict')) throw error;
      }
    }
    return moved;
  }
}
