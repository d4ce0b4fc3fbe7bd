/** The plan's JSON Schema, for editors: draft 7, made from the zod schema. */
import * as z from 'zod';
import {CapabilityRequirement, ResourceRequirement} from '../capability.ts';
import {AffinityRule} from '../context.ts';
import {PlanFile} from './schema.ts';

/** Of what plans share with messages, which are described where they are read. */
const SHARED_DESCRIPTIONS: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [CapabilityRequirement.shape.domain, 'A field of work, such as "development".'],
  [CapabilityRequirement.shape.specialization, 'All of them must be among those of the capability.'],
  [CapabilityRequirement.shape.proficiencyLevel, 'The least that will do.'],
  [ResourceRequirement.shape.type, 'cpu, memory, disk, or a name of your own.'],
  [ResourceRequirement.shape.amount, 'The least that will do: cpu in cores, memory and disk in MiB.'],
  [ResourceRequirement.shape.unit, "For a resource of your own: must be the agent's."],
  [
    AffinityRule.shape.kind,
    'sameAgent: where these tasks ran. sameRegion: in the region where they ran. apart: where none of them runs. region: in one of these regions. agent: on one of these agents.',
  ],
  [AffinityRule.shape.with, 'Task ids; for region and agent their names.'],
  [
    AffinityRule.shape.strength,
    'require: it waits until the rule can be kept. prefer: it runs elsewhere rather than wait.',
  ],
]);

export function planJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(PlanFile, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    override: ({zodSchema, jsonSchema}) => {
      const description = SHARED_DESCRIPTIONS.get(zodSchema);
      if (description !== undefined) jsonSchema.description ??= description;
    },
  });
  return {
    ...schema,
    title: 'MCPX plan',
    description:
      'A job for a team of Claude Code instances: tasks, what they depend on, and what must hold for their results.',
  };
}
