/** Patterns of files, as build tools have them. */
import assert from 'node:assert/strict';
import {filePattern} from '../../coordinator/protocol/filePattern.ts';

const CASES: readonly (readonly [pattern: string, matches: readonly string[], not: readonly string[]])[] = [
  ['src/**/*.ts', ['src/a.ts', 'src/b/a.ts', 'src/b/c/a.ts'], ['a.ts', 'src/a.js', 'lib/src/a.ts']],
  ['**/*.md', ['a.md', 'b/a.md'], ['a.mdx']],
  ['src/**', ['src/a', 'src/b/c'], ['src', 'srcs/a']],
  ['a/**/b/**/c', ['a/b/c', 'a/x/b/c', 'a/b/y/c', 'a/x/b/y/z/c'], ['a/c', 'a/b']],
  ['*.ts', ['a.ts'], ['b/a.ts']],
  ['x**/a', ['xy/a', 'x/y/a'], ['xa']],
];

describe('patterns of files', () => {
  for (const [pattern, matches, not] of CASES)
    it(pattern, () => {
      const test = filePattern(pattern);
      for (const file of matches) assert.ok(test(file), file);
      for (const file of not) assert.ok(!test(file), file);
    });

  it('take a moment only, however often folders are left open', () => {
    assert.ok(filePattern(`${'**/'.repeat(60)}a`)(`${'b/'.repeat(70)}a`));
  });
});
