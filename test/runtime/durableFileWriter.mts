/** Rewrites a file until it is killed; prints a line after each write. */
import {writeFileDurably} from '../../coordinator/runtime/durableFile.ts';

const [file = ''] = process.argv.slice(2);
for (let number = 1; ; number++) {
  await writeFileDurably(file, JSON.stringify({number, filler: 'x'.repeat(100_000)}));
  process.stdout.write(`${number}\n`);
}
