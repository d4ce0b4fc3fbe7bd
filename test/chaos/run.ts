/**
 * `npm run chaos [-- --seeds N --from S --quick]`: many seeds in a row with the timeouts of an installation, one line each. A seed that fails
 * names the folder of its logs, and is repeated alone with `--seeds 1 --from SEED`.
 */
import {parseArgs} from 'node:util';
import {describeFault, drawFaults, QUICK_TEMPO, REAL_TEMPO} from './faults.ts';
import {type Outcome, play} from './scenario.ts';

const DEFAULT_SEEDS = 20;

async function main(): Promise<number> {
  const {values} = parseArgs({
    options: {
      seeds: {type: 'string', default: String(DEFAULT_SEEDS)},
      from: {type: 'string', default: '1'},
      /** Timeouts and faults a few times shorter. */
      quick: {type: 'boolean', default: false},
    },
  });
  const [seeds, from] = [Number(values.seeds), Number(values.from)];
  if (!Number.isInteger(seeds) || seeds < 1 || !Number.isInteger(from)) {
    console.error('usage: npm run chaos [-- --seeds N --from SEED --quick]');
    return 2;
  }
  const tempo = values.quick ? QUICK_TEMPO : REAL_TEMPO;
  const started = performance.now();
  const quiet = await play({tempo, faults: [], keep: true});
  console.log(`quiet run: ${line(quiet)}`);
  let failed = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const faults = drawFaults(seed);
    console.log(`\nseed ${seed}`);
    for (const fault of faults) console.log(`  ${describeFault(fault)}`);
    try {
      console.log(`  ok      ${line(await play({tempo, faults, quiet, keep: true}))}`);
    } catch (error) {
      failed++;
      console.log(`  FAILED  ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`\n${seeds - failed} of ${seeds} seeds passed in ${seconds} s`);
  return failed === 0 ? 0 : 1;
}

function line({state, seconds, tree}: Outcome): string {
  const attempts = [...state.attempts.values()];
  const count = (outcome: string): number => attempts.filter(attempt => attempt.outcome === outcome).length;
  const cost = state.session?.spentUsd.toFixed(3);
  return [
    `${seconds.toFixed(0).padStart(4)} s`,
    `${attempts.length} attempts`,
    ...['succeeded', 'failed', 'lost', 'stale', 'cancelled'].map(outcome => `${count(outcome)} ${outcome}`),
    `${state.refusals.length} refusals`,
    `$${cost}`,
    `tree ${tree.slice(0, 10)}`,
  ].join(', ');
}

// Exits are where fleets are ended.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
process.exitCode = await main();
