/**
 * Carries out what is decided about tasks: decision -> records -> fenced step -> the lead's picture, then whatever follows. One step of a task
 * is under way at a time; what happens meanwhile is looked at when it is through.
 */
import {AgentLive} from '../protocol/model/agent.ts';
import type {AttemptLive, AttemptRecord} from '../protocol/model/attempt.ts';
import {parseRecord, RECORD_VERSION} from '../protocol/model/record.ts';
import {putRecord} from '../store/records.ts';
import type {Compare, Op} from '../store/store.ts';
import * as changes from './changes.ts';
import type {CurrentKeys} from './committer.ts';
import {type Decision, type DecisionContext, decide} from './decide.ts';
import {
  type AgentNode,
  type AttemptNode,
  isFinalTask,
  isWorkedOff,
  type SessionNode,
  type TaskNode,
} from './fleet.ts';
import {Heap} from './heap.ts';
import {attemptNode, leastOfNext} from './nodes.ts';
import {spendsOnModel} from './readyQueue.ts';
import {resultRef} from './resultRef.ts';
import type {Placement} from './scheduler.ts';
import {TaskSteps} from './taskSteps.ts';
import {guarded, nowOf, type Term} from './term.ts';

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
  private readonly context: DecisionContext;
  private readonly sleepers = new Heap<Sleeper>((a, b) => a.until < b.until);
  private readonly losses = new Map<string, Set<TaskNode>>();
  private scheduling = false;

  constructor(
    private readonly term: Term,
    private readonly consequences: Consequences,
  ) {
    this.steps = new TaskSteps(term, {
      evaluate: task => this.evaluate(task),
      ended: (attempt, record) => {
        term.allotments.release(attempt.task.session, record.id);
        consequences.ended(attempt, record);
        this.schedule();
      },
      finished: task => consequences.finished(task),
      spent: session => consequences.spent(session),
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

  /** Places what can be placed, once for everything that happens in this turn. */
  schedule(): void {
    if (this.scheduling) return;
    this.scheduling = true;
    queueMicrotask(() => {
      this.scheduling = false;
      if (this.term.signal.aborted) return;
      guarded(this.term, 'placement', () => this.assignAll(this.term.scheduler.place(nowOf(this.term))));
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
    if (task.busy || task.attempt !== attempt || attempt.record.state !== 'assigned') return;
    const {task: record, attempt: started} = changes.started(task, attempt, nowOf(this.term));
    this.steps.rewriteAttempt(attempt, {task: record}, started);
  }

  private act(task: TaskNode, decision: Decision): void {
    const now = nowOf(this.term);
    const {attempt} = task;
    switch (decision.kind) {
      case 'none':
        if (isFinalTask(task) && isWorkedOff(task.session)) this.consequences.workedOff(task.session);
        return;
      case 'queue':
        if (!task.queuedIn) {
          task.readySince = now.hub;
          task.readyAt = now.wall;
        }
        this.term.queue.add(task);
        this.schedule();
        return;
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
        this.steps.submit(task, {change: changes.finished(task, 'cancel', decision.failure, now)});
        return;
      case 'fail':
        this.steps.submit(task, {change: changes.finished(task, 'fail', decision.failure, now)});
        return;
      case 'unpark':
        this.unpark(task);
        return;
      case 'refund':
        this.refund(task);
        return;
      default:
        if (attempt) this.actOnAttempt(task, attempt, decision);
    }
  }

  private actOnAttempt(
    task: TaskNode,
    attempt: AttemptNode,
    decision: Extract<Decision, {kind: 'accept' | 'retry' | 'requeue' | 'park' | 'mergeInputs'}>,
  ): void {
    const now = nowOf(this.term);
    switch (decision.kind) {
      case 'accept':
        this.steps.submit(task, {
          change: changes.accepted(task, attempt, now),
          ops: this.resultRef(attempt),
        });
        return;
      case 'retry': {
        const {failure, avoidAgent} = decision.retry;
        const change = changes.retried(task, attempt, decision.retry, now);
        this.steps.submit(task, {
          change,
          committed: () => {
            if (failure.kind !== 'rateLimit')
              task.previous = {message: failure.message, gates: change.ended?.gates ?? []};
            task.leastUsd = leastOfNext(attempt.record, failure);
            if (avoidAgent) task.avoid = [...new Set([...task.avoid, attempt.record.agentId])].sort();
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
      case 'mergeInputs': {
        const merge = this.consequences.mergeInputs(task, decision.failure);
        this.steps.submit(task, {
          change: changes.blocked(task, attempt, decision.failure, now),
          compare: merge.compare,
          ops: merge.ops,
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

  private refund(task: TaskNode): void {
    const losses = Math.max(0, task.record.losses - task.refunds);
    task.refunds = 0;
    this.steps.submit(task, {change: {task: {...task.record, losses}}});
  }

  private assignAll(placements: readonly Placement[]): void {
    const prompts = new Map<SessionNode, number>();
    const count = ({task}: Placement, by: number): number => {
      const counted = (prompts.get(task.session) ?? 0) + (spendsOnModel(task) ? by : 0);
      prompts.set(task.session, counted);
      return counted;
    };
    for (const placement of placements) count(placement, 1);
    for (const placement of placements) {
      const alike = Math.max(1, count(placement, 0));
      const {session} = placement.task;
      guarded(this.term, 'an assignment', () => this.assign(placement, alike), session);
      count(placement, -1);
    }
  }

  /** `alike` prompts of the session, this one among them, are yet to be assigned. */
  private assign({task, agent, score, features}: Placement, alike: number): void {
    const {term} = this;
    const live = agent.live;
    const attemptId = changes.nextAttemptId(task);
    const isHeld = task.busy || task.session.closed || task.session.held || !live;
    const budgetUsd =
      isHeld || !spendsOnModel(task) ? undefined : term.allotments.allot(task, attemptId, alike);
    if (isHeld || budgetUsd === 'none') {
      agent.reserved -= 1;
      this.evaluate(task);
      return;
    }
    const replaced = task.attempt;
    const placement = {strategy: task.session.rule.name, score, features: {...features}};
    const {attempt: record, ...change} = changes.assigned(
      task,
      agent,
      placement,
      term,
      budgetUsd,
      nowOf(term),
    );
    const {keys} = task.session;
    const liveValue: AttemptLive = {
      v: RECORD_VERSION,
      principal: term.principal,
      agentId: agent.id,
      agentIncarnation: record.agentIncarnation,
    };
    const put = putRecord(keys.attempt(record.id), record);
    this.steps.submit(task, {
      change,
      compare: [{key: keys.agentLive(agent.id), target: 'mod', op: '=', operand: live.mod}],
      ops: [put, putRecord(keys.live(record.id), liveValue)],
      committed: revision => {
        agent.reserved -= 1;
        if (replaced) this.rememberLoss(task, replaced);
        const attempt = attemptNode(task, agent, record, revision, revision);
        attempt.written = put.kind === 'put' ? put.value : undefined;
        task.attempt = attempt;
        term.allotments.take(attempt);
        task.lastAgent = {id: agent.id, region: agent.record?.instance.metadata.region ?? ''};
        agent.attempts.add(attempt);
        this.consequences.assigned(attempt);
      },
      refused: current => {
        agent.reserved -= 1;
        term.allotments.release(task.session, record.id);
        if (current) this.refreshLive(agent, keys.agentLive(agent.id), current);
      },
    });
  }

  private rememberLoss(task: TaskNode, attempt: AttemptNode): void {
    this.noteLoss(task, `${attempt.record.agentId}/${attempt.record.agentIncarnation}`);
  }

  private resultRef({record: {id, report}, task}: AttemptNode): Op[] {
    const result = report?.outcome === 'succeeded' ? report.result : undefined;
    return resultRef(task, id, result, {principal: this.term.principal, at: this.term.clock.wallNow()});
  }

  /** What the refusal says of the agent's live key, which the watch has yet to tell. */
  private refreshLive(agent: AgentNode, key: string, current: CurrentKeys): void {
    const kv = current.get(key);
    if (kv?.modRevision === agent.live?.mod) return;
    agent.live = kv && {value: parseRecord(AgentLive, key, kv.value), mod: kv.modRevision};
    agent.version += 1;
  }
}
