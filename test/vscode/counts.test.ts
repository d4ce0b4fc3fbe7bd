/** A run of the extension's suites is only as good as its counts: what is missing has failed. */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {countsOf, failure, inSecondWindow, NOTHING} from './counts.ts';

describe('counts of a window', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-counts-'));
  });
  after(() => rmSync(folder, {recursive: true}));

  const written = (counts: unknown): string => {
    const file = path.join(folder, 'stats.json');
    writeFileSync(file, JSON.stringify(counts));
    return file;
  };

  it('are a failure when the suite left none', () =>
    assert.deepEqual(countsOf('views', path.join(folder, 'none.json'), true), {
      ...NOTHING,
      failures: 1,
      failed: ['views: it ended without a verdict'],
    }));

  it('are a failure when the window ended badly after tests that passed', () =>
    assert.deepEqual(countsOf('views', written({...NOTHING, passes: 3}), false), {
      ...NOTHING,
      passes: 3,
      failures: 1,
      failed: ['views: it ended badly'],
    }));

  it('are what the suite counted otherwise', () => {
    const failed = {...NOTHING, passes: 2, failures: 1, failed: ['a test: why']};
    assert.deepEqual(countsOf('views', written(failed), false), failed);
    const skipped = {...NOTHING, passes: 2, pending: 1, skipped: ['one']};
    assert.deepEqual(countsOf('views', written(skipped), true), skipped);
  });

  it('are refused when they are none', () =>
    assert.throws(() => countsOf('views', written({passes: -1}), true)));

  it('are those of a second window that passed, which does not hide what failed in the first', () => {
    const [first, passed] = [failure('a test: why'), {...NOTHING, passes: 3}];
    assert.deepEqual(inSecondWindow(first, passed), {...passed, unsteady: ['a test: why']});
    assert.deepEqual(inSecondWindow(first, NOTHING), first);
    assert.deepEqual(inSecondWindow(first, failure('another')), first);
  });
});
