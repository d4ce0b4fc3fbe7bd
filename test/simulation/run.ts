/**
 * `npm run simulate -- [--seeds N] [--minutes M] [--from SEED] [--jobs J] [--history FOLDER] [--state FILE]`: many seeds, several at a time. Without `--from`
 * it goes on behind the last run, whose next seed is in the state file. A failure prints its seed and the last events, and with `--history`
 * leaves what clients saw as JSON lines.
 */
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {formatHistory} from './checker/history.ts';
import {SeedPool} from './seedPool.ts';
import {describeFailure, type Outcome} from './simulate.ts';

const STATE_FILE = fileURLToPath(new URL('../../node_modules/.cache/mcpx-simulate.json', import.meta.url));
const USAGE =
  'usage: npm run simulate -- [--seeds N] [--minutes M] [--from SEED] [--jobs J] [--history FOLDER] [--state FILE]';
/** Outcomes between two lines of progress. */
const REPORT_EVERY = 50;

interface Totals {
  seeds: number;
  failed: number;
  undecided: number;
  steps: number;
  operations: number;
  committed: number;
  elections: number;
  installs: number;
  changes: number;
  simulatedMs: number;
}

async function main(): Promise<number> {
  const values = readOptions();
  if (!values) {
    console.error(USAGE);
    return 2;
  }
  const minutes = values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes);
  const seeds = Number(values.seeds ?? (values.minutes === undefined ? 100 : Number.MAX_SAFE_INTEGER));
  const from = values.from === undefined ? nextSeed(values.state) : Number(values.from);
  const jobs = Number(values.jobs);
  if (![seeds, from, jobs].every(Number.isInteger) || seeds < 1 || jobs < 1 || !(minutes > 0)) {
    console.error(USAGE);
    return 2;
  }
  const totals: Totals = {
    seeds: 0,
    failed: 0,
    undecided: 0,
    steps: 0,
    operations: 0,
    committed: 0,
    elections: 0,
    installs: 0,
    changes: 0,
    simulatedMs: 0,
  };
  const until = performance.now() + minutes * 60_000;
  const pool = new SeedPool(jobs);
  const next = await pool.run(
    from,
    from + seeds,
    outcome => {
      add(totals, outcome);
      if (outcome.failure !== undefined) report(outcome, values.history);
      if (totals.seeds % REPORT_EVERY === 0) console.log(line(totals));
    },
    () => performance.now() < until,
  );
  // A seed given by hand is a look at that seed, and does not move the run.
  if (values.from === undefined) saveNextSeed(values.state, next);
  console.log(`${line(totals)}; next seed ${next}`);
  return totals.failed === 0 ? 0 : 1;
}

/** Undefined when they are none that this program has. */
function readOptions() {
  try {
    return parseArgs({
      options: {
        seeds: {type: 'string'},
        minutes: {type: 'string'},
        from: {type: 'string'},
        jobs: {type: 'string', default: String(availableParallelism())},
        history: {type: 'string'},
        state: {type: 'string', default: STATE_FILE},
      },
    }).values;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return undefined;
  }
}

function add(totals: Totals, outcome: Outcome): void {
  totals.seeds += 1;
  if (outcome.failure !== undefined) totals.failed += 1;
  if (outcome.undecided) totals.undecided += 1;
  for (const key of [
    'steps',
    'operations',
    'committed',
    'elections',
    'installs',
    'changes',
    'simulatedMs',
  ] as const)
    totals[key] += outcome[key];
}

function report(outcome: Outcome, folder: string | undefined): void {
  console.log(describeFailure(outcome));
  if (folder === undefined) return;
  mkdirSync(folder, {recursive: true});
  const file = path.join(folder, `seed-${outcome.seed}.jsonl`);
  writeFileSync(file, formatHistory(outcome.history));
  console.log(`the history is in ${file}`);
}

function line(totals: Totals): string {
  const hours = totals.simulatedMs / 3_600_000;
  return [
    `${totals.seeds} seeds`,
    `${totals.failed} failed`,
    `${totals.undecided} undecided`,
    `${totals.steps} steps`,
    `${totals.operations} operations`,
    `${totals.committed} entries`,
    `${totals.elections} elections`,
    `${totals.installs} snapshots installed`,
    `${totals.changes} changes of members`,
    `${hours.toFixed(2)} simulated hours`,
  ].join(', ');
}

function nextSeed(file: string): number {
  try {
    return Number(JSON.parse(readFileSync(file, 'utf8')).next);
  } catch {
    return 1;
  }
}

function saveNextSeed(file: string, next: number): void {
  mkdirSync(path.dirname(file), {recursive: true});
  writeFileSync(file, `${JSON.stringify({next})}\n`);
}

process.exitCode = await main();
