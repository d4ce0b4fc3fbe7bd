import assert from 'node:assert/strict';
import fc from 'fast-check';
import {ProtocolBridge} from '../../coordinator/bridge/protocolBridge.ts';
import type {MCPMessage, MCPXContext, MCPXMessage} from '../../coordinator/protocol/envelope.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {extensionCapabilities} from '../../coordinator/protocol/negotiation.ts';
import {FEATURES, META_KEYS} from '../../coordinator/protocol/version.ts';

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,20}$/);
/** As it comes out of a parser: no absent members, no odd prototypes, no negative zero. */
function asJson<T>(source: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return source.map(value => JSON.parse(JSON.stringify(value)) as T);
}

const ownKeys: ReadonlySet<string> = new Set(Object.values(META_KEYS));

const context: fc.Arbitrary<MCPXContext> = asJson(
  fc.record(
    {
      orchestration: fc.record({
        sessionId: name,
        executionId: name,
        coordinatorInstance: name,
        sharedState: fc.record({session: name, revision: fc.nat()}),
        qualityGates: fc.constant([]),
      }),
      coordination: fc.record({
        dependencies: fc.array(name, {maxLength: 3}),
        synchronizationPoints: fc.array(fc.record({name, participants: fc.array(name, {maxLength: 2})}), {
          maxLength: 2,
        }),
        rollbackStrategy: fc.record({scope: fc.constantFrom('none', 'task', 'session', 'syncPoint')}),
        progressReporting: fc.record({intervalMs: fc.nat(), transcript: fc.boolean()}),
      }),
      distribution: fc.record({
        taskPartition: fc.record({
          strategy: fc.constantFrom('none', 'list', 'files', 'shards', 'agent'),
          index: fc.nat(),
          count: fc.integer({min: 1, max: 100}),
        }),
        loadBalancing: name,
        affinityRules: fc.array(
          fc.record({
            kind: fc.constantFrom('sameAgent', 'sameRegion', 'apart', 'region', 'agent'),
            with: fc.array(name, {minLength: 1, maxLength: 3}),
            strength: fc.constantFrom('require', 'prefer'),
          }),
          {maxLength: 2},
        ),
      }),
    },
    {requiredKeys: []},
  ),
);

const body = fc
  .record(
    {
      rest: fc.dictionary(fc.string({maxLength: 8}), fc.jsonValue({maxDepth: 3})),
      meta: fc.dictionary(fc.string({maxLength: 8}), fc.jsonValue({maxDepth: 2}), {minKeys: 1}),
    },
    {requiredKeys: ['rest']},
  )
  .map(({rest, meta}) => {
    const {_meta, ...others} = rest;
    return JSON.parse(JSON.stringify(meta ? {...others, _meta: meta} : others)) as Record<string, unknown>;
  })
  .filter(found => !Object.keys((found['_meta'] as object | undefined) ?? {}).some(key => ownKeys.has(key)));

const id = fc.oneof(fc.integer(), fc.string());
const message: fc.Arbitrary<MCPMessage> = asJson(
  fc.oneof(
    fc.record({jsonrpc: fc.constant('2.0' as const), id, method: fc.string(), params: body}),
    fc.record({jsonrpc: fc.constant('2.0' as const), method: fc.string(), params: body}),
    fc.record({jsonrpc: fc.constant('2.0' as const), id, result: body}),
  ),
);
const errorMessage: fc.Arbitrary<MCPMessage> = asJson(
  fc.record({
    jsonrpc: fc.constant('2.0' as const),
    id,
    error: fc.record({code: fc.integer(), message: fc.string(), data: fc.jsonValue()}),
  }),
);

describe('the bridge between MCP and MCPX', () => {
  const bridge = new ProtocolBridge();

  it('turns every MCPX message into MCP and back without loss', () => {
    fc.assert(
      fc.property(message, context, (plain, parts) => {
        const mcpx: MCPXMessage = {...plain, ...parts};
        const wire = JSON.parse(JSON.stringify(bridge.translateMCPXToMCP(mcpx))) as MCPMessage;
        assert.deepEqual(bridge.translateMCPToMCPX(wire), mcpx);
      }),
      {numRuns: 500},
    );
  });

  it('turns every MCP message into MCPX and back without loss', () => {
    fc.assert(
      fc.property(fc.oneof(message, errorMessage), plain => {
        assert.deepEqual(bridge.translateMCPXToMCP(bridge.translateMCPToMCPX(plain)), plain);
      }),
      {numRuns: 500},
    );
  });

  it('leaves only members that JSON-RPC knows at the top of a message', () => {
    fc.assert(
      fc.property(message, context, (plain, parts) => {
        const wire = bridge.translateMCPXToMCP({...plain, ...parts});
        for (const member of Object.keys(wire))
          assert.ok(['jsonrpc', 'id', 'method', 'params', 'result'].includes(member), member);
      }),
    );
  });

  it('adds a context to a message, over what the message has', () => {
    fc.assert(
      fc.property(message, context, context, (plain, own, added) => {
        const wire = bridge.translateMCPXToMCP({...plain, ...own});
        assert.deepEqual(bridge.translateMCPToMCPX(wire, added), {...plain, ...own, ...added});
      }),
    );
  });

  it('refuses a malformed part, and a context on an error', () => {
    const params = {_meta: {[META_KEYS.coordination]: {dependencies: 'all'}}};
    assert.throws(
      () => bridge.translateMCPToMCPX({jsonrpc: '2.0', id: 1, method: 'ping', params}),
      error => isProtocolError(error, 'invalidParams'),
    );
    const distribution = {
      taskPartition: {strategy: 'none' as const, index: 0, count: 1},
      loadBalancing: 'round-robin',
      affinityRules: [],
    };
    const error = {code: 1, message: 'no'};
    assert.throws(
      () => bridge.translateMCPXToMCP({jsonrpc: '2.0', id: 1, error, distribution}),
      thrown => isProtocolError(thrown, 'invalidRequest'),
    );
  });

  it('supports the features that both sides declare, and none with a plain MCP peer', () => {
    const own = new ProtocolBridge();
    assert.equal(own.supportsFeature('watch'), false);
    assert.equal(
      own.negotiateProtocol(extensionCapabilities({version: '1.7', features: ['watch', 'teleport']})).kind,
      'mcpx',
    );
    assert.deepEqual(
      FEATURES.filter(feature => own.supportsFeature(feature)),
      ['watch'],
    );
    assert.equal(own.supportsFeature('teleport'), false);
    assert.equal(own.negotiateProtocol({}).kind, 'mcp');
    assert.equal(own.supportsFeature('watch'), false);
    assert.equal(
      own.negotiateProtocol(extensionCapabilities({version: '2.0', features: []})).kind,
      'incompatible',
    );
  });
});
