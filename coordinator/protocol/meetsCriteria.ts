/** Whether an instance is one of those that somebody looks for. Pure. */
import {satisfies, type TaskRequirements} from './capability.ts';
import type {AgentLoad, ClaudeCodeInstance, DiscoveryCriteria} from './instance.ts';

/** Absent `load`: it is not known, which no limit on it excludes. */
export function meetsCriteria(
  instance: ClaudeCodeInstance,
  criteria: DiscoveryCriteria,
  load?: Pick<AgentLoad, 'running' | 'slots'>,
): boolean {
  const {metadata} = instance;
  const {capabilities = [], specializations = [], tags = [], resources = []} = criteria;
  return (
    (criteria.status === undefined || criteria.status.includes(instance.status)) &&
    (criteria.region === undefined || criteria.region === metadata.region) &&
    (criteria.version === undefined || isOfVersion(metadata.version, criteria.version)) &&
    (criteria.maxLoad === undefined || load === undefined || load.running / load.slots <= criteria.maxLoad) &&
    tags.every(tag => metadata.tags.includes(tag)) &&
    capabilities.every(required => instance.capabilities.some(own => satisfies(own, required))) &&
    specializations.every(name => isSpecialised(instance, name)) &&
    resources.every(({type, amount, unit}) =>
      metadata.resources.some(
        own => own.type === type && own.amount >= amount && (unit === undefined || own.unit === unit),
      ),
    )
  );
}

export function criteriaOf({
  capabilities,
  specializations,
  resources,
  region,
  tags,
}: TaskRequirements): DiscoveryCriteria {
  return {capabilities, specializations, resources, region, tags};
}

function isSpecialised({metadata, capabilities}: ClaudeCodeInstance, name: string): boolean {
  return (
    metadata.specializations.includes(name) || capabilities.some(own => own.specialization.includes(name))
  );
}

/** `0.1` is every 0.1.x. */
function isOfVersion(version: string, wanted: string): boolean {
  return version === wanted || version.startsWith(`${wanted}.`) || version.startsWith(`${wanted}-`);
}
