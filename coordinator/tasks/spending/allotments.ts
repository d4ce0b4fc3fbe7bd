/**
 * Shares out what is left of budgets among prompts that run side by side, so that together they cannot spend more than there is.
 *
 * A running prompt holds its allotment: what its assignment said, less what it has spent. Only the rest is free for others. A new prompt gets
 * an equal share of the free money among the prompts that could start now, though at most half while others are ready, since more agents may
 * come; at least a floor, below which no work is done; never more than its task has left. What ran out of its share and is tried again
 * gets at least twice as much. Where nothing is free, prompts wait for one that runs to end. Of a task that may have a backup, half of what its
 * own budget has left is kept for that; a backup gets what no other attempt was promised, and none where nothing limits what it spends.
 */
import {mayRunTwice} from '../../protocol/plan/speculation.ts';
import {
  type AttemptNode,
  type Fleet,
  freeSlots,
  isOnline,
  presentAttempts,
  type SessionNode,
  type TaskNode,
  taskSpentUsd,
} from '../fleet/fleet.ts';
import type {ReadyQueue} from '../queue/readyQueue.ts';
import {type Budgets, leastOf} from './budgets.ts';

interface Allotment {
  readonly usd: number;
  /** Absent while its assignment is on its way to the store. */
  attempt: AttemptNode | undefined;
}

export class Allotments {
  /** By session, then the attempt's id. */
  private readonly held = new Map<SessionNode, Map<string, Allotment>>();

  constructor(
    private readonly fleet: Fleet,
    private readonly queue: ReadyQueue,
    private readonly budgets: Budgets,
    private readonly floorUsd: number,
  ) {}

  /** What no running prompt of the session, or of the day, has been promised; undefined when nothing limits it. */
  freeUsd(session: SessionNode): number | undefined {
    const ofSession = this.budgets.sessionLeftUsd(session);
    const ofDay = this.budgets.dayLeftUsd(session.tenant);
    if (ofSession === undefined && ofDay === undefined) return undefined;
    let free = Number.POSITIVE_INFINITY;
    if (ofSession !== undefined) free = ofSession - this.outstandingUsd(session);
    if (ofDay !== undefined) {
      let promised = 0;
      for (const other of this.held.keys())
        if (other.tenant === session.tenant) promised += this.outstandingUsd(other);
      free = Math.min(free, ofDay - promised);
    }
    return Math.max(0, free);
  }

  /** Whether a prompt of the session may start. */
  hasFree(session: SessionNode): boolean {
    const free = this.freeUsd(session);
    return free === undefined || free > leastOf(session.record.budgetUsd);
  }

  /**
   * Promises the attempt its part, in dollars. `alike` prompts of its session start together with it; `beside`: it is a backup. Undefined when
   * nothing limits it; `none` when nothing is free.
   */
  allot(task: TaskNode, attemptId: string, alike: number, beside = false): number | undefined | 'none' {
    const {session} = task;
    const own = beside ? this.besideUsd(task) : ownUsd(task);
    const free = this.freeUsd(session) ?? Number.POSITIVE_INFINITY;
    if (!this.hasFree(session) || own <= 0) return 'none';
    const share = free === Number.POSITIVE_INFINITY ? free : free / this.sharers(session, alike);
    const usd = Math.min(own, free, Math.max(share, this.floorUsd, task.leastUsd));
    if (usd === Number.POSITIVE_INFINITY) return undefined;
    this.of(session).set(attemptId, {usd, attempt: undefined});
    return usd;
  }

  /** There is money for a backup of the task. */
  mayDouble(task: TaskNode): boolean {
    const {session, spec} = task;
    const isLimited = spec.budgetUsd !== undefined || this.freeUsd(session) !== undefined;
    return isLimited && this.hasFree(session) && this.besideUsd(task) > leastOf(spec.budgetUsd);
  }

  /** The attempt runs: what it has spent is promised no more. */
  take(attempt: AttemptNode): void {
    const {id, budgetUsd} = attempt.record;
    if (budgetUsd !== undefined) this.of(attempt.task.session).set(id, {usd: budgetUsd, attempt});
  }

  /** The attempt is over, or was never stored. */
  release(session: SessionNode, attemptId: string): void {
    const allotments = this.held.get(session);
    allotments?.delete(attemptId);
    if (allotments?.size === 0) this.held.delete(session);
  }

  /** What the task's own budget has left beside what its attempts that run were promised. */
  private besideUsd(task: TaskNode): number {
    const {budgetUsd} = task.spec;
    if (budgetUsd === undefined) return Number.POSITIVE_INFINITY;
    let left = budgetUsd - taskSpentUsd(task);
    for (const {record} of presentAttempts(task))
      left -= Math.max(0, (record.budgetUsd ?? 0) - record.usage.costUsd);
    return left;
  }

  private outstandingUsd(session: SessionNode): number {
    let usd = 0;
    for (const {usd: promised, attempt} of this.held.get(session)?.values() ?? [])
      if (!attempt || isWorking(attempt)) usd += Math.max(0, promised - (attempt?.record.usage.costUsd ?? 0));
    return usd;
  }

  /** Prompts of the session, besides those that run, that could start now. */
  private sharers(session: SessionNode, alike: number): number {
    let ready = alike;
    for (const placement of this.queue.classes())
      if (placement.session === session && placement.isPrompt) ready += placement.entries.size;
    let slots = alike;
    for (const agent of this.fleet.agents.values())
      if (agent.tenant === session.tenant && isOnline(agent)) slots += Math.max(0, freeSlots(agent));
    const wanted = (session.plan.agents ?? 0) - (this.held.get(session)?.size ?? 0);
    return Math.max(Math.min(ready, Math.max(slots, wanted, 2)), 1);
  }

  private of(session: SessionNode): Map<string, Allotment> {
    let allotments = this.held.get(session);
    if (!allotments) {
      allotments = new Map();
      this.held.set(session, allotments);
    }
    return allotments;
  }
}

/** What one attempt may have of the task's own budget. */
function ownUsd(task: TaskNode): number {
  const {spec, leastUsd} = task;
  if (spec.budgetUsd === undefined) return Number.POSITIVE_INFINITY;
  const left = spec.budgetUsd - taskSpentUsd(task);
  return mayRunTwice(spec) ? Math.max(left / 2, Math.min(left, leastUsd)) : left;
}

/** Whoever has reported spends no more, and its review may need the rest. */
function isWorking({record}: AttemptNode): boolean {
  return record.state === 'assigned' || record.state === 'running';
}
