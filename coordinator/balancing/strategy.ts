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
}

export interface RankedCandidate {
  readonly agentId: string;
  readonly score: number;
  /** What the score is made of, by feature name. */
  readonly features: Readonly<Record<string, number>>;
}

/** Higher scores first; ties broken by the given order. Must not read a clock or keep state outside `state`. */
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
  optimize(candidates: readonly Candidate[], task: TaskSpecification): Promise<AgentAssignment[]>;
}
