/** The published JSON Schema of plans: reviewed as a diff, and in step with the parser. */
import assert from 'node:assert/strict';
import {fileURLToPath} from 'node:url';
import * as z from 'zod';
import {planJsonSchema} from '../../../coordinator/protocol/plan/jsonSchema.ts';
import {PlanFile, PlanTask} from '../../../coordinator/protocol/plan/schema.ts';
import {assertGolden} from '../../golden.ts';

const GOLDEN = fileURLToPath(new URL('../../testdata/plans/plan.schema.json', import.meta.url));

const SchemaShape = z.object({
  $schema: z.literal('http://json-schema.org/draft-07/schema#'),
  type: z.literal('object'),
  additionalProperties: z.literal(false),
  required: z.array(z.string()),
  properties: z.looseObject({
    tasks: z
      .object({
        items: z.object({properties: z.record(z.string(), z.unknown()), required: z.array(z.string())}),
      })
      .loose(),
  }),
});

describe('JSON Schema of plans', () => {
  it('is the stored one', () => assertGolden(GOLDEN, `${JSON.stringify(planJsonSchema(), undefined, 2)}\n`));

  it('is draft 7, closed, and demands name and tasks', () => {
    const schema = SchemaShape.parse(planJsonSchema());
    assert.deepEqual(schema.required, ['name', 'tasks']);
    assert.deepEqual(Object.keys(schema.properties).sort(), Object.keys(PlanFile.shape).sort());
    assert.deepEqual(schema.properties.tasks.items.required, ['id']);
  });

  it('offers every task key', () => {
    const {properties} = SchemaShape.parse(planJsonSchema()).properties.tasks.items;
    assert.deepEqual(Object.keys(properties).sort(), Object.keys(PlanTask.shape).sort());
  });
});
