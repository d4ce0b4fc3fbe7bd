/**
 * Says where tasks would go if they were placed now, on what placement knows at this moment. Works on nodes of its own, so that nothing is started,
 * reserved or learned by it, and lets others in between.
 */
import {capabilityWeighted} from '../../balancing/capabilityWeighted.ts';
import {Distribution, type PlannedAssignment} from '../../balancing/distributionPlan.ts';
import {isConsulted, type RankedCandidate} from '../../balancing/strategy.ts';
import {
  type DistributePlan,
  type DistributionPlan,
  MAX_FORECAST,
  type PlannedTask,
} from '../../protocol/commands/distribution.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import type {SessionRecord, WorkspaceSource} from '../../protocol/model/session.ts';
import type {Plan, TaskSpecification} from '../../protocol/plan/plan.ts';
import {expandPlan} from '../../protocol/plan/split.ts';
import {delay} from '../../runtime/clock.ts';
import {Heap} from '../../runtime/heap.ts';
import type {Principal} from '../../security/principal.ts';
import {awaitedBy, emptyCounts, isFinalTask, type SessionNode, type TaskNode} from '../fleet/fleet.ts';
import {linkSession, newTaskRecord, sessionNode, taskNode} from '../fleet/nodes.ts';
import {checkPlan} from '../sessions/sessionStarts.ts';
import {nowOf, type Term} from '../term/term.ts';
import {requireRule} from './strategies.ts';

/** Pairs of tasks and agents that are looked at before others get a turn. */
const PAIRS_A_TURN = 4096;
const OTHERS_SHOWN = 2;
const SOMEWHERE: WorkspaceSource = {repositoryId: 'forecast', commit: '0'.repeat(40), bundles: []};
const FORECAST = {v: RECORD_VERSION, principal: 'forecast', id: 'forecast', plan: '0'.repeat(64)};

type Decided = Pick<PlannedTask, 'strategy' | 'insteadOf'> & {readonly ranked: readonly RankedCandidate[]};

export class Forecasts {
  constructor(
    private readonly term: Pick<Term, 'fleet' | 'scheduler' | 'advisers' | 'hub' | 'clock' | 'signal'>,
    private readonly modes: {modesFor(session: SessionNode): SessionNode['modes']},
  ) {}

  /** Errors: `notFound` (no such session runs), `invalidParams` (the plan has problems, no such strategy). */
  async plan(params: DistributePlan, {tenant}: Principal): Promise<DistributionPlan> {
    const {clock, signal} = this.term;
    const tasks = this.tasksOf(params, tenant);
    const only = params.agents && new Set(params.agents);
    const distribution = new Distribution();
    const assignments: PlannedTask[] = [];
    const order = inOrder(tasks);
    let pairs = 0;
    for (const task of order.slice(0, MAX_FORECAST)) {
      const found = this.term.scheduler.candidates(task, nowOf(this.term));
      const candidates = found.candidates.filter(({instance}) => only?.has(instance.id) ?? true);
      const {ranked, ...decided} = await this.decide(task, candidates);
      const reason = found.misfit === '' ? 'none of the agents in question fits it' : found.misfit;
      const planned = distribution.add(task.spec, candidates, ranked, reason.slice(0, 2048));
      if (planned) {
        const at = candidates.find(({instance}) => instance.id === planned.agentId);
        task.lastAgent = {id: planned.agentId, region: at?.instance.metadata.region ?? ''};
        assignments.push({...decided, ...plannedTask(planned, ranked, at?.prediction)});
      }
      pairs += candidates.length;
      if (pairs < PAIRS_A_TURN) continue;
      pairs = 0;
      await delay(clock, 0, signal);
    }
    const {unplaced, finishMs} = distribution.plan();
    return {assignments, unplaced: [...unplaced], finishMs, more: Math.max(0, order.length - MAX_FORECAST)};
  }

  private async decide(
    task: TaskNode,
    candidates: Parameters<typeof capabilityWeighted.rank>[0],
  ): Promise<Decided> {
    const rule = this.term.scheduler.ruleOf(task);
    if (!isConsulted(rule) || candidates.length === 0)
      return {strategy: rule.name, ranked: rule.rank(candidates, task.spec)};
    const advice = await this.term.advisers.consult(rule, candidates, task);
    if (advice.kind === 'given') return {strategy: rule.name, ranked: advice.ranked};
    const reason = advice.kind === 'none' ? advice.reason : 'it was asked already';
    return {
      strategy: capabilityWeighted.name,
      insteadOf: {strategy: rule.name, reason},
      ranked: capabilityWeighted.rank(candidates, task.spec),
    };
  }

  /** Nodes of our own, linked and ranked. */
  private tasksOf({plan, tasks, sessionId}: DistributePlan, tenant: string): TaskNode[] {
    if (plan) {
      const expanded = expandPlan(plan);
      checkPlan(expanded, {workspace: SOMEWHERE});
      return this.nodesOf(this.imagined(expanded, tenant), expanded.tasks);
    }
    const running = sessionId === undefined ? undefined : this.term.fleet.session(tenant, sessionId);
    if (sessionId !== undefined && !running)
      throw new ProtocolError('notFound', `no session ${sessionId} runs: only what runs has something to do`);
    if (running && !tasks) return [...copyOf(running).tasks.values()].filter(isToCome);
    for (const {strategy} of tasks ?? []) if (strategy !== undefined) requireRule(strategy, 'tasks.strategy');
    const session = running ? copyOf(running) : this.imagined(NO_PLAN, tenant);
    return this.nodesOf(session, tasks ?? []);
  }

  private imagined(plan: Plan, tenant: string): SessionNode {
    const record: SessionRecord = {
      ...FORECAST,
      name: plan.name,
      state: 'running',
      createdAt: this.term.clock.wallNow(),
      keep: false,
      rehearsal: false,
      strategy: plan.strategy,
      spentUsd: 0,
      counts: emptyCounts(),
    };
    const session = sessionNode(tenant, plan, record, 0);
    session.modes = this.modes.modesFor(session);
    return session;
  }

  private nodesOf(session: SessionNode, specs: readonly TaskSpecification[]): TaskNode[] {
    const {scheduler} = this.term;
    const now = nowOf(this.term);
    const nodes = specs.map(spec =>
      taskNode(session, spec, newTaskRecord(session.id, spec, 'plan', FORECAST.principal), 0),
    );
    linkSession(session, nodes, spec => scheduler.typicalMs(session.tenant, spec, now));
    return nodes;
  }
}

const NO_PLAN: Plan = {
  name: 'tasks',
  workspace: {kind: 'none'},
  mode: 'hybrid',
  strategy: 'capability-weighted',
  merge: {onConflict: 'fail'},
  gates: [],
  tasks: [],
};

/** With nodes of its own, which may be changed. */
function copyOf(session: SessionNode): SessionNode {
  const own: SessionNode = {...session, tasks: new Map(), counts: {...session.counts}};
  for (const [id, task] of session.tasks)
    own.tasks.set(id, {...task, session: own, dependents: [], queuedIn: undefined});
  return own;
}

/** What runs already is in the agents' load. */
function isToCome(task: TaskNode): boolean {
  return !isFinalTask(task) && !task.attempt;
}

/** As they would become ready: each after what it waits for, by priority and then by rank. */
function inOrder(tasks: readonly TaskNode[]): TaskNode[] {
  const here = new Map(tasks.map(task => [task.spec.id, task]));
  const missing = new Map<TaskNode, number>();
  const dependents = new Map<TaskNode, TaskNode[]>();
  for (const task of tasks) {
    const awaited = awaitedBy(task).flatMap(id => here.get(id) ?? []);
    missing.set(task, awaited.length);
    for (const other of awaited) dependents.set(other, [...(dependents.get(other) ?? []), task]);
  }
  const ready = new Heap<TaskNode>((a, b) =>
    a.spec.priority === b.spec.priority ? a.rank > b.rank : a.spec.priority > b.spec.priority,
  );
  for (const task of tasks) if (missing.get(task) === 0) ready.push(task);
  const order: TaskNode[] = [];
  for (let next = ready.pop(); next; next = ready.pop()) {
    order.push(next);
    for (const task of dependents.get(next) ?? []) {
      const left = (missing.get(task) ?? 0) - 1;
      missing.set(task, left);
      if (left === 0) ready.push(task);
    }
  }
  return order;
}

function plannedTask(
  {taskId, agentId, score, features, analysis, startMs, finishMs}: PlannedAssignment,
  ranked: readonly RankedCandidate[],
  prediction: {readonly durationMs: number; readonly success: number} | undefined,
): Omit<PlannedTask, 'strategy' | 'insteadOf'> {
  const others = ranked.filter(other => other.agentId !== agentId).slice(0, OTHERS_SHOWN);
  return {
    ...{taskId, agentId, score, features: {...features}, startMs, finishMs},
    taskClass: analysis.taskClass,
    ...(analysis.guessed.length > 0 ? {guessed: analysis.guessed.slice(0, 8)} : {}),
    reasons: [...analysis.reasons],
    considered: ranked.length,
    others: others.map(other => ({...other, features: {...other.features}})),
    ...(prediction && {durationMs: Math.round(prediction.durationMs), success: prediction.success}),
  };
}
