/** What the extension host loads: runs one folder of bundled tests with mocha and leaves the counts in a file. */
import {readdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import type {Counts} from '../counts.ts';
import {variable} from './surroundings.ts';

const TEST_LIMIT_MS = 120_000;

export async function run(): Promise<void> {
  process.setSourceMapsEnabled(true);
  const {default: Mocha} = await import('mocha');
  const mocha = new Mocha({
    ui: 'bdd',
    color: false,
    timeout: TEST_LIMIT_MS,
    slow: 10_000,
    reporter: 'spec',
    grep: process.env['MCPX_TEST_GREP'],
  });
  const folder = variable('MCPX_TEST_SUITE');
  for (const file of readdirSync(folder).sort())
    if (file.endsWith('.test.cjs')) mocha.addFile(path.join(folder, file));
  const counts = await new Promise<Counts>(resolve => {
    const skipped: string[] = [];
    const failed: string[] = [];
    const runner = mocha.run(() => {
      const {passes = 0, failures = 0, pending = 0} = runner.stats ?? {};
      resolve({passes, failures, pending, skipped, failed, unsteady: []});
    });
    runner.on('pending', test => skipped.push(test.fullTitle()));
    runner.on('fail', (test, error: Error) => failed.push(`${test.fullTitle()}: ${firstLine(error)}`));
  });
  writeFileSync(variable('MCPX_TEST_STATS'), JSON.stringify(counts));
  if (counts.failures > 0) throw new Error(`${counts.failures} failed`);
}

function firstLine({message}: Error): string {
  return message.split('\n', 1)[0] ?? '';
}
