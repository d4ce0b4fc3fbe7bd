/** The program within a network of its own: a quiet run, then one for each seed, a line each. Argument: the options, as JSON. It ends when its input does. */
import * as z from 'zod';
import {HostNetwork} from '../../support/hostNetwork.ts';
import {outcomeLine} from '../outcome.ts';
import {HOSTS} from './wholeFleet.ts';
import {playWhole, type WholeOutcome} from './wholeRun.ts';

const Options = z.object({
  seeds: z.number(),
  from: z.number(),
  tasks: z.number(),
  agents: z.number(),
  rate: z.number(),
  /** After these no seed begins. */
  minutes: z.number(),
});
export type InsideOptions = z.infer<typeof Options>;

// Whoever started it may be killed: nothing may stay behind.
process.stdin.once('end', () => process.exit(1)).resume();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

const options = Options.parse(JSON.parse(process.argv[2] ?? '{}'));
process.exit(await main());

async function main(): Promise<number> {
  const {seeds, from, minutes} = options;
  const started = performance.now();
  const network = await HostNetwork.create(HOSTS);
  const quiet = await playWhole(network, options);
  const lost = [...quiet.state.attempts.values()].filter(({outcome}) => outcome === 'lost').length;
  console.log(`quiet run: ${outcomeLine(quiet)}${lost > 0 ? ': NOT QUIET' : ''}`);
  let [runs, failed] = [0, 0];
  for (let seed = from; seed < from + seeds; seed++) {
    if (performance.now() - started > minutes * 60_000) break;
    runs += 1;
    console.log(`\nseed ${seed}`);
    try {
      console.log(`  ok      ${line(await playWhole(network, options, {seed, quiet}))}`);
    } catch (error) {
      failed += 1;
      console.log(`  FAILED  ${error instanceof Error ? error.message : String(error)}`);
    }
    network.mend();
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`\n${runs - failed} of ${runs} seeds passed in ${seconds} s`);
  return failed === 0 && lost === 0 ? 0 : 1;
}

function line(outcome: WholeOutcome): string {
  const kinds = [...outcome.inflicted].map(([kind, times]) => `${times} ${kind}`);
  const ends = outcome.ends.length > 0 ? `; ended by themselves: ${outcome.ends.join(', ')}` : '';
  return `${outcomeLine(outcome)}; ${kinds.join(', ')}${ends}`;
}
