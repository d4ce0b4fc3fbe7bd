/** Everything of the lead that time alone brings: hub time, backoffs, silence of agents, deadlines, and what records say about waiting. */
import * as z from 'zod';
import {SYSTEM_KEYS} from '../../protocol/model/keys.ts';
import {parseRecord, RECORD_VERSION, recordFields} from '../../protocol/model/record.ts';
import type {TaskRecord} from '../../protocol/model/task.ts';
import {Heap} from '../../runtime/heap.ts';
import {putRecord} from '../../store/records.ts';
import type {Store} from '../../store/store.ts';
import {taskTransition} from '../deciding/taskMachine.ts';
import {agentOf} from '../fleet/agentPresence.ts';
import {type AttemptNode, isFinalTask, isPresent, type SessionNode, type TaskNode} from '../fleet/fleet.ts';
import type {PlacementClass} from '../queue/readyQueue.ts';
import type {SessionWriter} from '../sessions/sessions.ts';
import {lateArrivals} from '../syncPoints/syncPointTimeouts.ts';
import {nowOf, type Term} from '../term/term.ts';
import type {Conductor} from './conductor.ts';

const HubTimeRecord = z.looseObject({...recordFields, hubTimeMs: z.number().nonnegative()});

/** The last hub time that a lead has stored, 0 before the first. */
export async function storedHubTime(store: Store): Promise<number> {
  const stored = await store.get(SYSTEM_KEYS.hubTime);
  return stored ? parseRecord(HubTimeRecord, stored.key, stored.value).hubTimeMs : 0;
}

export class Timekeeper {
  private readonly silent = new Set<AttemptNode>();
  private readonly toStart = new Set<AttemptNode>();
  private readonly deadlines = new Heap<TaskNode>((a, b) => (a.spec.deadline ?? 0) < (b.spec.deadline ?? 0));
  private sessionsFlushedAt = 0;
  private hubTimeStoredAt: number;
  private waitingShownAt = 0;
  private storing = false;

  constructor(
    private readonly term: Term,
    private readonly conductor: Conductor,
    private readonly sessions: SessionWriter,
  ) {
    this.hubTimeStoredAt = term.hub.now();
  }

  /** Its agent has it; the records say so at the next tick or soon after, unless it is over by then. */
  confirmed(attempt: AttemptNode): void {
    this.toStart.add(attempt);
  }

  /** Its agent may be silent. */
  watch(attempt: AttemptNode): void {
    this.silent.add(attempt);
  }

  adopt(tasks: Iterable<TaskNode>): void {
    for (const task of tasks)
      if (task.spec.deadline !== undefined && !isFinalTask(task)) this.deadlines.push(task);
  }

  /** The session is over: nothing of it is waited for. */
  forget(session: SessionNode): void {
    this.deadlines.retain(task => task.session !== session);
    for (const attempt of [...this.silent]) if (attempt.task.session === session) this.silent.delete(attempt);
    for (const attempt of [...this.toStart])
      if (attempt.task.session === session) this.toStart.delete(attempt);
  }

  tick(): void {
    const {hub, settings, fleet} = this.term;
    const step = hub.tick();
    const now = hub.now();
    this.conductor.wake();
    this.passDeadlines();
    for (const session of fleet.sessions.values()) this.passSyncPoints(session);
    for (const attempt of this.toStart) this.start(attempt);
    for (const attempt of this.silent) this.hearken(attempt, step);
    if (now - this.waitingShownAt >= settings.waitingShownAfterMs / 2) {
      this.waitingShownAt = now;
      for (const placement of this.term.queue.classes()) this.showWaiting(placement);
    }
    if (now - this.sessionsFlushedAt >= settings.sessionFlushMs) {
      this.sessionsFlushedAt = now;
      this.sessions.flush(fleet);
    }
    if (now - this.hubTimeStoredAt >= settings.hubTimeFlushMs && fleet.sessions.size > 0)
      this.storeHubTime(now);
    this.conductor.schedule();
  }

  storeHubTime(now: number): void {
    if (this.storing) return;
    this.storing = true;
    this.hubTimeStoredAt = now;
    const record = {v: RECORD_VERSION, principal: this.term.principal, hubTimeMs: Math.round(now)};
    const done = (): void => {
      this.storing = false;
    };
    this.term.committer.submit({
      compare: [],
      ops: [putRecord(SYSTEM_KEYS.hubTime, record)],
      committed: done,
      refused: done,
    });
  }

  /** Again at the next tick where a step of the task is under way. */
  private start(attempt: AttemptNode): void {
    const {task, record} = attempt;
    const isDue = isPresent(attempt) && !task.session.closed && record.state === 'assigned';
    if (isDue) this.conductor.start(attempt);
    else this.toStart.delete(attempt);
  }

  private passDeadlines(): void {
    const wall = this.term.clock.wallNow();
    for (let next = this.deadlines.peek(); next; next = this.deadlines.peek()) {
      const {deadline} = next.spec;
      if (deadline === undefined || deadline > wall) return;
      this.deadlines.pop();
      if (isFinalTask(next) || next.session.closed) continue;
      next.wanted = {kind: 'deadline', message: `not done by ${new Date(deadline).toISOString()}`};
      this.conductor.evaluate(next);
    }
  }

  private passSyncPoints(session: SessionNode): void {
    for (const {task, message} of lateArrivals(session, this.term.clock.wallNow())) {
      if (task.wanted) continue;
      task.wanted = {kind: 'timeout', message};
      this.conductor.evaluate(task);
    }
  }

  /** Counts the silence of an attempt's agent while somebody else could take over; what is lost that way is decided with the task. */
  private hearken(attempt: AttemptNode, stepMs: number): void {
    const {task} = attempt;
    const isCurrent = isPresent(attempt) && !task.session.closed;
    const agent = agentOf(attempt);
    const isSilent = isCurrent && agent === 'silent';
    if (!isSilent) attempt.silentMs = 0;
    if (!isCurrent) this.silent.delete(attempt);
    if (agent === 'reporting') attempt.reportingMs += stepMs;
    if (!isCurrent || task.busy) return;
    const {record} = attempt;
    if (isSilent !== (record.unreachableSince !== undefined) && record.state !== 'reported') {
      const unreachableSince = isSilent ? this.term.clock.wallNow() : undefined;
      this.conductor.steps.rewriteAttempt(attempt, {task: task.record}, {...record, unreachableSince});
    } else if (agent === 'reporting') this.conductor.evaluate(task);
    else if (!isSilent) this.silent.delete(attempt);
    if (!isSilent) return;
    const isEnding = task.session.record.state === 'ending';
    if (isEnding || this.term.scheduler.hasOther(task, record.agentId)) attempt.silentMs += stepMs;
    this.conductor.evaluate(task);
  }

  /** Lets some of the class's tasks say in their records that they are ready and what they wait for. */
  private showWaiting(placement: PlacementClass): void {
    const {queue, settings, hub} = this.term;
    const head = queue.head(placement);
    if (!head || placement.session.record.state !== 'running') return;
    if (hub.now() - head.readySince < settings.waitingShownAfterMs) return;
    const waitingFor = this.reasonOf(head, placement);
    for (const task of queue.sample(placement, settings.waitingShown)) {
      const {record} = task;
      const isShown = record.state === 'ready' && record.waitingFor?.message === waitingFor?.message;
      if (isShown || task.busy || task.attempt) continue;
      const readyAt = record.readyAt ?? this.term.clock.wallNow();
      this.conductor.steps.rewriteTask(task, {task: taskTransition(record, 'wait', {waitingFor, readyAt})});
    }
  }

  private reasonOf(head: TaskNode, placement: PlacementClass): TaskRecord['waitingFor'] {
    const {scheduler, settings} = this.term;
    const misfit = scheduler.explain(head, placement);
    if (misfit !== undefined) return {kind: 'agent', message: misfit.slice(0, 2048)};
    if (placement.isPrompt && this.term.budgets.isDaySpent(placement.session.tenant))
      return {kind: 'budget', message: `the fleet's budget for ${this.term.budgets.today()} is spent`};
    if (placement.isPrompt && !this.term.allotments.hasFree(placement.session))
      return {kind: 'budget', message: 'what is left of the budget is allotted to prompts that run'};
    if (scheduler.isFull())
      return {
        kind: 'agent',
        message: `as many attempts run as the setting maxRunning allows: ${settings.maxRunning}`,
      };
    const now = nowOf(this.term);
    if (placement.session.modes.prefersInternal && scheduler.hasFree(head, now))
      return {
        kind: 'agent',
        message: `waits for an internal agent, which mode auto prefers, for at most ${settings.autoWaitMs / 1000} s`,
      };
    const pause = scheduler.pausedUntil(head, placement, now);
    if (!pause) return ofOneAgent(head.record);
    const until = new Date(pause.until).toISOString();
    return {
      kind: 'rateLimit',
      message: `every agent that fits is paused until ${until}: ${pause.reason}`.slice(0, 2048),
    };
  }
}

/** It may run on one agent only, which fits and has no slot free. */
function ofOneAgent({wished, recheck}: TaskRecord): TaskRecord['waitingFor'] {
  if (recheck)
    return {
      kind: 'agent',
      message: `waits for a free slot of agent ${recheck.agentId}, which keeps the worktree that is to be checked`,
    };
  if (wished?.on === undefined) return undefined;
  return {
    kind: 'agent',
    message: `waits for a free slot of agent ${wished.on}, where a person wants it`,
  };
}
