/**
 * npm run bench:dispatch: how fast tasks that do nothing go through hub, store and one agent, against the same jobs in BullMQ on a Redis that
 * syncs every write. Both on this machine, in turns, with real processes and durable defaults.
 *
 *   --rounds N     rounds of each shape and system (5)
 *   --tasks N      tasks a round (5000)
 *   --json FILE    writes the figures
 *   --program FILE measures this build instead of dist/mcpx.mjs
 *   --no-memory    leaves the memory of many sessions out
 */
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {builtProgram} from './builtProgram.ts';
import {BullSubject} from './bullSubject.ts';
import {McpxSubject} from './mcpxSubject.ts';
import {type Growth, KEEP_SESSIONS, measureGrowth} from './memoryGrowth.ts';
import {installPeers} from './peers.ts';
import {percentile, type Row, rowOf, spreadOf, tableOf} from './statistics.ts';
import {type Measurement, SHAPES, type Shape, type Subject} from './subject.ts';

const LANES = 64;
const MEMORY_SESSIONS = 16;
const DEADLINE_MS = 10 * 60_000;
/** Bytes that a finished task may leave in the coordinator's memory for good. */
const MAX_BYTES_PER_TASK = 250;

/** Of the peer's. */
const LEAST_THROUGHPUT: Readonly<Record<Shape, number>> = {inFlight: 1, backlog: 0.5};

const TITLES: Readonly<Record<Shape, string>> = {inFlight: `${LANES} in flight`, backlog: 'backlog'};

type Results = ReadonlyMap<Shape, {readonly ours: Measurement[]; readonly peer: Measurement[]}>;

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const {values: args} = parseArgs({
  options: {
    rounds: {type: 'string', default: '5'},
    tasks: {type: 'string', default: '5000'},
    json: {type: 'string'},
    program: {type: 'string'},
    'no-memory': {type: 'boolean', default: false},
  },
});
const [rounds, tasks] = [Number(args.rounds), Number(args.tasks)];

const overdue = setTimeout(() => {
  console.error('the benchmark takes too long');
  process.exit(1);
}, DEADLINE_MS).unref();
const scratch = await mkdtemp(path.join(tmpdir(), 'mcpx-bench-'));
try {
  const packages = await installPeers(root);
  const program = args.program === undefined ? await builtProgram(root) : path.resolve(args.program);
  const results = await compare(program, packages);
  const growth = args['no-memory']
    ? undefined
    : await measureGrowth({program, scratch, slots: LANES}, MEMORY_SESSIONS, tasks, LANES);
  const rows = [...rowsOf(results), ...(growth ? growthRows(growth) : [])];
  console.log(`${tasks} tasks that do nothing, ${rounds} rounds in turns, one worker with ${LANES} slots\n`);
  console.log(tableOf(rows));
  describe(results, growth);
  if (args.json !== undefined)
    await writeFile(args.json, `${JSON.stringify({figures: rows.map(row => row.figure)}, null, 2)}\n`);
  process.exitCode = rows.every(row => row.figure.ok) ? 0 : 1;
} finally {
  clearTimeout(overdue);
  await rm(scratch, {recursive: true, force: true});
}

/** In turns, so that both see the machine in the same state. A first round of each is not counted. */
async function compare(program: string, packages: string): Promise<Results> {
  const results = new Map(
    SHAPES.map(shape => [shape, {ours: [], peer: []} as {ours: Measurement[]; peer: Measurement[]}]),
  );
  const ours = await McpxSubject.start({program, scratch, slots: LANES});
  try {
    const peer = await BullSubject.start(packages, scratch, LANES);
    try {
      for (let round = 0; round <= rounds; round++)
        for (const shape of SHAPES)
          for (const [side, subject] of [
            ['ours', ours],
            ['peer', peer],
          ] as const) {
            const measured = await measure(subject, shape, round);
            if (round > 0) results.get(shape)?.[side].push(measured);
          }
    } finally {
      await peer.stop();
    }
  } finally {
    await ours.stop();
  }
  return results;
}

async function measure(subject: Subject, shape: Shape, round: number): Promise<Measurement> {
  const measured = await subject.run(shape, tasks, LANES);
  const rate = Math.round((tasks / measured.elapsedMs) * 1000);
  const p99 = percentile(measured.waitsMs, 0.99);
  const title = round === 0 ? 'warm-up' : `round ${round}`;
  console.error(`${title}: ${TITLES[shape]}, ${subject.name}: ${rate} tasks/s, p99 ${p99} ms`);
  return measured;
}

function rowsOf(results: Results): Row[] {
  const rows: Row[] = [];
  for (const [shape, {ours, peer}] of results) {
    const compared = (
      name: string,
      unit: string,
      value: (measurement: Measurement) => number,
      target?: {atLeast: number} | {atMost: number},
    ): void =>
      void rows.push(rowOf(`${TITLES[shape]}: ${name}`, unit, ours.map(value), peer.map(value), target));
    const atLeast = LEAST_THROUGHPUT[shape];
    compared('throughput', 'tasks/s', ({elapsedMs}) => (tasks / elapsedMs) * 1000, {atLeast});
    compared('throughput once ready', 'tasks/s', ({drainMs}) => (tasks / drainMs) * 1000);
    // In a backlog, how long a task waits is only another way to say how many are in front of it.
    const promptly = shape === 'inFlight' ? {atMost: 1} : undefined;
    compared('ready -> started, p99', 'ms', ({waitsMs}) => percentile(waitsMs, 0.99), promptly);
    compared('ready -> started, median', 'ms', ({waitsMs}) => percentile(waitsMs, 0.5));
    for (const part of ['coordinator', 'agent'])
      rows.push(
        rowOf(
          `${TITLES[shape]}: CPU of the ${part}`,
          'ms/task',
          ours.map(({cpuMs}) => (cpuMs[part] ?? Number.NaN) / tasks),
          undefined,
          undefined,
        ),
      );
  }
  return rows;
}

function growthRows(growth: Growth): Row[] {
  return [
    rowOf('memory left by a finished task, heap', 'bytes', [growth.heapBytesPerTask], undefined, {
      atMost: MAX_BYTES_PER_TASK,
    }),
    rowOf('memory left by a finished task, RSS', 'bytes', [growth.rssBytesPerTask], undefined, undefined),
  ];
}

function describe(results: Results, growth: Growth | undefined): void {
  console.log('\nCPU of the peer, ms a task:');
  for (const [shape, {peer}] of results) {
    const parts = Object.keys(peer[0]?.cpuMs ?? {}).map(name => {
      const {median} = spreadOf(peer.map(({cpuMs}) => (cpuMs[name] ?? Number.NaN) / tasks));
      return `${name} ${median.toFixed(3)}`;
    });
    console.log(`  ${TITLES[shape]}: ${parts.join(', ')}`);
  }
  if (!growth) return;
  const list = (values: readonly number[]): string => values.map(value => value.toFixed(1)).join(' ');
  console.log(
    `\nMiB after each of ${MEMORY_SESSIONS} sessions of ${tasks} tasks (${KEEP_SESSIONS} are kept):`,
  );
  console.log(`  coordinator heap  ${list(growth.heapMiB)}`);
  console.log(`  coordinator RSS   ${list(growth.rssMiB)}`);
  console.log(`  agent heap        ${list(growth.agentHeapMiB)}`);
}
