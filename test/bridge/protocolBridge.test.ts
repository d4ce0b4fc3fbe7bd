import assert from 'node:assert/strict';
import fc from 'fast-check';
import {translateMCPToMCPX, translateMCPXToMCP} from '../../coordinator/bridge/protocolBridge.ts';
import type {MCPMessage, MCPXContext, MCPXMessage} from '../../coordinator/protocol/envelope.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {META_KEYS} from '../../coordinator/protocol/version.ts';

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

/** Of the newer era: each request says who asks, each result what kind it is. */
const modernMeta = fc.record({
  'io.modelcontextprotocol/protocolVersion': fc.constant('2026-07-28'),
  'io.modelcontextprotocol/clientInfo': fc.record({name: fc.string(), version: fc.string()}),
  'io.modelcontextprotocol/clientCapabilities': fc.record({elicitation: fc.constant({})}),
  traceparent: fc.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
});
const modernMessage: fc.Arbitrary<MCPMessage> = asJson(
  fc.oneof(
    fc.record({
      jsonrpc: fc.constant('2.0' as const),
      id,
      method: fc.constantFrom('tools/call', 'server/discover', 'subscriptions/listen'),
      params: fc.record({
        name: fc.string(),
        inputResponses: fc.jsonValue(),
        requestState: fc.string(),
        _meta: modernMeta,
      }),
    }),
    fc.record({
      jsonrpc: fc.constant('2.0' as const),
      id,
      result: fc.record({
        resultType: fc.constantFrom('complete', 'input_required'),
        inputRequests: fc.jsonValue(),
        ttlMs: fc.nat(),
        _meta: modernMeta,
      }),
    }),
  ),
) as fc.Arbitrary<MCPMessage>;

/** Names that mean something to objects, nesting, and what is no object at all in the place of `_meta`. */
const hostileJson = fc
  .oneof(
    fc.dictionary(
      fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', ''),
      fc.jsonValue(),
    ),
    fc.constantFrom(null, [], 'text', 0, false, [null]),
    fc.jsonValue({maxDepth: 6}),
  )
  .map(value => JSON.stringify(value));
/** As text: an own `__proto__` is made by a parser alone. */
const hostileText = fc
  .record({meta: hostileJson, rest: hostileJson, place: fc.constantFrom('params', 'result')})
  .map(({meta, rest, place}) => {
    const method = place === 'params' ? '"method":"tools/call",' : '';
    return `{"jsonrpc":"2.0","id":1,${method}"${place}":{"_meta":${meta},"rest":${rest},"__proto__":${rest}},"unknown":${rest}}`;
  });

/** Nothing but the place for its parts is made where there was none. */
function withPlace(message: MCPXMessage): MCPXMessage {
  return message.method !== undefined && message.params === undefined ? {...message, params: {}} : message;
}

describe('the bridge between MCP and MCPX', () => {
  it('turns every MCPX message of either era into MCP and back without loss', () => {
    fc.assert(
      fc.property(fc.oneof(message, modernMessage), context, (plain, parts) => {
        const mcpx: MCPXMessage = {...plain, ...parts};
        const wire = JSON.parse(JSON.stringify(translateMCPXToMCP(mcpx))) as MCPMessage;
        assert.deepEqual(translateMCPToMCPX(wire), withPlace(mcpx));
      }),
      {numRuns: 500},
    );
  });

  it('turns every MCP message of either era into MCPX and back without loss', () => {
    fc.assert(
      fc.property(fc.oneof(message, modernMessage, errorMessage), plain => {
        assert.deepEqual(translateMCPXToMCP(translateMCPToMCPX(plain)), plain);
      }),
      {numRuns: 500},
    );
  });

  it('leaves every byte of a message that has none of its parts, however strange', () => {
    fc.assert(
      fc.property(hostileText, text => {
        const plain = JSON.parse(text) as MCPMessage;
        const there = translateMCPToMCPX(plain);
        assert.equal(JSON.stringify(translateMCPXToMCP(there)), JSON.stringify(plain));
        assert.equal(Object.getPrototypeOf(there), Object.prototype);
      }),
      {numRuns: 500},
    );
  });

  it('adds a context to a strange message and takes it out again, or says that there is no place for it', () => {
    fc.assert(
      fc.property(hostileText, context, (text, parts) => {
        fc.pre(Object.keys(parts).length > 0);
        const plain = JSON.parse(text) as MCPMessage;
        const body = plain.params ?? plain.result ?? {};
        const meta = body['_meta'];
        if (meta === null || typeof meta !== 'object' || Array.isArray(meta)) {
          assert.throws(
            () => translateMCPXToMCP({...plain, ...parts}),
            error => isProtocolError(error, 'invalidRequest'),
          );
          return;
        }
        const wire = JSON.parse(JSON.stringify(translateMCPXToMCP({...plain, ...parts}))) as MCPMessage;
        const {orchestration, coordination, distribution, ...back} = translateMCPToMCPX(wire);
        const found = JSON.parse(JSON.stringify({orchestration, coordination, distribution}));
        assert.deepEqual(found, parts);
        // An empty `_meta` is none.
        const emptied = (given: MCPMessage): string => JSON.stringify(given).replace('"_meta":{},', '');
        assert.deepEqual(JSON.parse(emptied(back)), JSON.parse(emptied(plain)));
      }),
      {numRuns: 500},
    );
  });

  it('keeps what a newer peer has put into a part', () => {
    const part = {
      dependencies: ['a'],
      synchronizationPoints: [{name: 's', participants: [], quorum: 2}],
      rollbackStrategy: {scope: 'task', dryRun: true},
      progressReporting: {intervalMs: 1, transcript: false},
      urgency: {level: 'high'},
    };
    const wire: MCPMessage = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {_meta: {[META_KEYS.coordination]: part, other: 1}},
    };
    const mcpx = translateMCPToMCPX(wire);
    assert.deepEqual(mcpx.coordination, part);
    assert.deepEqual(translateMCPXToMCP(mcpx), wire);
  });

  it('leaves only members that JSON-RPC knows at the top of a message', () => {
    fc.assert(
      fc.property(message, context, (plain, parts) => {
        const wire = translateMCPXToMCP({...plain, ...parts});
        for (const member of Object.keys(wire))
          assert.ok(['jsonrpc', 'id', 'method', 'params', 'result'].includes(member), member);
      }),
    );
  });

  it('adds a context to a message, over what the message has', () => {
    fc.assert(
      fc.property(message, context, context, (plain, own, added) => {
        const wire = translateMCPXToMCP({...plain, ...own});
        assert.deepEqual(translateMCPToMCPX(wire, added), withPlace({...plain, ...own, ...added}));
      }),
    );
  });

  it('refuses a malformed part, and a context on an error', () => {
    const params = {_meta: {[META_KEYS.coordination]: {dependencies: 'all'}}};
    assert.throws(
      () => translateMCPToMCPX({jsonrpc: '2.0', id: 1, method: 'ping', params}),
      error => isProtocolError(error, 'invalidParams'),
    );
    const distribution = {
      taskPartition: {strategy: 'none' as const, index: 0, count: 1},
      loadBalancing: 'round-robin',
      affinityRules: [],
    };
    const error = {code: 1, message: 'no'};
    assert.throws(
      () => translateMCPXToMCP({jsonrpc: '2.0', id: 1, error, distribution}),
      thrown => isProtocolError(thrown, 'invalidRequest'),
    );
  });
});
