/**
 * Carries out what is decided about tasks: decision -> records -> fenced step -> the lead's picture, then whatever follows. One step of a task
 * is under way at a time; what happens meanwhile is looked at when it is through.
 */
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import {assert} from '../../runtime/assert.ts';
import {Heap} from '../../runtime/heap.ts';
import {putRecord} from '../../store/records.ts';
import type {Compare, Op} from '../../store/store.ts';
import * as changes from '../deciding/changes.ts';
import {type Decision, type DecisionContext, decide} from '../deciding/decide.ts';
import {FAILURE_HANDLING} from '../deciding/failurePolicy.ts';
import type {Drop} from '../deciding/ofTwo.ts';
import {
  type AttemptNode,
  isFinalTask,
  isPresent,
  isWorkedOff,
  type SessionNode,
  type TaskNode,
} from '../fleet/fleet.ts';
import {leastOfNext, takeAttempt} from '../fleet/nodes.ts';
import {Ranks} from '../placing/ranks.ts';
import {lessonOf} from '../placing/teaching.ts';
import {resultRef} from '../results/resultRef.ts';
import {guarded, nowOf, type Term} from '../term/term.ts';
import {Assignments, placeOf} from './assignments.ts';
import {type Submission, TaskSteps, unchangedAttempt} from './taskSteps.ts';

/** What the conductor sets in motion outside the records of one task. */
export interface Consequences {
  /** An attempt of the session may have spent something. */
  spent(session: SessionNode): void;
  assigned(attempt: AttemptNode): void;
  ended(attempt: AttemptNode, record: AttemptRecord): void;
  finished(task: TaskNode): void;
  verify(attempt: AttemptNode): void;
  /** Puts the question to a person, in the transaction that parks the task. */
  question(task: TaskNode, subject: 'losses' | 'onLost', message: string): Op;
  mergeInputs(task: TaskNode, failure: Extract<Decision, {kind: 'mergeInputs'}>['failure']): MergeStep;
  workedOff(session: SessionNode): void;
  /** Says later what it found, in the task's node. */
  lookUp(task: TaskNode): void;
  /** The step that completes the task from what was found; undefined when it does not hold any more. */
  reuse(task: TaskNode): Submission | undefined;
}

export interface MergeStep {
  readonly compare: readonly Compare[];
  readonly ops: readonly Op[];
  committed(revision: number): void;
}

interface Sleeper {
  readonly until: number;
  readonly task: TaskNode;
}

export class Conductor {
  readonly steps: TaskSteps;
  private readonly assignments: Assignments;
  readonly ranks: Ranks;
  private readonly context: DecisionContext;
  private readonly sleepers = new Heap<Sleeper>((a, b) => a.until < b.until);
  private readonly losses = new Map<string, Set<TaskNode>>();
  private scheduling = false;

  constructor(
    private readonly term: Term,
    private readonly consequences: Consequences,
  ) {
    this.ranks = new Ranks(term.scheduler, term.queue);
    this.steps = new TaskSteps(term, {
      evaluate: task => this.evaluate(task),
      ended: (attempt, record) => {
        term.allotments.release(attempt.task.session, record.id);
        this.learn(attempt, record);
        consequences.ended(attempt, record);
        this.schedule();
      },
      finished: task => {
        this.ranks.finished(task, nowOf(term));
        consequences.finished(task);
      },
      spent: session => consequences.spent(session),
    });
    this.assignments = new Assignments(term, this.steps, {
      evaluate: task => this.evaluate(task),
      replaced: (task, attempt) => this.rememberLoss(task, attempt),
      assigned: attempt => consequences.assigned(attempt),
    });
    const {settings, random, hub, scheduler, budgets, allotments} = term;
    this.context = {
      get hubNow() {
        return hub.now();
      },
      lossGraceMs: settings.lossGraceMs,
      reportGraceMs: settings.reportGraceMs,
      rateLimitWaitMs: settings.rateLimitWaitMs,
      random: () => random.next(),
      freeUsd: session => allotments.freeUsd(session),
      promptsStopped: session => budgets.isStopped(session),
      hasOtherAgent: (task, agentId) => scheduler.hasOther(task, agentId),
    };
  }

  /** Looks at a task about which something may have changed; one whose step is under way is looked at after it. */
  evaluate(task: TaskNode): void {
    if (task.session.closed || task.session.held) return;
    if (task.busy) return;
    const run = (): void => {
      const decision = decide(task, this.context);
      if (decision.kind !== 'queue') this.term.queue.remove(task);
      this.act(task, decision);
    };
    guarded(this.term, 'a decision', run, task.session);
  }

  /** Ends the session if there is nothing left to do in it. */
  settle(session: SessionNode): void {
    if (!session.closed && !session.held && isWorkedOff(session)) this.consequences.workedOff(session);
  }

  /** Places what can be placed, once for everything that happens in this turn. */
  schedule(): void {
    if (this.scheduling) return;
    this.scheduling = true;
    queueMicrotask(() => {
      this.scheduling = false;
      if (this.term.signal.aborted) return;
      guarded(this.term, 'placement', () => {
        const {scheduler} = this.term;
        this.assignments.assignAll(scheduler.place(nowOf(this.term)));
        this.assignments.assignAll(scheduler.backups(nowOf(this.term)));
      });
    });
  }

  /** Wakes the tasks whose hub time has come. */
  wake(): void {
    const now = this.term.hub.now();
    for (let next = this.sleepers.peek(); next && next.until <= now; next = this.sleepers.peek()) {
      this.sleepers.pop();
      this.evaluate(next.task);
    }
  }

  /** Remembers that the task lost an attempt to an agent's incarnation, which may come back. */
  noteLoss(task: TaskNode, incarnation: string): void {
    task.lostOn.add(incarnation);
    const name = `${task.session.tenant}/${incarnation}`;
    const tasks = this.losses.get(name);
    if (tasks) tasks.add(task);
    else this.losses.set(name, new Set([task]));
  }

  /** The incarnation, named `agent/incarnation`, was not dead after all: what its silence cost the tasks is given back. */
  returnLosses(tenant: string, incarnation: string): void {
    const name = `${tenant}/${incarnation}`;
    const tasks = this.losses.get(name);
    if (!tasks) return;
    this.losses.delete(name);
    for (const task of tasks) {
      if (!task.lostOn.delete(incarnation)) continue;
      task.refunds += 1;
      this.evaluate(task);
    }
  }

  /** The session is over: nothing of it comes back or wakes. */
  forget(session: SessionNode): void {
    this.sleepers.retain(({task}) => task.session !== session);
    for (const [name, tasks] of this.losses) {
      for (const task of tasks) if (task.session === session) tasks.delete(task);
      if (tasks.size === 0) this.losses.delete(name);
    }
  }

  /** Records that the agent has started to work on the attempt. */
  start(attempt: AttemptNode): void {
    const {task} = attempt;
    if (task.busy || !isPresent(attempt) || attempt.record.state !== 'assigned') return;
    const {task: record, attempt: started} = changes.started(task, attempt, nowOf(this.term));
    this.steps.rewriteAttempt(attempt, {task: record}, started);
  }

  private act(task: TaskNode, decision: Decision): void {
    const now = nowOf(this.term);
    const {attempt} = task;
    switch (decision.kind) {
      case 'none':
        if (isFinalTask(task)) this.settle(task.session);
        return;
      case 'queue':
        if (!task.queuedIn) {
          task.readySince = now.hub;
          task.readyAt = now.wall;
        }
        this.term.queue.add(task);
        this.schedule();
        return;
      case 'lookUp':
        this.consequences.lookUp(task);
        return;
      case 'reuse': {
        const step = this.consequences.reuse(task);
        if (step) this.steps.submit(task, step);
        else this.consequences.lookUp(task);
        return;
      }
      case 'sleep':
        this.sleepers.push({until: decision.until, task});
        return;
      case 'verify':
        if (!attempt) return;
        if (attempt.record.state === 'verifying') this.consequences.verify(attempt);
        else {
          const {task: record, attempt: verifying} = changes.verifying(task, attempt);
          this.steps.rewriteAttempt(attempt, {task: record}, verifying, () =>
            this.consequences.verify(attempt),
          );
        }
        return;
      case 'cancel':
      case 'fail':
        this.steps.submit(task, {
          change: changes.finished(
            task,
            decision.kind,
            decision.failure,
            now,
            decision.kind === 'fail' && decision.undo ? {undo: 'due'} : undefined,
          ),
          ops: forgetConversation(task),
        });
        return;
      case 'unpark':
        this.unpark(task);
        return;
      case 'refund':
        this.refund(task);
        return;
      case 'drop':
        this.drop(task, decision);
        return;
      default:
        if (attempt) this.actOnAttempt(task, attempt, decision);
    }
  }

  private actOnAttempt(
    task: TaskNode,
    attempt: AttemptNode,
    decision: Extract<Decision, {kind: 'accept' | 'retry' | 'requeue' | 'park' | 'makeWay' | 'mergeInputs'}>,
  ): void {
    const now = nowOf(this.term);
    switch (decision.kind) {
      case 'accept':
        this.steps.submit(task, {
          change: changes.accepted(task, attempt, now),
          ops: [...this.resultRef(attempt), ...forgetConversation(task)],
          committed: () => {
            if (attempt.record.backupOf) task.session.speculation.won += 1;
          },
        });
        return;
      case 'retry': {
        const {failure, avoidAgent} = decision.retry;
        const change = changes.retried(task, attempt, decision.retry, now);
        this.steps.submit(task, {
          change,
          ops: forgetConversation(task),
          committed: () => {
            if (failure.kind !== 'rateLimit')
              task.previous = {message: failure.message, gates: change.ended?.gates ?? []};
            task.leastUsd = leastOfNext(attempt.record, failure);
            if (avoidAgent) avoid(task, attempt.record.agentId);
          },
        });
        return;
      }
      case 'requeue':
        this.steps.submit(task, {
          change: changes.requeued(task, attempt, decision, now),
          committed: () => {
            if (decision.outcome === 'lost') this.rememberLoss(task, attempt);
          },
        });
        return;
      case 'park':
        this.steps.submit(task, {
          change: changes.parked(task, attempt, decision.message, now),
          ops: [this.consequences.question(task, decision.subject, decision.message)],
          committed: () => {
            task.answer = undefined;
          },
        });
        return;
      case 'makeWay':
        this.steps.submit(task, {change: changes.madeWay(task, attempt, now)});
        return;
      case 'mergeInputs': {
        const merge = this.consequences.mergeInputs(task, decision.failure);
        this.steps.submit(task, {
          change: changes.blocked(task, attempt, decision.failure, now),
          compare: merge.compare,
          ops: [...merge.ops, ...forgetConversation(task)],
          committed: revision => merge.committed(revision),
        });
        return;
      }
      default:
        decision satisfies never;
    }
  }

  private unpark(task: TaskNode): void {
    const change = {task: {...task.record, losses: 0, waitingFor: undefined}};
    this.steps.submit(task, {
      change,
      committed: () => {
        task.answer = undefined;
        task.lostOn.clear();
      },
    });
  }

  /** One of two attempts is over, and the other goes on. */
  private drop(task: TaskNode, drop: Drop): void {
    const {attempt, outcome} = drop;
    const other = attempt === task.backup ? task.attempt : task.backup;
    assert(other, `task ${task.key} has one attempt only`);
    const {other: record, ...change} = changes.dropped(task, other, drop, nowOf(this.term));
    const put = record && putRecord(other.key, record);
    const isCurrent = attempt === task.attempt;
    this.steps.submit(task, {
      change,
      compare: put ? [unchangedAttempt(other)] : [],
      ops: [...(put ? [put] : []), ...(isCurrent && outcome === 'failed' ? forgetConversation(task) : [])],
      committed: revision => {
        if (record && put?.kind === 'put') {
          other.record = record;
          other.mod = revision;
          other.written = put.value;
        }
        if (isCurrent) task.lastAgent = placeOf(other.agent);
        if (drop.failure && FAILURE_HANDLING[drop.failure.kind] === 'elsewhere')
          avoid(task, attempt.record.agentId);
      },
      refused: current => {
        const stored = current?.get(other.key);
        if (stored) takeAttempt(other, stored);
      },
    });
  }

  private refund(task: TaskNode): void {
    const losses = Math.max(0, task.record.losses - task.refunds);
    task.refunds = 0;
    this.steps.submit(task, {change: {task: {...task.record, losses}}});
  }

  private learn({task, agent}: AttemptNode, record: AttemptRecord): void {
    const lesson = lessonOf(record);
    if (!lesson || task.spec.work.kind === 'noop') return;
    this.term.scheduler.observe(task, agent, lesson.durationMs, lesson.outcome, nowOf(this.term));
  }

  private rememberLoss(task: TaskNode, attempt: AttemptNode): void {
    this.noteLoss(task, `${attempt.record.agentId}/${attempt.record.agentIncarnation}`);
  }

  private resultRef({record: {id, report}, task}: AttemptNode): Op[] {
    const result = report?.outcome === 'succeeded' ? report.result : undefined;
    return resultRef(task, id, result, {principal: this.term.principal, at: this.term.clock.wallNow()});
  }
}

function avoid(task: TaskNode, agentId: string): void {
  task.avoid = [...new Set([...task.avoid, agentId])].sort();
}

/** What was lost or moved is gone on with; after an end of its own a task begins anew. */
function forgetConversation({session, spec}: TaskNode): Op[] {
  if (spec.work.kind !== 'prompt') return [];
  return [{kind: 'delete', key: session.keys.checkpoint(session.id, spec.id)}];
}
