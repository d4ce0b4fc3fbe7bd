/** What two peers find that they have in common. */
import assert from 'node:assert/strict';
import {
  extensionCapabilities,
  negotiateProtocol,
  ownExtension,
  type ProtocolVersion,
  supportsFeature,
} from '../../coordinator/protocol/negotiation.ts';
import {EXTENSION_ID, FEATURES, PROTOCOL_VERSION} from '../../coordinator/protocol/version.ts';

const own = {version: '2.3', features: ['watch', 'fence']};
const declare = (settings: unknown, place: 'extensions' | 'experimental' = 'extensions'): unknown => ({
  tools: {},
  [place]: {'com.example/other': {}, [EXTENSION_ID]: settings},
});
const mcpx = (version: string, features: string[]): ProtocolVersion => ({
  kind: 'mcpx',
  version,
  features: new Set(features),
});
const plain: ProtocolVersion = {kind: 'mcp'};

const cases: readonly (readonly [what: string, capabilities: unknown, expected: ProtocolVersion])[] = [
  ['the same version and features', declare(own), mcpx('2.3', ['watch', 'fence'])],
  ['an older minor', declare({version: '2.1', features: ['watch']}), mcpx('2.1', ['watch'])],
  ['a newer minor', declare({version: '2.10', features: ['fence', 'new']}), mcpx('2.3', ['fence'])],
  ['no common feature', declare({version: '2.3', features: []}), mcpx('2.3', [])],
  ['further settings', declare({version: '2.3', features: ['watch'], more: 1}), mcpx('2.3', ['watch'])],
  ['a place from before extensions', declare(own, 'experimental'), mcpx('2.3', ['watch', 'fence'])],
  [
    'both places, of which extensions counts',
    {extensions: {[EXTENSION_ID]: {version: '2.2', features: []}}, experimental: {[EXTENSION_ID]: own}},
    mcpx('2.2', []),
  ],
  [
    'an older major',
    declare({version: '1.9', features: ['watch']}),
    {kind: 'incompatible', theirs: '1.9', ours: '2.3'},
  ],
  [
    'a newer major',
    declare({version: '3.0', features: []}),
    {kind: 'incompatible', theirs: '3.0', ours: '2.3'},
  ],
  ['no extension', {tools: {}}, plain],
  ['only others', {extensions: {'com.example/other': {}}}, plain],
  ['no capabilities', undefined, plain],
  ['capabilities that are null', null, plain],
  ['capabilities that are text', 'mcpx', plain],
  ['extensions that are null', {extensions: null, experimental: null}, plain],
  ['an empty declaration', declare({}), plain],
  ['a version that is none', declare({version: '2', features: []}), plain],
  ['a version that is a number', declare({version: 2.3, features: []}), plain],
  ['features that are no list', declare({version: '2.3', features: 'watch'}), plain],
  ['too many features', declare({version: '2.3', features: Array(300).fill('x')}), plain],
];

describe('negotiation', () => {
  for (const [what, capabilities, expected] of cases)
    it(`with ${what} is ${expected.kind}`, () =>
      assert.deepEqual(negotiateProtocol(capabilities, own), expected));

  it('comes to the same from both sides', () => {
    const other = {version: '2.1', features: ['fence', 'new']};
    assert.deepEqual(
      negotiateProtocol(extensionCapabilities(other), own),
      negotiateProtocol(extensionCapabilities(own), other),
    );
  });

  it('of two of this build is everything that it has', () => {
    assert.deepEqual(negotiateProtocol(extensionCapabilities()), mcpx(PROTOCOL_VERSION, [...FEATURES]));
    assert.deepEqual(ownExtension(), {version: PROTOCOL_VERSION, features: [...FEATURES]});
  });

  it('tells which features may be used', () => {
    const negotiated = negotiateProtocol(declare({version: '2.3', features: ['watch', 'new']}), own);
    assert.ok(supportsFeature(negotiated, 'watch'));
    assert.ok(!supportsFeature(negotiated, 'fence'));
    assert.ok(!supportsFeature(negotiated, 'new'));
    assert.ok(!supportsFeature(plain, 'watch'));
    assert.ok(!supportsFeature({kind: 'incompatible', theirs: '1.0', ours: '2.0'}, 'watch'));
  });
});
