/** Capability-weighted placement: how well an agent's declared abilities match, how free it is, and whether it holds the inputs already. */
import {type AgentCapability, type CapabilityRequirement, proficiencyRank} from '../protocol/capability.ts';
import type {TaskSpecification} from '../protocol/plan/plan.ts';
import {type Candidate, RuleBalancer, scoringRule} from './strategy.ts';
import {neededBy} from './taskSigns.ts';

/** What each feature, scaled to 0..1, is worth. An idle agent beats a half-taken one that holds the inputs. */
export const CAPABILITY_WEIGHTS = {match: 4, free: 3, local: 1} as const;

const HIGHEST_RANK = proficiencyRank('specialist');

export const capabilityWeighted = scoringRule({
  name: 'capability-weighted',
  features: (candidate, task) => ({
    match: capabilityMatch(candidate, task),
    free: freeShare(candidate),
    local: localShare(candidate, task),
  }),
  score: (candidate, task) =>
    CAPABILITY_WEIGHTS.match * capabilityMatch(candidate, task) +
    CAPABILITY_WEIGHTS.free * freeShare(candidate) +
    CAPABILITY_WEIGHTS.local * localShare(candidate, task),
});

export function freeShare({slots, running}: Candidate): number {
  return (slots - running) / slots;
}

function localShare({localInputs}: Candidate, {dependsOn}: TaskSpecification): number {
  return dependsOn.length === 0 ? 0 : localInputs / dependsOn.length;
}

/** 0..1: mean over the domains that it needs, or seems to need, of the declared proficiency. Of a task that needs nothing everyone is alike. */
export function capabilityMatch(candidate: Candidate, task: TaskSpecification): number {
  const required = neededBy(task);
  if (required.length === 0) return 0;
  let total = 0;
  for (const requirement of required) total += bestMatch(candidate.instance.capabilities, requirement);
  return total / required.length;
}

function bestMatch(capabilities: readonly AgentCapability[], requirement: CapabilityRequirement): number {
  let best = 0;
  for (const capability of capabilities) {
    if (capability.domain !== requirement.domain) continue;
    best = Math.max(best, (proficiencyRank(capability.proficiencyLevel) + 1) / (HIGHEST_RANK + 1));
  }
  return best;
}

export class CapabilityWeightedLoadBalancer extends RuleBalancer {
  constructor() {
    super(capabilityWeighted);
  }
}
