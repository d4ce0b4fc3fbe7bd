/**
 * Placement by what was learned: the agent with the least expected time to a success. Where nothing is known of a class yet, what agents declare
 * decides. The scheduler thinks of busy agents too: a task may be worth waiting for one of them.
 */
import {capabilityMatch, freeShare} from './capabilityWeighted.ts';
import {transferMs} from './geographicAffinity.ts';
import {type Candidate, RuleBalancer, scoringRule} from './strategy.ts';

/** Preparing the repository where the agent has not worked on it lately. */
export const SET_UP_MS = 15_000;

/** Milliseconds until the first success, if the agent begins now: a failed try costs its whole duration. */
export function expectedMs(candidate: Candidate): number {
  const {prediction, warm} = candidate;
  return prediction.durationMs / prediction.success + (warm ? 0 : SET_UP_MS) + transferMs(candidate);
}

export const aiOptimized = scoringRule({
  name: 'ai-optimized',
  expectsCompletion: true,
  features: (candidate, task) => ({
    expectedMs: expectedMs(candidate),
    durationMs: candidate.prediction.durationMs,
    success: candidate.prediction.success,
    ratio: candidate.prediction.ratio,
    n: candidate.prediction.n,
    warm: candidate.warm ? 1 : 0,
    match: capabilityMatch(candidate, task),
    free: freeShare(candidate),
  }),
  score: candidate => -expectedMs(candidate) / 1000,
});

export class AIOptimizedLoadBalancer extends RuleBalancer {
  constructor() {
    super(aiOptimized);
  }
}
