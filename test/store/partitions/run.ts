/**
 * `npm run partitions -- [--seeds N] [--from SEED] [--store embedded|etcd] [--minutes M] [--keep FOLDER]`: many seeds in a row, on both stores unless
 * one is named. A seed that fails leaves its history and the members' logs in the folder.
 */
import {parseArgs} from 'node:util';
import {findEnclosure} from '../../support/enclosure.ts';
import {missingEtcd} from '../../support/etcdServer.ts';
import {runEnclosed} from './enclosed.ts';
import type {Outcome} from './trial.ts';

const STORES = ['embedded', 'etcd'] as const;
const USAGE =
  'usage: npm run partitions -- [--seeds N] [--from SEED] [--store embedded|etcd] [--minutes M] [--keep FOLDER]';

async function main(): Promise<number> {
  const {values} = parseArgs({
    options: {
      seeds: {type: 'string', default: '10'},
      from: {type: 'string', default: '1'},
      store: {type: 'string'},
      minutes: {type: 'string', default: 'Infinity'},
      keep: {type: 'string'},
    },
  });
  const [seeds, from, minutes] = [Number(values.seeds), Number(values.from), Number(values.minutes)];
  const stores = STORES.filter(store => values.store === undefined || values.store === store);
  if (
    !Number.isInteger(seeds) ||
    seeds < 1 ||
    !Number.isInteger(from) ||
    !(minutes > 0) ||
    stores.length === 0
  ) {
    console.error(USAGE);
    return 2;
  }
  const enclosure = findEnclosure(false);
  const why = enclosure.kind === 'missing' ? enclosure.why : stores.includes('etcd') && missingEtcd();
  if (enclosure.kind === 'missing' || why) {
    console.error(String(why));
    return 2;
  }
  const totals = {runs: 0, failed: 0, undecided: 0, operations: 0};
  const until = performance.now() + minutes * 60_000;
  for (let seed = from; seed < from + seeds && performance.now() < until; seed++)
    for (const store of stores) {
      totals.runs += 1;
      try {
        const outcome = await runEnclosed(enclosure, {seed, store, keep: values.keep});
        totals.operations += outcome.operations;
        totals.undecided += Number(outcome.undecided);
        totals.failed += Number(outcome.failure !== undefined);
        console.log(line(outcome));
      } catch (error) {
        totals.failed += 1;
        console.log(
          `${store} seed ${seed}  FAILED  ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  const {runs, failed, undecided, operations} = totals;
  console.log(`${runs} runs, ${failed} failed, ${undecided} undecided, ${operations} operations`);
  return failed === 0 ? 0 : 1;
}

function line(outcome: Outcome): string {
  const {store, seed, failure, undecided, operations, unknown, refused, revisions, restarts, full} = outcome;
  const word = failure !== undefined ? 'FAILED' : undecided ? 'undecided' : 'ok';
  return [
    `${store} seed ${seed}  ${word}  ${outcome.seconds.toFixed(0)} s`,
    `${operations} operations (${unknown} unknown, ${refused} refused)`,
    `${revisions} revisions`,
    `${restarts} restarts`,
    `${full} full disks`,
    `back after ${(outcome.recoveryMs / 1000).toFixed(1)} s`,
    ...(failure === undefined ? [] : [`\n  ${outcome.plan.join('\n  ')}\n${failure}`]),
  ].join(', ');
}

process.exitCode = await main();
