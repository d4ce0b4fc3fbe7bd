/** The quick way past zod: whatever it lets through, the schema takes and gives back as it is; and what is plainly right it does let through. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import * as z from 'zod';
import {METHODS} from '../../coordinator/protocol/commands/table.ts';
import {ApprovalRecord, MemoryKey, MemoryRecord} from '../../coordinator/protocol/model/facts.ts';
import {isPlainlyValid, parsePlainly} from '../../coordinator/protocol/plainlyValid.ts';

/** A schema, values that fit it as they are, and whether the quick way knows it. */
interface Sample {
  readonly schema: z.ZodType;
  readonly fitting: fc.Arbitrary<unknown>;
}

const SCALARS: readonly Sample[] = [
  {schema: z.string(), fitting: fc.string()},
  {schema: z.string().min(2).max(4), fitting: fc.string({minLength: 2, maxLength: 4})},
  {schema: z.string().regex(/^[ab]*$/), fitting: fc.stringMatching(/^[ab]*$/)},
  {schema: z.string().refine(text => text.length !== 3), fitting: fc.string({maxLength: 2})},
  {schema: z.number(), fitting: fc.double({noNaN: true, noDefaultInfinity: true})},
  {schema: z.number().int().positive(), fitting: fc.integer({min: 1})},
  {schema: z.number().nonnegative().max(9), fitting: fc.integer({min: 0, max: 9})},
  {schema: z.number().gt(1).lt(3), fitting: fc.constantFrom(1.5, 2, 2.5)},
  {schema: z.boolean(), fitting: fc.boolean()},
  {schema: z.null(), fitting: fc.constant(null)},
  {schema: z.literal(['a', 7]), fitting: fc.constantFrom('a', 7)},
  {schema: z.enum(['x', 'y']), fitting: fc.constantFrom('x', 'y')},
  {schema: z.json(), fitting: fc.oneof(fc.string(), fc.array(fc.oneof(fc.string(), fc.integer())))},
];

/** Samples made of samples. */
function compound([first, second]: readonly [Sample, Sample]): Sample[] {
  return [
    {schema: z.nullable(first.schema), fitting: fc.oneof(fc.constant(null), first.fitting)},
    {schema: z.array(first.schema).max(3), fitting: fc.array(first.fitting, {maxLength: 3})},
    {
      schema: z.object({a: first.schema, b: second.schema.optional()}),
      fitting: fc.record({a: first.fitting, b: second.fitting}, {requiredKeys: ['a'], noNullPrototype: true}),
    },
    {
      schema: z.looseObject({a: first.schema}),
      fitting: fc.record({a: first.fitting, more: fc.string()}, {requiredKeys: ['a'], noNullPrototype: true}),
    },
    {
      schema: z.strictObject({a: first.schema.optional()}),
      fitting: fc.record({a: first.fitting}, {requiredKeys: [], noNullPrototype: true}),
    },
    {
      schema: z.discriminatedUnion('kind', [
        z.object({kind: z.literal('one'), a: first.schema}),
        z.object({kind: z.enum(['two', 'three']), a: second.schema}),
      ]),
      fitting: fc.oneof(
        fc.record({kind: fc.constant('one'), a: first.fitting}, {noNullPrototype: true}),
        fc.record({kind: fc.constantFrom('two', 'three'), a: second.fitting}, {noNullPrototype: true}),
      ),
    },
  ];
}

/** What changes values, or may take them in two ways. */
const UNKNOWN: readonly z.ZodType[] = [
  z.string().default('x'),
  z.string().trim(),
  z.string().transform(text => text.length),
  z.iso.datetime(),
  z.url(),
  z.string().regex(/a/g),
  z.union([z.object({a: z.string()}), z.object({a: z.string(), b: z.string()})]),
  z.object({a: z.string().default('x')}),
  z.preprocess(value => value ?? 'x', z.string()),
  z.object({a: z.string()}).readonly(),
  z.string().catch('x'),
  z.record(z.string(), z.string()),
];

const anySample: fc.Arbitrary<Sample> = fc.oneof(
  fc.constantFrom(...SCALARS),
  fc
    .tuple(fc.constantFrom(...SCALARS), fc.constantFrom(...SCALARS))
    .chain(pair => fc.constantFrom(...compound(pair))),
  fc
    .tuple(fc.constantFrom(...SCALARS), fc.constantFrom(...SCALARS), fc.nat(5), fc.nat(5))
    .chain(([one, two, at, other]) => {
      const inner = compound([one, two]);
      return fc.constantFrom(...compound([inner[at] ?? one, inner[other] ?? two]));
    }),
);

/** As it comes off the wire. */
const asParsed = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({maxDepth: 2}).map(asParsed),
  anySample.chain(({fitting}) => fitting.map(asParsed)),
  fc.constantFrom(
    undefined,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -0,
    {a: undefined},
    JSON.parse('{"__proto__":1,"a":"x"}'),
  ),
  fc
    .record({a: fc.jsonValue(), b: fc.jsonValue(), kind: fc.constantFrom('one', 'two')}, {requiredKeys: []})
    .map(asParsed),
);

function assertSound(schema: z.ZodType, value: unknown): void {
  if (!isPlainlyValid(schema, value)) return;
  const parsed = schema.safeParse(value);
  assert.ok(parsed.success, JSON.stringify(value));
  assert.deepEqual(asParsed(parsed.data), asParsed(value));
}

describe('what is plainly valid', () => {
  it('is taken by the schema and given back as it is', () => {
    fc.assert(
      fc.property(anySample, anyValue, ({schema}, value) => assertSound(schema, value)),
      {numRuns: 500},
    );
  });

  it('is everything that fits and needs no change', () => {
    const pair = anySample.chain(({schema, fitting}) =>
      fitting.map(value => ({schema, value: asParsed(value)})),
    );
    fc.assert(
      fc.property(pair, ({schema, value}) => {
        assert.equal(isPlainlyValid(schema, value), schema.safeParse(value).success);
        assertSound(schema, value);
      }),
      {numRuns: 300},
    );
  });

  it('is nothing that the schema would change, or of which it is not known', () => {
    for (const schema of UNKNOWN)
      for (const value of ['abc', {a: 'x'}, {a: 'x', b: 'y'}, {}]) {
        assertSound(schema, value);
        if (schema.safeParse(value).success && !(schema instanceof z.ZodObject))
          assert.equal(isPlainlyValid(schema, value), false, JSON.stringify([schema.type, value]));
      }
  });

  it('leaves to the schema what it refuses, with the same issues', () => {
    const schema = z.object({a: z.string(), b: z.number().optional()});
    assert.deepEqual(parsePlainly(schema, {a: 'x', c: 1}), {success: true, data: {a: 'x'}});
    assert.deepEqual(parsePlainly(schema, {a: 1}).error?.issues, schema.safeParse({a: 1}).error?.issues);
  });

  it('holds for every method, whatever comes', () => {
    const schemas = Object.values(METHODS).flatMap(({params, result}): z.ZodType[] => [params, result]);
    const fields = ['sessionId', 'key', 'value', 'fence', 'version', 'revision', 'record', 'kind', 'limit'];
    const params = fc.dictionary(fc.constantFrom(...fields), anyValue, {noNullPrototype: true});
    fc.assert(fc.property(fc.constantFrom(...schemas), params, assertSound), {numRuns: 300});
  });

  it('is an ordinary request to shared memory, and its answer', () => {
    const checksum = 'a'.repeat(64);
    const record = {
      v: 1,
      principal: 'p',
      value: [1, 'x', null],
      timestamp: 1,
      checksum,
      instanceId: 'c',
    };
    const plain: readonly (readonly [z.ZodType, object])[] = [
      [METHODS['mcpx.memory.put'].params, {sessionId: 's-1', key: 'a/b', value: 'text', ifVersion: 0}],
      [METHODS['mcpx.memory.put'].result, {version: 1, revision: 2}],
      [METHODS['mcpx.memory.get'].params, {sessionId: 's-1', key: 'a/b', level: 'strong'}],
      [METHODS['mcpx.memory.get'].result, {record, version: 1, revision: 2, modRevision: 2, ageMs: 0}],
      [MemoryRecord, {...record, unknown: true}],
    ];
    for (const [schema, value] of plain) {
      assertSound(schema, value);
      assert.ok(isPlainlyValid(schema, value), JSON.stringify(value));
    }
    assert.ok(!isPlainlyValid(MemoryKey, 'é'.repeat(200)) && !isPlainlyValid(MemoryKey, '/x'));
    assert.ok(!isPlainlyValid(ApprovalRecord, {}));
  });
});
