/**
 * `npm run chaos`: many agents on several hosts, three coordinators and a large plan, under the faults of a seed. With `--small`: one coordinator
 * and a plan of thirty tasks, whose faults fall at chosen moments.
 */
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {startEnclosed} from '../support/enclosedProgram.ts';
import {findEnclosure} from '../support/enclosure.ts';
import {removeAbandoned} from '../support/ownedFolders.ts';
import {runSmall} from './smallRun.ts';
import type {InsideOptions} from './whole/inside.ts';
import {PREFIX} from './whole/wholeFleet.ts';

const USAGE = `usage: npm run chaos [-- --seeds N --from SEED --tasks N --agents N --rate N --minutes M]
       npm run chaos -- --small [--seeds N --from SEED --quick]`;
const INSIDE = fileURLToPath(new URL('whole/inside.ts', import.meta.url));
const SMALL_SEEDS = 20;

async function main(): Promise<number> {
  const {values} = parseArgs({
    options: {
      small: {type: 'boolean', default: false},
      whole: {type: 'boolean', default: false},
      seeds: {type: 'string'},
      from: {type: 'string', default: '1'},
      tasks: {type: 'string', default: '200'},
      agents: {type: 'string', default: '12'},
      /** Faults in a minute. */
      rate: {type: 'string', default: '6'},
      /** After these no further seed begins. */
      minutes: {type: 'string', default: '600'},
      /** Timeouts and faults of the small kind a few times shorter. */
      quick: {type: 'boolean', default: false},
    },
  });
  const [seeds, from] = [Number(values.seeds ?? (values.small ? SMALL_SEEDS : 1)), Number(values.from)];
  const [tasks, agents] = [Number(values.tasks), Number(values.agents)];
  const [rate, minutes] = [Number(values.rate), Number(values.minutes)];
  const counts = [seeds, tasks, agents];
  if (
    !counts.every(count => Number.isInteger(count) && count > 0) ||
    !Number.isInteger(from) ||
    !(rate > 0 && minutes > 0) ||
    (values.small && values.whole)
  ) {
    console.error(USAGE);
    return 2;
  }
  if (values.small) return runSmall({seeds, from, quick: values.quick});
  return runWhole({seeds, from, tasks, agents, rate, minutes});
}

async function runWhole(options: InsideOptions): Promise<number> {
  const enclosure = findEnclosure(false);
  if (enclosure.kind === 'missing') {
    console.error(enclosure.why);
    return 2;
  }
  // What was killed could not remove it.
  await removeAbandoned(PREFIX);
  const child = startEnclosed(enclosure, INSIDE, options);
  child.stdout.pipe(process.stdout);
  child.stderr.pipe(process.stderr);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.stdin.end());
  const [code] = await once(child, 'close');
  await removeAbandoned(PREFIX);
  return typeof code === 'number' ? code : 1;
}

process.exitCode = await main();
