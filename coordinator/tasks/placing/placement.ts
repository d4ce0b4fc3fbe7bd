/** A decision of the scheduler: which agent gets a task, and what it was decided on. */

import type {Prediction} from '../../balancing/performanceModel.ts';
import type {Features, RankedCandidate} from '../../balancing/strategy.ts';
import {domainsOf, taskClassOf} from '../../balancing/taskClass.ts';
import {neededBy} from '../../balancing/taskSigns.ts';
import type {AttemptRecord, BackupOf} from '../../protocol/model/attempt.ts';
import type {AgentNode, TaskNode} from '../fleet/fleet.ts';

export interface Now {
  /** Milliseconds of hub time. */
  readonly hub: number;
  /** Milliseconds since the Unix epoch. */
  readonly wall: number;
}

export interface Placement {
  readonly task: TaskNode;
  readonly agent: AgentNode;
  /** It is a second attempt, for this reason. */
  readonly beside?: BackupOf | undefined;
  /** The rule that decided: the session's, or what it falls back to. */
  readonly strategy: string;
  /** The one that was wanted, where it did not decide. */
  readonly insteadOf?: {readonly strategy: string; readonly reason: string} | undefined;
  readonly score: number;
  readonly features: Features;
  /** Agents that were looked at. */
  readonly considered: number;
  /** The next best, at most two. */
  readonly others: readonly RankedCandidate[];
  readonly prediction: Prediction;
  /** Of the draws that the decision used. */
  readonly seed: number;
  /** Hash of the task, the agents that were looked at and their free slots, as eight hexadecimal digits. */
  readonly inputHash: string;
}

/** What its attempt's record keeps of it. */
export function decisionRecord(placed: Placement): AttemptRecord['placement'] {
  const {task, strategy, insteadOf, score, features, considered, others, prediction, seed, inputHash} =
    placed;
  const {spec} = task;
  const stated = spec.requires.capabilities ?? [];
  const guessed = stated.length > 0 ? [] : domainsOf(neededBy(spec));
  return {
    taskClass: taskClassOf(spec),
    ...(guessed.length > 0 ? {guessed} : {}),
    strategy,
    ...(insteadOf && {insteadOf}),
    score,
    features: {...features},
    considered,
    others: others.map(other => ({...other, features: {...other.features}})),
    durationMs: Math.round(prediction.durationMs),
    success: prediction.success,
    seed,
    inputHash,
  };
}
