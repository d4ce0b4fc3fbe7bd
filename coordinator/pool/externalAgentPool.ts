/**
 * The pool of Claude Code instances as one object: who is in it, what they can do together, who would be best for something, and how many there
 * should be. Which of them gets a task is the lead's to decide, by the rules of balancing.
 */
import type * as z from 'zod';
import {
  type AgentCapability,
  type CapabilityRequirement,
  proficiencyRank,
  satisfies,
  type TaskRequirements,
} from '../protocol/capability.ts';
import type {AgentRegister, AgentRegistered} from '../protocol/commands/agent.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {ClaudeCodeInstance} from '../protocol/instance.ts';
import {criteriaOf, meetsCriteria} from '../protocol/meetsCriteria.ts';
import {openSlots} from '../protocol/model/agent.ts';
import {AgentHistoryRecord} from '../protocol/model/agentHistory.ts';
import {tenantKeys} from '../protocol/model/keys.ts';
import type {Principal} from '../security/principal.ts';
import {readRecords} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import type {AgentDirectory, KnownAgent} from './agentDirectory.ts';
import {successRate, totalOf} from './agentHistory.ts';
import type {AgentRegistry} from './agentRegistry.ts';

export interface AgentPoolParts {
  readonly registry: AgentRegistry;
  readonly directory: AgentDirectory;
  readonly store: Store;
  readonly tenant: string;
  /** Wants a pool of this size; undefined: as the work demands. */
  readonly scale: (targetSize: number | undefined, principal: Principal) => Promise<void>;
}

export class ExternalAgentPool {
  constructor(private readonly parts: AgentPoolParts) {}

  /** As `mcpx.agent.register`. */
  registerInstance(
    registration: AgentRegister,
    principal: Principal,
  ): Promise<z.infer<typeof AgentRegistered>> {
    return this.parts.registry.register(registration, principal);
  }

  /** As `mcpx.agent.remove`: a live instance goes when its attempts are over. */
  async deregisterInstance(instanceId: string, principal: Principal): Promise<void> {
    await this.parts.registry.remove({agentId: instanceId}, principal);
  }

  /** What the live instances can do, each domain once: the union of specialisations at the best proficiency. */
  getAvailableCapabilities(): AgentCapability[] {
    const byDomain = new Map<string, AgentCapability>();
    for (const {record, live} of this.parts.directory.all())
      if (live)
        for (const capability of record.instance.capabilities)
          byDomain.set(capability.domain, merged(byDomain.get(capability.domain), capability));
    return [...byDomain.values()].sort((a, b) => (a.domain < b.domain ? -1 : 1));
  }

  /** The instances with a free slot that meet every requirement; in order of id. */
  findByCapabilities(requirements: readonly CapabilityRequirement[]): ClaudeCodeInstance[] {
    return this.free()
      .filter(({record}) => meetsCriteria(record.instance, {capabilities: [...requirements]}))
      .map(({record}) => record.instance);
  }

  /**
   * Of the instances with a free slot that meet the requirements, the one whose attempts succeed most often for what it declares to be able to do,
   * with the most free slots among equals. Errors: `notFound`.
   */
  async findBestAgent(requirements: TaskRequirements): Promise<ClaudeCodeInstance> {
    const {store, tenant} = this.parts;
    const criteria = criteriaOf(requirements);
    const {mode = 'any'} = requirements;
    const fitting = this.free().filter(
      ({record}) => meetsCriteria(record.instance, criteria) && (mode === 'any' || mode === record.mode),
    );
    const {records} = await readRecords(store, AgentHistoryRecord, tenantKeys(tenant).agentHistories);
    const histories = new Map(records.map(({value}) => [value.agentId, value]));
    const score = (agent: KnownAgent): number =>
      successRate(totalOf(histories.get(agent.id) ?? {classes: []})) *
        (1 + proficiency(agent, requirements)) +
      0.1 * freeShare(agent);
    let best: {readonly agent: KnownAgent; readonly score: number} | undefined;
    for (const agent of fitting) {
      const own = score(agent);
      if (!best || own > best.score) best = {agent, score: own};
    }
    if (!best) throw new ProtocolError('notFound', 'no instance with a free slot meets the requirements');
    return best.agent.record.instance;
  }

  /** Agents are started, or idle ones removed, until the pool has so many; undefined: as many as the work demands. */
  scalePool(targetSize: number | undefined, principal: Principal): Promise<void> {
    return this.parts.scale(targetSize, principal);
  }

  /** Active or idle, in order of id. */
  private free(): KnownAgent[] {
    return [...this.parts.directory.all()]
      .filter(
        ({record: {instance}, live}) => live && (instance.status === 'active' || instance.status === 'idle'),
      )
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

/** Of what is required, 0 (basic) to 1 (specialist); 0.5 where nothing is. */
function proficiency({record}: KnownAgent, {capabilities = []}: TaskRequirements): number {
  const levels = capabilities.map(required =>
    Math.max(
      0,
      ...record.instance.capabilities
        .filter(own => satisfies(own, required))
        .map(own => proficiencyRank(own.proficiencyLevel)),
    ),
  );
  return levels.length === 0 ? 0.5 : levels.reduce((sum, level) => sum + level, 0) / (3 * levels.length);
}

function freeShare({record, running}: KnownAgent): number {
  const slots = openSlots(record);
  return slots === 0 ? 0 : Math.max(0, slots - running) / slots;
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
