/** Many seeds of the small kind in a row, one line each. A seed that fails names the folder of its logs, and is repeated alone with `--seeds 1 --from SEED`. */
import {describeFault, drawFaults, QUICK_TEMPO, REAL_TEMPO} from './faults.ts';
import {outcomeLine} from './outcome.ts';
import {play} from './scenario.ts';

export async function runSmall({
  seeds,
  from,
  quick,
}: {
  readonly seeds: number;
  readonly from: number;
  readonly quick: boolean;
}): Promise<number> {
  // Exits are where fleets are ended.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  const tempo = quick ? QUICK_TEMPO : REAL_TEMPO;
  const started = performance.now();
  const quiet = await play({tempo, faults: [], keep: true});
  console.log(`quiet run: ${outcomeLine(quiet)}`);
  let failed = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const faults = drawFaults(seed);
    console.log(`\nseed ${seed}`);
    for (const fault of faults) console.log(`  ${describeFault(fault)}`);
    try {
      console.log(`  ok      ${outcomeLine(await play({tempo, faults, quiet, keep: true}))}`);
    } catch (error) {
      failed++;
      console.log(`  FAILED  ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`\n${seeds - failed} of ${seeds} seeds passed in ${seconds} s`);
  return failed === 0 ? 0 : 1;
}
