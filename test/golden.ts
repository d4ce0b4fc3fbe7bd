/** Compares text with a stored file. `UPDATE_GOLDEN=1` writes the files anew, to be reviewed as a diff. */
import assert from 'node:assert/strict';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';

export function assertGolden(file: string, actual: string): void {
  if (process.env['UPDATE_GOLDEN']) {
    mkdirSync(path.dirname(file), {recursive: true});
    writeFileSync(file, actual);
    return;
  }
  assert.equal(actual, readFileSync(file, 'utf8'), `${file} differs; UPDATE_GOLDEN=1 rewrites it`);
}
