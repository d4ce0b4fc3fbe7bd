/** How far a session is: work that is done against work that is predicted, and when the rest may be done. Pure. */
import {FINAL_TASK_STATES, type TaskRecord} from '../../protocol/model/task.ts';
import {EXPECTED_MS} from '../../protocol/plan/expectedDuration.ts';
import {topologicalOrder} from '../../protocol/plan/graph.ts';
import type {Plan, TaskSpecification, TaskWork} from '../../protocol/plan/plan.ts';
import {elapsedMs, isActive, type SessionReport, type TaskReport} from './sessionReport.ts';

export interface SessionProgress {
  /** Milliseconds of work: attempts of tasks that have ended, and what runs so far. */
  readonly finishedMs: number;
  /** The same with what is still to come. */
  readonly predictedMs: number;
  /** `finishedMs / predictedMs`, 0 to 1; 1 of a session that has ended, and only of one. */
  readonly fraction: number;
  /** Milliseconds from now until its last task has ended; absent when nothing can be said: it waits for a person or for agents, or more tasks may come. */
  readonly etaMs?: number;
}

export interface ProgressFacts {
  readonly wallNow: number;
  /** Attempts that its agents can run at once. */
  readonly slots: number;
}

/** Of an unfinished session there is always something left, whatever was predicted. */
const MOST = 0.99;

interface Work {
  readonly finishedMs: number;
  readonly restMs: number;
}

export function sessionProgress(
  report: SessionReport,
  plan: Plan | undefined,
  {wallNow, slots}: ProgressFacts,
): SessionProgress {
  const {session, tasks} = report;
  const specs = new Map(plan?.tasks.map(task => [task.id, task]));
  const expected = expectations(tasks, specs);
  const works = new Map(
    tasks.map(task => [task.record.id, workOf(task, expected(task.record, specs), wallNow)]),
  );
  const all = [...works.values()];
  const finishedMs = all.reduce((sum, work) => sum + work.finishedMs, 0);
  const restMs = all.reduce((sum, work) => sum + work.restMs, 0);
  const predictedMs = finishedMs + restMs;
  if (session.endedAt !== undefined) return {finishedMs, predictedMs: finishedMs, fraction: 1, etaMs: 0};
  const fraction = predictedMs === 0 ? 0 : Math.min(MOST, finishedMs / predictedMs);
  const waits = tasks.some(
    ({record}) => record.waitingFor !== undefined && record.waitingFor.kind !== 'backoff',
  );
  const isMoving = session.state === 'running' && slots > 0 && !session.open;
  if (!isMoving || (waits && !tasks.some(({record}) => isActive(record.state))))
    return {finishedMs, predictedMs, fraction};
  return {finishedMs, predictedMs, fraction, etaMs: Math.max(restMs / slots, longestPathMs(works, plan))};
}

/** The median of what tasks of the same kind took here, or what is expected of the kind where none has succeeded yet. */
function expectations(
  tasks: readonly TaskReport[],
  specs: ReadonlyMap<string, TaskSpecification>,
): (record: TaskRecord, specs: ReadonlyMap<string, TaskSpecification>) => number {
  const known = new Map<TaskWork['kind'], number[]>();
  for (const {record, latest: last} of tasks) {
    if (record.state !== 'succeeded' || !last) continue;
    const kind = kindOf(record, specs);
    known.set(kind, [...(known.get(kind) ?? []), attemptMs(last)]);
  }
  const medians = new Map([...known].map(([kind, all]) => [kind, median(all)]));
  return record => {
    const kind = kindOf(record, specs);
    const {estimateMs, timeoutMs = Number.POSITIVE_INFINITY} = specs.get(record.id) ?? {};
    return Math.min(timeoutMs, medians.get(kind) ?? estimateMs ?? EXPECTED_MS[kind]);
  };
}

function workOf({record, attempts, latest, ...rest}: TaskReport, expectedMs: number, wallNow: number): Work {
  const ended = attempts.filter(({state}) => state === 'ended');
  const spentMs = ended.reduce((sum, attempt) => sum + attemptMs(attempt), 0);
  if (FINAL_TASK_STATES.has(record.state)) return {finishedMs: spentMs, restMs: 0};
  if (!isActive(record.state)) return {finishedMs: spentMs, restMs: expectedMs};
  const soFarMs = elapsedMs({record, attempts, latest, ...rest}, wallNow) ?? 0;
  return {finishedMs: spentMs + soFarMs, restMs: Math.max(0, expectedMs - soFarMs)};
}

function longestPathMs(works: ReadonlyMap<string, Work>, plan: Plan | undefined): number {
  const tasks = plan?.tasks ?? [];
  const rest = (id: string): number => works.get(id)?.restMs ?? 0;
  const until = new Map<string, number>();
  for (const index of topologicalOrder(tasks)) {
    const task = tasks[index];
    if (!task) continue;
    const before = task.dependsOn.reduce((longest, id) => Math.max(longest, until.get(id) ?? 0), 0);
    until.set(task.id, before + rest(task.id));
  }
  // What the coordinator added runs after everything else.
  const added = [...works].filter(([id]) => !until.has(id)).reduce((sum, [, work]) => sum + work.restMs, 0);
  return [...until.values()].reduce((longest, ms) => Math.max(longest, ms), 0) + (plan ? added : 0);
}

function kindOf(
  record: TaskRecord,
  specs: ReadonlyMap<string, TaskSpecification>,
): TaskSpecification['work']['kind'] {
  return specs.get(record.id)?.work.kind ?? (record.origin === 'result' ? 'merge' : 'prompt');
}

function attemptMs({activeMs, startedAt, assignedAt, endedAt}: TaskReport['attempts'][number]): number {
  return activeMs ?? Math.max(0, (endedAt ?? assignedAt) - (startedAt ?? assignedAt));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
