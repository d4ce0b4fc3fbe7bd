/** The plan's JSON Schema, for editors: draft 7, made from the zod schema. */
import * as z from 'zod';
import {PlanFile, RESERVED_TASK_KEYS} from './schema.ts';

export function planJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(PlanFile, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    override: ({zodSchema, jsonSchema}) => {
      // An editor must not offer what the parser then refuses.
      if (zodSchema === PlanFile.shape.tasks.element)
        for (const key of RESERVED_TASK_KEYS) delete jsonSchema.properties?.[key];
    },
  });
  return {
    ...schema,
    title: 'MCPX plan',
    description:
      'A job for a team of Claude Code instances: tasks, what they depend on, and what must hold for their results.',
  };
}
