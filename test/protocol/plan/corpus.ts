/** The plan files of test/testdata/plans, as bytes. */
import {readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const PLANS = fileURLToPath(new URL('../../testdata/plans/', import.meta.url));

export interface CorpusFile {
  readonly name: string;
  readonly file: string;
  readonly bytes: Uint8Array;
}

export function corpus(folder: 'good' | 'bad'): CorpusFile[] {
  return readdirSync(path.join(PLANS, folder))
    .filter(name => /\.(yaml|json)$/.test(name))
    .sort()
    .map(name => {
      const file = path.join(PLANS, folder, name);
      return {name, file, bytes: readFileSync(file)};
    });
}
