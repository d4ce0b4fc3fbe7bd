/** Capability-weighted placement: how well an agent's declared abilities match, how free it is, and whether it holds the inputs already. */
import {type AgentCapability, type CapabilityRequirement, proficiencyRank} from '../protocol/capability.ts';
import type {TaskSpecification} from '../protocol/plan/plan.ts';
import {type Candidate, type PlacementRule, RuleBalancer, rankBy} from './strategy.ts';

/** What each feature, scaled to 0..1, is worth. An idle agent beats a half-taken one that holds the inputs. */
export const CAPABILITY_WEIGHTS = {match: 4, free: 3, local: 1} as const;

const HIGHEST_RANK = proficiencyRank('specialist');

export const capabilityWeighted: PlacementRule = {
  name: 'capability-weighted',
  rank: (candidates, task) =>
    rankBy(
      candidates,
      candidate => ({
        match: capabilityMatch(candidate, task),
        free: (candidate.slots - candidate.running) / candidate.slots,
        local: task.dependsOn.length === 0 ? 0 : candidate.localInputs / task.dependsOn.length,
      }),
      ({match = 0, free = 0, local = 0}) =>
        CAPABILITY_WEIGHTS.match * match + CAPABILITY_WEIGHTS.free * free + CAPABILITY_WEIGHTS.local * local,
    ),
};

/** 0..1: mean over the required domains of the declared proficiency. A task that asks for nothing matches everyone alike. */
export function capabilityMatch(candidate: Candidate, task: TaskSpecification): number {
  const required = task.requires.capabilities ?? [];
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
