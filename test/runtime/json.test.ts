/** Canonical JSON: equal values have equal texts. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {canonicalJson} from '../../coordinator/runtime/json.ts';

function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, shuffled(inner)]),
  );
}

const json = fc.jsonValue().map(value => structuredClone(value));

describe('canonical JSON', () => {
  it('is JSON of the same value', () => {
    fc.assert(
      fc.property(json, value => {
        assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('does not depend on the order of keys', () => {
    fc.assert(fc.property(json, value => assert.equal(canonicalJson(shuffled(value)), canonicalJson(value))));
  });

  it('sorts keys by code unit at every level and writes no white space', () => {
    assert.equal(
      canonicalJson({b: [{d: 1, c: null}], a: 'x y', B: true, 10: 0, 9: 0}),
      '{"9":0,"10":0,"B":true,"a":"x y","b":[{"c":null,"d":1}]}',
    );
  });

  it('leaves undefined members out, as JSON does', () => {
    assert.equal(canonicalJson({a: undefined, b: 1}), '{"b":1}');
  });
});
