/** What servers may answer, and may not, from a seed: a direct call takes it as the SDK's client does. `MCPX_RUNS` and `MCPX_SEED` try more, and others. */
import assert from 'node:assert/strict';
import {
  Client,
  type JSONRPCMessage,
  ProtocolError,
  SdkError,
  type Transport,
} from '@modelcontextprotocol/client';
import fc from 'fast-check';
import * as z from 'zod';
import {PipedCalls} from '../../coordinator/gateway/pipedCalls.ts';
import type {Era} from '../../coordinator/mcp/surface.ts';

const RUNS = Number(process.env['MCPX_RUNS'] ?? 200);
const SEED = Number(process.env['MCPX_SEED'] ?? Date.now() % 2 ** 31);

const IMPLEMENTATION = {name: 'test', version: '0'};
const MODERN = '2026-07-28';
const Passed = z.looseObject({});

/** What the SDK's client is connected to: it answers what connecting asks, and keeps the last request. */
class Wire implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  last: unknown;

  async start(): Promise<void> {}

  async close(): Promise<void> {
    this.onclose?.();
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (!('method' in message) || !('id' in message)) return;
    this.last = message.id;
    const result = {protocolVersion: '2025-11-25', capabilities: {tools: {}}, serverInfo: IMPLEMENTATION};
    if (message.method === 'initialize') this.onmessage?.({jsonrpc: '2.0', id: message.id, result});
  }
}

const oddValue = fc.oneof(
  fc.constantFrom(null, true, 0, 1.5, '', 'x', [], {}, [{}], {a: {method: 'x'}}),
  fc.jsonValue({maxDepth: 2}),
);
const content = fc.array(fc.record({type: fc.constant('text'), text: fc.string()}), {maxLength: 2});

const answer = fc.oneof(
  fc.record({
    result: fc.record(
      {
        content: fc.oneof({weight: 4, arbitrary: content}, oddValue),
        resultType: fc.oneof(
          {weight: 5, arbitrary: fc.constantFrom('complete', 'input_required')},
          fc.constantFrom('other', 7, null),
        ),
        inputRequests: oddValue,
        requestState: oddValue,
        isError: fc.boolean(),
        structuredContent: oddValue,
        _meta: fc.dictionary(fc.string(), oddValue),
        extra: oddValue,
      },
      {requiredKeys: ['resultType']},
    ),
  }),
  fc.record({
    error: fc.record(
      {
        code: fc.oneof(fc.integer(), fc.integer({min: -32800, max: -32000})),
        message: fc.string(),
        data: oddValue,
      },
      {requiredKeys: ['code', 'message']},
    ),
  }),
);

type Outcome =
  | {readonly result: unknown}
  | {readonly code: unknown; readonly message?: string; data?: unknown};

const outcomeOf = (asked: Promise<unknown>): Promise<Outcome> =>
  asked.then(
    result => ({result}),
    (error: unknown) => {
      if (error instanceof ProtocolError)
        return {code: error.code, message: error.message, data: error.data, name: error.constructor.name};
      // What is said of it is each one's own.
      return error instanceof SdkError ? {code: 'invalid'} : {code: String(error)};
    },
  );

describe('what servers answer to direct calls', () => {
  for (const era of ['legacy', 'modern'] as const satisfies readonly Era[])
    it(`is taken as by the SDK's client: ${era}`, async function () {
      this.timeout(0);
      const wire = new Wire();
      const client = new Client(IMPLEMENTATION, {
        versionNegotiation: {mode: era === 'legacy' ? 'legacy' : {pin: MODERN}},
      });
      const discover = {
        supportedVersions: [MODERN],
        capabilities: {tools: {}},
        serverInfo: IMPLEMENTATION,
        resultType: 'complete' as const,
        ttlMs: 0,
        cacheScope: 'private' as const,
      };
      await client.connect(wire, era === 'modern' ? {prior: {kind: 'modern', discover}} : {});
      let id: unknown;
      const direct = new PipedCalls(
        async message => {
          if ('id' in message) id = message.id;
        },
        {era, envelope: {}},
      );
      const params = {name: 'x'};
      const property = fc.asyncProperty(answer, async given => {
        const said = JSON.parse(JSON.stringify(given)) as typeof given;
        const theirs = outcomeOf(
          client.request({method: 'tools/call', params}, Passed, {allowInputRequired: era === 'modern'}),
        );
        wire.onmessage?.({jsonrpc: '2.0', id: wire.last, ...said} as JSONRPCMessage);
        const ours = outcomeOf(direct.call(params, {}));
        direct.receive({jsonrpc: '2.0', id, ...said});
        const [own, sdk] = [await ours, await theirs];
        // The parts of a result are checked by whoever asked.
        if ('code' in sdk && sdk.code === 'invalid' && 'result' in own) return;
        assert.deepEqual(own, sdk);
      });
      await fc.assert(property, {numRuns: RUNS, seed: SEED});
      await client.close();
    });
});
