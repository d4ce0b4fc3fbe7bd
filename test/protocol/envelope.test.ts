/** MCPX messages as legal MCP messages, and back without loss. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type {
  CoordinationMetadata,
  DistributionInfo,
  OrchestrationContext,
} from '../../coordinator/protocol/context.ts';
import {
  decodeContext,
  decodeMessage,
  encodeContext,
  encodeMessage,
  type MCPMessage,
  type MCPXContext,
  type MCPXMessage,
} from '../../coordinator/protocol/envelope.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {META_KEYS} from '../../coordinator/protocol/version.ts';

const name = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,20}$/);
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, {nil: undefined});

const orchestration: fc.Arbitrary<OrchestrationContext> = fc.record(
  {
    sessionId: name,
    executionId: fc.string({maxLength: 192}),
    parentTaskId: name,
    coordinatorInstance: fc.string({maxLength: 128}),
    sharedState: fc.record({session: name, revision: fc.nat()}),
    qualityGates: fc.array(
      fc.record({
        name: fc.string({minLength: 1, maxLength: 64}),
        type: fc.constant('command' as const),
        command: fc.string({minLength: 1}),
        onFailure: fc.constantFrom('fail' as const, 'retry' as const),
        timeoutMs: fc.integer({min: 1, max: 1000}),
      }),
      {maxLength: 3},
    ),
  },
  {requiredKeys: ['sessionId', 'executionId', 'coordinatorInstance', 'sharedState', 'qualityGates']},
);

const coordination: fc.Arbitrary<CoordinationMetadata> = fc.record({
  dependencies: fc.array(name, {maxLength: 4}),
  synchronizationPoints: fc.array(
    fc.record({name: fc.string({minLength: 1, maxLength: 64}), participants: fc.array(name, {maxLength: 3})}),
    {maxLength: 2},
  ),
  rollbackStrategy: fc.record({scope: fc.constantFrom('none' as const, 'task' as const, 'session' as const)}),
  progressReporting: fc.record({intervalMs: fc.nat(), transcript: fc.boolean()}),
});

const distribution: fc.Arbitrary<DistributionInfo> = fc.record({
  taskPartition: fc.record({
    strategy: fc.constantFrom('none' as const, 'list' as const, 'files' as const),
    index: fc.nat(),
    count: fc.integer({min: 1, max: 100}),
  }),
  loadBalancing: fc.string({minLength: 1, maxLength: 64}),
  affinityRules: fc.array(
    fc.record({
      kind: fc.constantFrom('sameAgent' as const, 'apart' as const),
      with: fc.array(fc.string({minLength: 1, maxLength: 128}), {minLength: 1, maxLength: 3}),
      strength: fc.constantFrom('require' as const, 'prefer' as const),
    }),
    {maxLength: 2},
  ),
});

/** Only the parts that there are, as decoding leaves them; cloned, since generated objects may lack a prototype. */
const context: fc.Arbitrary<MCPXContext> = fc
  .record({
    orchestration: optional(orchestration),
    coordination: optional(coordination),
    distribution: optional(distribution),
  })
  .map(parts =>
    structuredClone(Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined))),
  );

/** What a plain MCP message may carry, `_meta` of others included. */
const body: fc.Arbitrary<Record<string, unknown>> = fc
  .tuple(
    fc.dictionary(
      fc.string().filter(key => key !== '_meta' && key !== '__proto__'),
      fc.jsonValue(),
    ),
    optional(
      fc.dictionary(
        fc
          .oneof(fc.constantFrom('progressToken', 'traceparent', 'com.example/x'), fc.string())
          .filter(key => key !== '__proto__'),
        fc.jsonValue(),
        {minKeys: 1},
      ),
    ),
  )
  .map(([fields, meta]) => structuredClone(meta === undefined ? fields : {...fields, _meta: meta}));

describe('envelope', () => {
  it('gives back what was put in', () => {
    fc.assert(
      fc.property(body, context, (params, parts) => {
        assert.deepEqual(decodeContext(encodeContext(params, parts)), {body: params, context: parts});
      }),
    );
  });

  it('is JSON', () => {
    fc.assert(
      fc.property(body, context, (params, parts) => {
        const written = encodeContext(params, parts);
        const travelled = JSON.parse(JSON.stringify(written));
        assert.deepEqual(decodeContext(travelled), decodeContext(JSON.parse(JSON.stringify(written))));
        assert.deepEqual(decodeContext(travelled).context, JSON.parse(JSON.stringify(parts)));
      }),
    );
  });

  it('carries requests and results both ways without loss', () => {
    const message = fc.oneof(
      fc.record({jsonrpc: fc.constant('2.0' as const), id: fc.nat(), method: fc.string(), params: body}),
      fc.record({jsonrpc: fc.constant('2.0' as const), method: fc.string(), params: body}),
      fc.record({jsonrpc: fc.constant('2.0' as const), id: fc.string(), result: body}),
    );
    fc.assert(
      fc.property(message, context, (mcp: MCPMessage, parts) => {
        const mcpx: MCPXMessage = {...mcp, ...parts};
        const wire = encodeMessage(mcpx);
        for (const part of ['orchestration', 'coordination', 'distribution'])
          assert.ok(!(part in wire), part);
        assert.deepEqual(decodeMessage(wire), mcpx);
      }),
    );
  });

  it('leaves a plain MCP message as it is', () => {
    fc.assert(
      fc.property(body, params => {
        const message: MCPMessage = {jsonrpc: '2.0', id: 1, method: 'tools/call', params};
        assert.deepEqual(decodeMessage(message), message);
        assert.deepEqual(encodeMessage(message), message);
      }),
    );
    for (const message of [
      {jsonrpc: '2.0', method: 'notifications/initialized'},
      {jsonrpc: '2.0', id: 1, result: {}},
      {jsonrpc: '2.0', id: 1, error: {code: -32601, message: 'no'}},
    ] as const) {
      assert.deepEqual(encodeMessage(message), message);
      assert.deepEqual(decodeMessage(message), message);
    }
  });

  it('keeps what others put into _meta', () => {
    const [parts] = fc.sample(
      context.filter(({orchestration: part}) => part !== undefined),
      {numRuns: 1, seed: 1},
    );
    const wire = encodeContext({name: 'x', _meta: {progressToken: 7, 'com.example/y': [1]}}, parts ?? {});
    assert.deepEqual(Object.keys(wire?.['_meta'] ?? {}).slice(0, 3), [
      'progressToken',
      'com.example/y',
      META_KEYS.orchestration,
    ]);
    assert.deepEqual(decodeContext(wire).body, {name: 'x', _meta: {progressToken: 7, 'com.example/y': [1]}});
  });

  it('never puts parameters on an answer', () => {
    const [parts] = fc.sample(context, {numRuns: 1, seed: 2});
    for (const answer of [
      {jsonrpc: '2.0', id: 1, result: {}},
      {jsonrpc: '2.0', id: 1, error: {code: 1, message: 'x'}},
    ] as const)
      assert.ok(!('params' in encodeMessage({...answer, ...parts})));
  });

  for (const [what, meta] of [
    ['a part that is text', {[META_KEYS.orchestration]: 'x'}],
    ['a part that is null', {[META_KEYS.coordination]: null}],
    ['a part that is empty', {[META_KEYS.distribution]: {}}],
    ['a field of the wrong type', {[META_KEYS.orchestration]: {sessionId: 1}}],
    [
      'one good and one bad part',
      {
        [META_KEYS.coordination]: {
          dependencies: [],
          synchronizationPoints: [],
          rollbackStrategy: {scope: 'none'},
          progressReporting: {intervalMs: 0, transcript: false},
        },
        [META_KEYS.distribution]: [],
      },
    ],
  ] as const) {
    it(`refuses ${what} as invalidParams and names it`, () => {
      for (const message of [
        {jsonrpc: '2.0', id: 1, method: 'mcpx.health.check', params: {_meta: meta}},
        {jsonrpc: '2.0', id: 1, result: {_meta: meta}},
      ] as const)
        assert.throws(
          () => decodeMessage(message),
          error => isProtocolError(error, 'invalidParams') && /_meta: .*dev\.mcpx\//s.test(error.message),
        );
    });
  }

  for (const meta of [null, 5, 'x', [1]]) {
    it(`takes _meta: ${JSON.stringify(meta)} for a message without context`, () => {
      const params = {a: 1, _meta: meta};
      assert.deepEqual(decodeContext(params), {body: params, context: {}});
    });
  }
});
