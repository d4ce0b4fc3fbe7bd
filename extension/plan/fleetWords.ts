/** What the agents of the fleet have, by which a plan may choose among them. Pure. */
import type {AgentRecord} from '../../coordinator/protocol/model/agent.ts';

export interface FleetWords {
  /** Domains of capabilities. */
  readonly capabilities: readonly string[];
  readonly specializations: readonly string[];
  readonly regions: readonly string[];
  readonly tags: readonly string[];
  readonly agents: readonly string[];
}

export const NO_FLEET: FleetWords = {
  capabilities: [],
  specializations: [],
  regions: [],
  tags: [],
  agents: [],
};

export function fleetWords(agents: readonly AgentRecord[]): FleetWords {
  const instances = agents.map(({instance}) => instance);
  return {
    capabilities: sorted(
      instances.flatMap(({capabilities}) => capabilities.map(capability => capability.domain)),
    ),
    specializations: sorted(
      instances.flatMap(({capabilities, metadata}) => [
        ...metadata.specializations,
        ...capabilities.flatMap(({specialization}) => specialization),
      ]),
    ),
    regions: sorted(instances.map(({metadata}) => metadata.region)),
    tags: sorted(instances.flatMap(({metadata}) => metadata.tags)),
    agents: sorted(instances.map(({id}) => id)),
  };
}

function sorted(words: readonly string[]): string[] {
  return [...new Set(words)].filter(word => word !== '').sort();
}
