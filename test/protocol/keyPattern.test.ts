/** Patterns over keys: what they match, and that no pattern takes long. */
import assert from 'node:assert/strict';
import {compilePattern} from '../../coordinator/protocol/keyPattern.ts';

describe('patterns over keys', () => {
  const cases: readonly [pattern: string, matching: readonly string[], others: readonly string[]][] = [
    ['api/shape', ['api/shape'], ['api/shapes', 'api', 'x/api/shape']],
    ['api/*', ['api/shape', 'api/'], ['api/a/b', 'api', 'apis/x']],
    ['api/**', ['api/shape', 'api/a/b', 'api/'], ['api', 'apx/a']],
    ['**/shape', ['api/shape', 'a/b/shape', '/shape'], ['shape', 'api/shapes']],
    ['**', ['a', 'a/b/c', ''], []],
    ['a?c', ['abc', 'axc'], ['ac', 'a/c', 'abbc']],
    ['a*c/d', ['ac/d', 'abbc/d'], ['ab/c/d', 'ac/dd']],
    ['*/x/**/y', ['a/x/b/y', 'a/x/b/c/y', 'a/x//y'], ['a/x/y', 'a/b/x/c/y']],
    ['a.b[c]', ['a.b[c]'], ['axb[c]', 'a.bc']],
    ['ä/*', ['ä/ö'], ['a/ö']],
  ];
  for (const [pattern, matching, others] of cases)
    it(`${pattern}`, () => {
      const {matches, prefix} = compilePattern(pattern);
      for (const key of matching) {
        assert.ok(matches(key), key);
        assert.ok(key.startsWith(prefix), prefix);
      }
      for (const key of others) assert.ok(!matches(key), key);
    });

  it('are quick, however many stars they have', () => {
    const {matches} = compilePattern('**a*'.repeat(60));
    assert.ok(!matches(`${'a/'.repeat(50)}b`.repeat(2)));
  });
});
