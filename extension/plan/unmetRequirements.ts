/** What a plan asks of agents and none of the known ones has: it would wait until such an agent joins. Pure. */
import {type CapabilityRequirement, satisfies} from '../../coordinator/protocol/capability.ts';
import type {AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import type {PlanFile, PlanTask} from '../../coordinator/protocol/plan/schema.ts';

export interface UnmetRequirement {
  /** Where it is written, from the top of the plan. */
  readonly path: readonly PropertyKey[];
  /** What no agent has: a capability, a region, … by its own word. */
  readonly kind: 'capability' | 'specialization' | 'region' | 'tag' | 'resource' | 'agent';
  readonly word: string;
}

type Requirements = NonNullable<PlanTask['requires']>;

/** Nothing without agents: then nobody knows what there will be. */
export function unmetRequirements(plan: PlanFile, agents: readonly AgentRecord[]): UnmetRequirement[] {
  if (agents.length === 0) return [];
  const owners = [
    {path: ['defaults'], rules: plan.defaults},
    ...plan.tasks.map((task, index) => ({path: ['tasks', index], rules: task})),
  ];
  return owners.flatMap(({path, rules}) => [
    ...unmetOf(rules?.requires ?? {}, [...path, 'requires'], agents),
    ...unmetAffinity(rules?.affinity ?? [], [...path, 'affinity'], agents),
  ]);
}

function unmetOf(
  {capabilities = [], specializations = [], resources = [], region, tags = []}: Requirements,
  path: readonly PropertyKey[],
  agents: readonly AgentRecord[],
): UnmetRequirement[] {
  const found: UnmetRequirement[] = [];
  const need = (
    kind: UnmetRequirement['kind'],
    word: string,
    where: readonly PropertyKey[],
    has: (agent: AgentRecord) => boolean,
  ): void => {
    if (!agents.some(has)) found.push({kind, word, path: [...path, ...where]});
  };
  capabilities.forEach((requirement, index) => {
    need('capability', capabilityWords(requirement), ['capabilities', index], ({instance}) =>
      instance.capabilities.some(own => satisfies(own, requirement)),
    );
  });
  specializations.forEach((name, index) => {
    need('specialization', name, ['specializations', index], agent => isSpecialised(agent, name));
  });
  tags.forEach((tag, index) => {
    need('tag', tag, ['tags', index], ({instance}) => instance.metadata.tags.includes(tag));
  });
  resources.forEach(({type, amount, unit}, index) => {
    need('resource', `${amount} ${unit ?? ''} ${type}`.replace('  ', ' '), ['resources', index], agent =>
      agent.instance.metadata.resources.some(
        own => own.type === type && own.amount >= amount && (unit === undefined || own.unit === unit),
      ),
    );
  });
  if (region !== undefined)
    need('region', region, ['region'], ({instance}) => instance.metadata.region === region);
  return found;
}

function unmetAffinity(
  rules: NonNullable<PlanTask['affinity']>,
  path: readonly PropertyKey[],
  agents: readonly AgentRecord[],
): UnmetRequirement[] {
  return rules.flatMap(({kind, strength, with: names}, index): UnmetRequirement[] => {
    if (strength !== 'require' || (kind !== 'region' && kind !== 'agent')) return [];
    const isThere = agents.some(({instance}) =>
      names.includes(kind === 'region' ? instance.metadata.region : instance.id),
    );
    return isThere ? [] : [{kind, word: names.join(', '), path: [...path, index, 'with']}];
  });
}

function isSpecialised({instance}: AgentRecord, name: string): boolean {
  return (
    instance.metadata.specializations.includes(name) ||
    instance.capabilities.some(({specialization}) => specialization.includes(name))
  );
}

function capabilityWords({domain, specialization = [], proficiencyLevel}: CapabilityRequirement): string {
  return [domain, ...specialization, ...(proficiencyLevel ? [proficiencyLevel] : [])].join(' ');
}
