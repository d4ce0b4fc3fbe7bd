/**
 * Where tasks would go if they were placed now, in the given order: who gets what, why, and when it would be done. A forecast for people and
 * programs; the scheduler decides anew when slots come free. Pure.
 */
import type {TaskSpecification} from '../protocol/plan/plan.ts';
import type {AgentAssignment, Candidate, PlacementRule, RankedCandidate} from './strategy.ts';
import {type TaskAnalysis, TaskAnalyzer} from './taskAnalyzer.ts';

export interface PlannedAssignment extends AgentAssignment {
  readonly analysis: TaskAnalysis;
  /** Milliseconds from now. */
  readonly startMs: number;
  readonly finishMs: number;
}

export interface DistributionPlan {
  readonly assignments: readonly PlannedAssignment[];
  /** Tasks that no candidate fits, each with a sentence. */
  readonly unplaced: readonly {readonly taskId: string; readonly reason: string}[];
  /** Milliseconds from now until the last of them is done. */
  readonly finishMs: number;
}

export interface DistributionOptions {
  readonly rule: PlacementRule;
  readonly analyzer?: TaskAnalyzer;
  /** Candidates of a task, after requirements and required affinity; predictions are those of that task. */
  readonly candidatesOf: (task: TaskSpecification) => readonly Candidate[];
  /** Of the ranked agents those that the task's affinity prefers; all of them when it does not care. */
  readonly preferred?: (task: TaskSpecification, agentIds: readonly string[]) => readonly string[];
}

export function distributeTasks(
  tasks: readonly TaskSpecification[],
  {rule, candidatesOf, analyzer, preferred = (_, ids) => ids}: DistributionOptions,
): DistributionPlan {
  const distribution = new Distribution(analyzer);
  for (const task of tasks) {
    const candidates = candidatesOf(task);
    const ranked = rule.rank(candidates, task);
    const wanted = new Set(
      preferred(
        task,
        ranked.map(({agentId}) => agentId),
      ),
    );
    const kept = ranked.filter(({agentId}) => wanted.has(agentId));
    distribution.add(task, candidates, kept, 'no agent that is known fits it');
  }
  return distribution.plan();
}

/** Task after task, each after those that it depends on. */
export class Distribution {
  private readonly slots = new Map<string, number[]>();
  private readonly finished = new Map<string, number>();
  private readonly assignments: PlannedAssignment[] = [];
  private readonly unplaced: {taskId: string; reason: string}[] = [];

  constructor(private readonly analyzer = new TaskAnalyzer()) {}

  /** The best ranked agent gets it that has a slot first. Undefined when there is none, for which `reason` stands. */
  add(
    task: TaskSpecification,
    candidates: readonly Candidate[],
    ranked: readonly RankedCandidate[],
    reason: string,
  ): PlannedAssignment | undefined {
    const chosen = soonest(ranked, candidates, this.slots);
    if (!chosen) {
      this.unplaced.push({taskId: task.id, reason});
      return undefined;
    }
    const {assignment, candidate, times} = chosen;
    const inputs = Math.max(0, ...task.dependsOn.map(id => this.finished.get(id) ?? 0));
    const startMs = Math.max(times.shift() ?? 0, inputs);
    const finishMs = startMs + candidate.prediction.durationMs / candidate.prediction.success;
    times.push(finishMs);
    times.sort((a, b) => a - b);
    this.finished.set(task.id, finishMs);
    const analysis = this.analyzer.analyze(task);
    const planned = {...assignment, taskId: task.id, analysis, startMs, finishMs};
    this.assignments.push(planned);
    return planned;
  }

  plan(): DistributionPlan {
    const {assignments, unplaced} = this;
    return {
      assignments,
      unplaced,
      finishMs: assignments.reduce((last, each) => Math.max(last, each.finishMs), 0),
    };
  }
}

interface Chosen {
  readonly assignment: Omit<AgentAssignment, 'taskId'>;
  readonly candidate: Candidate;
  /** When its slots are free, the first first. */
  readonly times: number[];
}

/** The best ranked of those with a free slot; with none free, the one whose slot comes free first. */
function soonest(
  ranked: readonly Omit<AgentAssignment, 'taskId'>[],
  candidates: readonly Candidate[],
  slots: Map<string, number[]>,
): Chosen | undefined {
  const byId = new Map(candidates.map(candidate => [candidate.instance.id, candidate]));
  let best: Chosen | undefined;
  for (const assignment of ranked) {
    const candidate = byId.get(assignment.agentId);
    if (!candidate) continue;
    const times = timesOf(candidate, slots);
    if (!best || (times[0] ?? 0) < (best.times[0] ?? 0)) best = {assignment, candidate, times};
  }
  return best;
}

function timesOf(candidate: Candidate, slots: Map<string, number[]>): number[] {
  const {id} = candidate.instance;
  let times = slots.get(id);
  if (!times) {
    const busy = Math.min(candidate.running, candidate.slots);
    const free = Array.from({length: candidate.slots - busy}, () => 0);
    times = [...free, ...Array.from({length: busy}, () => candidate.prediction.durationMs / 2)];
    slots.set(id, times);
  }
  return times;
}
