/** The seam of placement: a strategy ranks the agents that fit a task. Pure ranking under a thin async wrapper. */
import type {ClaudeCodeInstance} from '../protocol/instance.ts';
import type {TaskSpecification} from '../protocol/plan/plan.ts';

/** An agent that fits the task, with what placement knows of it at this moment. */
export interface Candidate {
  readonly instance: ClaudeCodeInstance;
  readonly running: number;
  readonly slots: number;
  /** Result commits of the task's inputs that the agent made itself. */
  readonly localInputs: number;
  /** Rises with every placement of the fleet; 0 when the agent never got one. */
  readonly lastPlaced: number;
}

export interface RankedCandidate {
  readonly agentId: string;
  readonly score: number;
  /** What the score is made of, by feature name. */
  readonly features: Readonly<Record<string, number>>;
}

/** Higher scores first; ties broken by the given order. Must not read a clock or keep state. */
export interface PlacementRule {
  readonly name: string;
  rank(candidates: readonly Candidate[], task: TaskSpecification): readonly RankedCandidate[];
}

export interface AgentAssignment {
  readonly agentId: string;
  readonly taskId: string;
  readonly score: number;
  readonly features: Readonly<Record<string, number>>;
}

export interface LoadBalancingStrategy {
  readonly name: string;
  /** Every candidate as an assignment of `task`, best first. */
  optimize(candidates: readonly Candidate[], task: TaskSpecification): Promise<AgentAssignment[]>;
}

/** Scores each candidate and sorts, keeping the given order among equals. */
export function rankBy(
  candidates: readonly Candidate[],
  features: (candidate: Candidate) => Readonly<Record<string, number>>,
  score: (features: Readonly<Record<string, number>>) => number,
): RankedCandidate[] {
  return candidates
    .map(candidate => {
      const found = features(candidate);
      return {agentId: candidate.instance.id, score: score(found), features: found};
    })
    .sort((a, b) => b.score - a.score);
}

/** A strategy that has nothing to wait for: a rule with a promise around it. */
export class RuleBalancer implements LoadBalancingStrategy {
  readonly name: string;

  constructor(private readonly rule: PlacementRule) {
    this.name = rule.name;
  }

  async optimize(candidates: readonly Candidate[], task: TaskSpecification): Promise<AgentAssignment[]> {
    return this.rule.rank(candidates, task).map(ranked => ({...ranked, taskId: task.id}));
  }
}
