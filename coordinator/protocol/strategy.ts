/** What a strategy of one's own is given and answers with: the interface that programs implement and a coordinator consults. */
import * as z from 'zod';
import {AgentId, TaskId} from './ids.ts';
import type {ClaudeCodeInstance} from './instance.ts';
import type {TaskSpecification} from './plan/plan.ts';

/** What is expected of a task on an agent. */
export interface Prediction {
  /** Expected milliseconds of one attempt. */
  readonly durationMs: number;
  /** Probability that it succeeds. */
  readonly success: number;
  /** The agent's duration over that of an agent of which nothing is known; under 1 is faster. */
  readonly ratio: number;
  /** Standard deviation of the doubt about log(ratio). */
  readonly doubt: number;
  /** Attempts of the agent on this class that were seen. */
  readonly n: number;
}

/** An agent that fits the task, with what placement knows of it at this moment. */
export interface Candidate {
  readonly instance: ClaudeCodeInstance;
  readonly running: number;
  readonly slots: number;
  /** Result commits of the task's inputs that the agent made itself. */
  readonly localInputs: number;
  /** Rises with every placement of the fleet; 0 when the agent never got one. */
  readonly lastPlaced: number;
  /** Bytes of inputs made by other agents of its region. */
  readonly nearBytes: number;
  /** Bytes of inputs made in other regions. */
  readonly farBytes: number;
  /** It worked on the session's repository lately. */
  readonly warm: boolean;
  /** What is learned of the agent on tasks of this class. */
  readonly prediction: Prediction;
}

export const AgentAssignment = z.object({
  agentId: AgentId,
  taskId: TaskId,
  /** Higher is better. */
  score: z.number(),
  /** What the score is made of, by name. */
  features: z.record(z.string().max(64), z.number()),
});
export type AgentAssignment = Readonly<z.infer<typeof AgentAssignment>>;

export interface LoadBalancingStrategy {
  readonly name: string;
  /** Every candidate as an assignment of `task`, best first; whoever is left out gets it from nobody. */
  optimize(candidates: readonly Candidate[], task: TaskSpecification): Promise<readonly AgentAssignment[]>;
}
