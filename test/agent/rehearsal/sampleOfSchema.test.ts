/** A sample fits the schema that it was made from. */
import assert from 'node:assert/strict';
import * as z from 'zod';
import {sampleOfSchema} from '../../../coordinator/agent/rehearsal/sampleOfSchema.ts';
import type {JsonValue} from '../../../coordinator/runtime/json.ts';

describe('sampleOfSchema', () => {
  const schemas: Record<string, z.ZodType> = {
    object: z.object({a: z.string(), b: z.number(), c: z.boolean().optional()}),
    nested: z.object({list: z.array(z.object({x: z.int().min(5)})).min(2)}),
    choice: z.object({kind: z.enum(['one', 'two']), fixed: z.literal(7)}),
    union: z.union([z.object({a: z.string()}), z.number()]),
    negative: z.object({n: z.number().max(-3)}),
    long: z.object({s: z.string().min(40)}),
    nothing: z.object({n: z.null(), defaulted: z.string().default('x')}),
  };
  for (const [name, schema] of Object.entries(schemas)) {
    it(`fits: ${name}`, () => {
      const sample = sampleOfSchema(z.toJSONSchema(schema, {target: 'draft-7'}) as JsonValue);
      assert.deepEqual(schema.safeParse(sample).error, undefined, JSON.stringify(sample));
    });
  }
});
