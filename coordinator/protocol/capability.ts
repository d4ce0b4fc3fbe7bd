/** What an agent can do and what a task asks for. */
import * as z from 'zod';

/** Domains are open; these four are known from the start. */
export const KNOWN_DOMAINS = ['servicenow', 'development', 'analysis', 'security'] as const;

/** From least to most. */
export const PROFICIENCY_LEVELS = ['basic', 'intermediate', 'expert', 'specialist'] as const;
export const ProficiencyLevel = z.enum(PROFICIENCY_LEVELS);
export type ProficiencyLevel = z.infer<typeof ProficiencyLevel>;

export function proficiencyRank(level: ProficiencyLevel): number {
  return PROFICIENCY_LEVELS.indexOf(level);
}

export const ResourceRequirement = z.object({
  /** `cpu` in cores, `memory` and `disk` in MiB, anything else in its own unit. */
  type: z.string().min(1).max(64),
  amount: z.number().nonnegative(),
  unit: z.string().max(32).optional(),
});
export type ResourceRequirement = z.infer<typeof ResourceRequirement>;

export const AgentCapability = z.object({
  domain: z.string().min(1).max(64),
  specialization: z.array(z.string().min(1).max(64)).max(64).default([]),
  proficiencyLevel: ProficiencyLevel.default('intermediate'),
  resourceRequirements: z.array(ResourceRequirement).max(16).default([]),
});
export type AgentCapability = z.infer<typeof AgentCapability>;

export const CapabilityRequirement = z.object({
  domain: z.string().min(1).max(64),
  specialization: z.array(z.string().min(1).max(64)).max(64).optional(),
  /** The least that will do. */
  proficiencyLevel: ProficiencyLevel.optional(),
});
export type CapabilityRequirement = z.infer<typeof CapabilityRequirement>;

export const TaskRequirements = z.object({
  capabilities: z.array(CapabilityRequirement).max(32).optional(),
  specializations: z.array(z.string().min(1).max(64)).max(32).optional(),
  resources: z.array(ResourceRequirement).max(16).optional(),
  region: z.string().min(1).max(64).optional(),
  /** Agents that the coordinator started itself, agents that joined, or either. */
  mode: z.enum(['internal', 'external', 'any']).optional(),
  tags: z.array(z.string().min(1).max(64)).max(32).optional(),
});
export type TaskRequirements = z.infer<typeof TaskRequirements>;

/** Whether a declared capability is all that a requirement asks for. */
export function satisfies(capability: AgentCapability, requirement: CapabilityRequirement): boolean {
  if (capability.domain !== requirement.domain) return false;
  const {proficiencyLevel, specialization = []} = requirement;
  if (proficiencyLevel && proficiencyRank(capability.proficiencyLevel) < proficiencyRank(proficiencyLevel))
    return false;
  return specialization.every(name => capability.specialization.includes(name));
}
