/**
 * Requests of calls as clients may send them and may not, from a seed: around the SDK they are answered as by the SDK. `MCPX_RUNS` and
 * `MCPX_SEED` try more, and others.
 */
import assert from 'node:assert/strict';
import {type CallToolRequest, ProtocolError} from '@modelcontextprotocol/server';
import fc from 'fast-check';
import type {SurfaceCall} from '../../coordinator/mcp/surface.ts';
import {
  eventsOf,
  INITIALIZE,
  type McpFixture,
  mcpFixture,
  modernBody,
  modernHeaders,
  type RawAnswer,
  raw,
} from './support.ts';
import {TestSurface} from './testSurface.ts';

const RUNS = Number(process.env['MCPX_RUNS'] ?? 300);
const SEED = Number(process.env['MCPX_SEED'] ?? Date.now() % 2 ** 31);

const REVISIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;
const MODERN = '2026-07-28';
const PREFIX = 'io.modelcontextprotocol/';

/** One of its tools says what it was called with, and by whom; another refuses. */
class TellingSurface extends TestSurface {
  override async callTool(params: CallToolRequest['params'], call: SurfaceCall) {
    if (params.name === 'refuse') {
      this.calls.push('refuse');
      const {code, data} = Object(params.arguments) as {code?: number; data?: unknown};
      throw new ProtocolError(code ?? 0, 'it is refused', data);
    }
    if (params.name !== 'tell') return super.callTool(params, call);
    this.calls.push('tell');
    const {era, capabilities, logLevel, inputResponses, requestState, meta, request} = call;
    const canAsk = request !== undefined;
    const own = meta && Object.keys(meta).length > 0 ? meta : undefined;
    const {arguments: given} = params;
    const told = {given, own, era, capabilities, logLevel, inputResponses, requestState, canAsk};
    return {content: [{type: 'text' as const, text: JSON.stringify(told)}]};
  }
}

type Json = Record<string, unknown>;

/** One change of a body's part, at its key. Undefined takes it away. */
interface Change {
  readonly part: 'message' | 'params' | 'meta' | 'headers';
  readonly key: string;
  readonly value: unknown;
}

interface Asked {
  readonly revision: string;
  readonly name: string;
  readonly given: unknown;
  readonly changes: readonly Change[];
  readonly isBatch: boolean;
}

/** JSON has a few values that are easily taken for others. */
const oddValue = fc.oneof(
  fc.constantFrom(
    undefined,
    null,
    true,
    0,
    -0,
    1,
    1.5,
    -1,
    2 ** 53,
    2 ** 31,
    1e300,
    '',
    'x',
    'p',
    '2',
    [],
    {},
  ),
  fc.jsonValue({maxDepth: 2}),
);
const text = fc.oneof(
  fc.string({unit: 'binary', maxLength: 8}),
  fc.constantFrom('\ud800', '\u2028', '\r\n\n', 'data: {}', '\0', 'ä'),
);

const block = fc.oneof(
  {weight: 2, arbitrary: fc.record({type: fc.constant('text'), text})},
  fc.record({type: fc.constant('text'), text, annotations: oddValue}),
  fc.record({type: fc.constant('text'), text, _meta: oddValue}),
  fc.record({type: fc.constantFrom('text', 'image', 'audio', 'resource', 'smell'), text: oddValue}),
  fc.constantFrom(
    {type: 'image', data: 'aGk=', mimeType: 'image/png'},
    {type: 'resource_link', uri: 'test://x', name: 'x'},
    {type: 'resource', resource: {uri: 'test://x', text: 'x'}},
  ),
);

const result = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      {
        content: fc.array(block, {maxLength: 3}),
        isError: fc.oneof(fc.boolean(), oddValue),
        structuredContent: oddValue,
        _meta: oddValue,
        resultType: fc.constantFrom('complete', 'input_required', 'other'),
        ttlMs: oddValue,
      },
      {requiredKeys: []},
    ),
  },
  {weight: 2, arbitrary: fc.record({content: fc.array(block, {maxLength: 2})})},
  fc.record({content: fc.constant([]), isError: oddValue}),
  oddValue,
);

const givenTo: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  give: result.map(value => ({text: JSON.stringify(value ?? null)})),
  echo: text.map(said => ({text: said})),
  tell: fc.oneof(fc.dictionary(fc.string({maxLength: 4}), oddValue), oddValue),
  count: fc.constant({text: 'x'}),
  log: fc.constant({text: 'x'}),
  refuse: fc.record({code: fc.oneof(fc.integer(), fc.constantFrom(-32002, -32602, -32000)), data: oddValue}),
  broken: fc.constant({}),
  fail: fc.constant({}),
  ask: fc.constant({}),
  nothing: oddValue,
  '': oddValue,
  ä: oddValue,
  constructor: oddValue,
  '=?base64?ZWNobw==?=': fc.constant({}),
};

/** What these are given is the most various. */
const OFTEN = ['give', 'give', 'give', 'give', 'give', 'give', 'give', 'tell', 'tell', 'tell', 'tell'];

const changeOf = (
  part: Change['part'],
  keys: readonly string[],
  value: fc.Arbitrary<unknown>,
): fc.Arbitrary<Change> => fc.record({part: fc.constant(part), key: fc.constantFrom(...keys), value});

const META_KEYS = [
  'progressToken',
  '__proto__',
  'example.com/own',
  'traceparent',
  ...['related-task', 'logLevel', 'clientInfo', 'clientCapabilities', 'protocolVersion', 'other'].map(
    key => PREFIX + key,
  ),
];

const headerValues: Readonly<Record<string, readonly (string | undefined)[]>> = {
  'mcp-protocol-version': [undefined, '', 'x', MODERN, ...REVISIONS],
  'mcp-name': [undefined, '', 'echo', ' tell', 'tools/call'],
  'mcp-method': [undefined, '', 'tools/list', ' tools/call'],
  accept: ['*/*', 'application/json', 'text/event-stream', 'text/event-stream;q=0, application/json'],
  'content-type': ['text/plain', 'application/json; charset=utf-8'],
  'mcp-session-id': [undefined, 'none'],
};

const change = fc.oneof(
  changeOf('message', ['id'], fc.oneof(fc.integer(), text, oddValue)),
  changeOf('message', ['jsonrpc'], fc.constantFrom(undefined, '1.0', 2)),
  changeOf('message', ['method', 'params', 'result', 'extra', '__proto__'], oddValue),
  changeOf('params', ['name', 'arguments', '_meta', 'task', 'extra', '__proto__'], oddValue),
  changeOf('params', ['inputResponses', 'requestState'], oddValue),
  changeOf('meta', META_KEYS, oddValue),
  changeOf('meta', ['progressToken'], oddValue),
  changeOf('meta', [`${PREFIX}logLevel`], fc.constantFrom('debug', 'error', 'loud')),
  changeOf('meta', [`${PREFIX}protocolVersion`], fc.constantFrom(MODERN, ...REVISIONS)),
  changeOf('meta', [`${PREFIX}clientCapabilities`], fc.constantFrom({sampling: {}}, {x: 1}, {roots: 1})),
  {
    weight: 4,
    arbitrary: fc
      .constantFrom(...Object.entries(headerValues))
      .chain(([key, values]) => changeOf('headers', [key], fc.constantFrom(...values))),
  },
);

const asked: fc.Arbitrary<Asked> = fc
  .constantFrom(...Object.keys(givenTo), ...OFTEN)
  .chain(name =>
    fc.record({
      revision: fc.constantFrom(MODERN, ...REVISIONS),
      name: fc.constant(name),
      given: givenTo[name] as fc.Arbitrary<unknown>,
      changes: fc.array(change, {maxLength: 2}),
      isBatch: fc.boolean(),
    }),
  )
  .map(each => ({...each, isBatch: each.isBatch && each.changes.length > 1}));

/** As JSON.parse would: also `__proto__` is a key. */
function put(target: unknown, key: string, value: unknown): void {
  if (target === null || typeof target !== 'object') return;
  if (value === undefined) Reflect.deleteProperty(target, key);
  else Reflect.defineProperty(target, key, {value, enumerable: true, configurable: true, writable: true});
}

function requestOf({revision, name, given, changes, isBatch}: Asked, session: Json) {
  const isModern = revision === MODERN;
  const params: Json = {name, ...(given !== undefined && {arguments: given})};
  const message = JSON.parse(
    isModern
      ? modernBody('tools/call', params)
      : JSON.stringify({jsonrpc: '2.0', id: 2, method: 'tools/call', params}),
  ) as Json;
  const headers: Json = isModern
    ? modernHeaders('tools/call', name)
    : {...session, 'mcp-protocol-version': revision};
  for (const {part, key, value} of changes) {
    const inner = message['params'] as Json | undefined;
    if (part === 'meta' && inner !== null && typeof inner === 'object' && inner['_meta'] === undefined)
      put(inner, '_meta', {});
    const target = {message, params: inner, meta: inner?.['_meta'], headers}[part];
    put(target, key, value);
  }
  return {headers: headers as Record<string, string>, body: JSON.stringify(isBatch ? [message] : message)};
}

/** What matters of it, whether it came in one piece or as a stream. */
function said({status, headers, body}: RawAnswer): unknown {
  const isStream = headers['content-type']?.startsWith('text/event-stream');
  const messages = isStream ? eventsOf(body) : [body === '' ? undefined : JSON.parse(body)];
  return {status, hasSession: 'mcp-session-id' in headers, messages};
}

interface Side {
  readonly fixture: McpFixture;
  readonly surface: TellingSurface;
  readonly sessions: Readonly<Record<string, Json>>;
}

async function side(soonMs: number): Promise<Side> {
  const surface = new TellingSurface();
  const fixture = await mcpFixture({settings: {soonMs}, before: [surface]});
  const sessions: Record<string, Json> = {};
  for (const revision of REVISIONS) {
    const body = INITIALIZE.replace('2025-11-25', revision);
    const {headers} = await raw(fixture.mcpUrl, {body});
    sessions[revision] = {'mcp-session-id': headers['mcp-session-id']};
  }
  return {fixture, surface, sessions};
}

async function answersOf({fixture, surface, sessions}: Side, what: Asked): Promise<unknown> {
  const request = requestOf(what, sessions[what.revision] ?? {});
  surface.calls.length = 0;
  // Of the newer era what is the same as before is begun.
  const answers = [said(await raw(fixture.mcpUrl, request)), said(await raw(fixture.mcpUrl, request))];
  return {answers, calls: [...surface.calls], inWork: fixture.endpoint.counts.inWork};
}

describe('calls as clients may send them, and may not', () => {
  let ours: Side;
  /** Never around the SDK. */
  let theirs: Side;
  before(async () => {
    [ours, theirs] = await Promise.all([side(60_000), side(0)]);
  });
  after(() => Promise.all([ours.fixture.close(), theirs.fixture.close()]));

  it('are answered around the SDK as by the SDK', async function () {
    this.timeout(0);
    await fc.assert(
      fc.asyncProperty(asked, async what =>
        assert.deepEqual(await answersOf(ours, what), await answersOf(theirs, what)),
      ),
      {numRuns: RUNS, seed: SEED},
    );
  });
});
