/** A module around the suite that leaves a verdict in a file. VS Code reports success when its extension host dies, so only a verdict counts. */
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';

const Verdict = z.object({passed: z.boolean()});

export interface GuardedSuite {
  /** What the extension host is to load in the suite's place. */
  readonly module: string;
  /** Undefined when the suite never came to its end. */
  passed(): boolean | undefined;
}

export function guardSuite(suite: string, folder: string): GuardedSuite {
  const module = path.join(folder, 'guardedSuite.cjs');
  const verdict = path.join(folder, 'verdict.json');
  const names = {suite: JSON.stringify(suite), verdict: JSON.stringify(verdict)};
  writeFileSync(
    module,
    `const {writeFileSync} = require('node:fs');
const end = passed => writeFileSync(${names.verdict}, JSON.stringify({passed}));
exports.run = async () => {
  try {
    await require(${names.suite}).run();
    end(true);
  } catch (error) {
    end(false);
    throw error;
  }
};
`,
  );
  return {
    module,
    passed: () =>
      existsSync(verdict) ? Verdict.parse(JSON.parse(readFileSync(verdict, 'utf8'))).passed : undefined,
  };
}
