/** The pool of Claude Code instances as one object: who is in it and what they can do together. Choosing among them is balancing's. */
import type * as z from 'zod';
import {
  type AgentCapability,
  type CapabilityRequirement,
  proficiencyRank,
  satisfies,
} from '../protocol/capability.ts';
import type {AgentRegister, AgentRegistered} from '../protocol/commands/agent.ts';
import type {ClaudeCodeInstance} from '../protocol/instance.ts';
import type {Principal} from '../security/principal.ts';
import type {AgentDirectory} from './agentDirectory.ts';
import type {AgentRegistry} from './agentRegistry.ts';

export class ExternalAgentPool {
  constructor(
    private readonly registry: AgentRegistry,
    private readonly directory: AgentDirectory,
  ) {}

  /** As `mcpx.agent.register`. */
  registerInstance(
    registration: AgentRegister,
    principal: Principal,
  ): Promise<z.infer<typeof AgentRegistered>> {
    return this.registry.register(registration, principal);
  }

  /** As `mcpx.agent.remove`: a live instance goes when its attempts are over. */
  async deregisterInstance(instanceId: string, principal: Principal): Promise<void> {
    await this.registry.remove({agentId: instanceId}, principal);
  }

  /** What the live instances can do, each domain once: the union of specialisations at the best proficiency. */
  getAvailableCapabilities(): AgentCapability[] {
    const byDomain = new Map<string, AgentCapability>();
    for (const {record, live} of this.directory.all())
      if (live)
        for (const capability of record.instance.capabilities)
          byDomain.set(capability.domain, merged(byDomain.get(capability.domain), capability));
    return [...byDomain.values()].sort((a, b) => (a.domain < b.domain ? -1 : 1));
  }

  /** The live instances that meet every requirement, whatever they do now; in order of id. */
  findByCapabilities(requirements: readonly CapabilityRequirement[]): ClaudeCodeInstance[] {
    return [...this.directory.all()]
      .filter(
        ({record, live}) =>
          live &&
          requirements.every(required =>
            record.instance.capabilities.some(capability => satisfies(capability, required)),
          ),
      )
      .map(({record}) => record.instance)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

function merged(known: AgentCapability | undefined, more: AgentCapability): AgentCapability {
  if (!known) return more;
  const better = proficiencyRank(more.proficiencyLevel) > proficiencyRank(known.proficiencyLevel);
  return {
    domain: known.domain,
    specialization: [...new Set([...known.specialization, ...more.specialization])].sort(),
    proficiencyLevel: better ? more.proficiencyLevel : known.proficiencyLevel,
    resourceRequirements: [],
  };
}
