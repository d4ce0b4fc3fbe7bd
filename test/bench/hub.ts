/**
 * npm run bench:hub: what the hub costs in front of an MCP server, beside mcp-proxy in front of the same server and the same client straight to it;
 * what more tools cost, what connections cost that are idle, and how requests over a WebSocket compare with the SDK alone. Real processes, in turns.
 *
 *   --rounds N     rounds (5)
 *   --single N     calls one after the other in a round (1000)
 *   --many N       calls of 64 lanes in a round (4000)
 *   --idle N       idle connections (10000)
 *   --json FILE    writes the figures
 *   --program FILE measures this build instead of dist/mcpx.mjs
 */
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {builtProgram} from './builtProgram.ts';
import {type CallFigures, type Load, measureCalls, measureTurns, type TurnFigures} from './hub/calls.ts';
import {startHub} from './hub/hubWay.ts';
import {type IdleFigures, measureIdle} from './hub/idle.ts';
import type {Era} from './hub/mcpCaller.ts';
import {reasonsOf} from './hub/reasons.ts';
import {mcpxOverSocket, rateOf, type SocketSubject, sdkOverSocket} from './hub/socketRates.ts';
import {bundledEcho, type Ground, startDirect, startProxy, type Way} from './hub/subjects.ts';
import {type Row, rowOf, tableOf} from './statistics.ts';

const DEADLINE_MS = 10 * 60_000;
const LANES = 64;
const MANY_TOOLS = 100;
const SOCKET_REQUESTS = 20_000;
const ERAS: readonly Era[] = ['legacy', 'modern'];
const WAYS = ['direct', 'proxy', 'hub'] as const;
type WayName = (typeof WAYS)[number];

/** Of what mcp-proxy adds to a call straight to the server. */
const MOST_ADDED = 0.5;
/** With a hundred tools, of what a call costs with one. */
const MOST_OF_MANY = 1.1;
const MOST_IDLE_BYTES = 20_000;
/** Of the SDK's own. */
const LEAST_RATE = 0.5;

const {values: args} = parseArgs({
  options: {
    rounds: {type: 'string', default: '5'},
    single: {type: 'string', default: '1000'},
    many: {type: 'string', default: '4000'},
    idle: {type: 'string', default: '10000'},
    json: {type: 'string'},
    program: {type: 'string'},
  },
});
const rounds = Number(args.rounds);
const load: Load = {single: Number(args.single), lanes: LANES, many: Number(args.many)};
const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

const overdue = setTimeout(() => {
  console.error('the benchmark takes too long');
  process.exit(1);
}, DEADLINE_MS).unref();
const scratch = await mkdtemp(path.join(tmpdir(), 'mcpx-bench-'));
try {
  const program = args.program === undefined ? await builtProgram(root) : path.resolve(args.program);
  const ground = {scratch, echo: await bundledEcho(scratch), program};
  const rows = [...(await callRows(ground)), ...(await socketRows(ground)), ...(await idleRows(ground))];
  console.log(`an echo of 32 characters, ${rounds} rounds in turns, the same client for all\n`);
  console.log(tableOf(rows));
  const reasons = reasonsOf(rows);
  if (reasons !== '') console.log(`\n${reasons}`);
  if (args.json !== undefined)
    await writeFile(args.json, `${JSON.stringify({figures: rows.map(row => row.figure)}, null, 2)}\n`);
  process.exitCode = rows.every(row => row.figure.ok) ? 0 : 1;
} finally {
  clearTimeout(overdue);
  await rm(scratch, {recursive: true, force: true});
}

/** In turns, so that all see the machine in the same state. A first round of each is not counted. */
async function callRows(ground: Ground & {program: string}): Promise<Row[]> {
  const ways = new Map<WayName, Way>();
  const measured = new Map<string, CallFigures[]>();
  const turns = {legacy: noTurns(), modern: noTurns()};
  let hubOfMany: Way | undefined;
  try {
    ways.set('direct', await startDirect(ground, 1));
    ways.set('proxy', await startProxy(ground, 1));
    const hub = await startHub(ground, 1);
    ways.set('hub', hub);
    hubOfMany = await startHub(ground, MANY_TOOLS);
    for (let round = 0; round <= rounds; round++)
      for (const era of ERAS) {
        for (const [name, way] of ways) {
          const figures = await measureCalls(way, era, load);
          console.error(
            `${round === 0 ? 'warm-up' : `round ${round}`}: ${era}, ${name}: ${summary(figures)}`,
          );
          if (round === 0) continue;
          measured.set(`${era} ${name}`, [...(measured.get(`${era} ${name}`) ?? []), figures]);
        }
        const [one, many] = await measureTurns([hub, hubOfMany], era, load);
        if (round === 0 || !one || !many) continue;
        turns[era].one.push(one);
        turns[era].many.push(many);
      }
  } finally {
    for (const way of [...ways.values(), hubOfMany]) await way?.stop();
  }
  return ERAS.flatMap(era => rowsOfEra(era, name => measured.get(`${era} ${name}`) ?? [], turns[era]));
}

interface Turns {
  readonly one: TurnFigures[];
  readonly many: TurnFigures[];
}

function noTurns(): Turns {
  return {one: [], many: []};
}

function rowsOfEra(era: Era, of: (name: WayName) => readonly CallFigures[], turns: Turns): Row[] {
  const all = (name: WayName, value: (figures: CallFigures) => number): number[] => of(name).map(value);
  /** Round by round, since the machine changes from one to the next. */
  const added = (name: WayName, value: (figures: CallFigures) => number): number[] => {
    const direct = all('direct', value);
    return all(name, value).map((figure, round) => figure - (direct[round] ?? Number.NaN));
  };
  const p50 = ({p50Ms}: TurnFigures): number => p50Ms;
  const cpu = ({cpuUs}: TurnFigures): number => cpuUs;
  const rate = ({callsPerSecond}: CallFigures): number => callsPerSecond;
  const named = (what: string): string => `${era}: ${what}`;
  return [
    rowOf(named('p50, the hub and direct'), 'ms', all('hub', p50), all('direct', p50), undefined),
    rowOf(named('p50, mcp-proxy and direct'), 'ms', all('proxy', p50), all('direct', p50), undefined),
    rowOf(named('added p50, the hub and mcp-proxy'), 'ms', added('hub', p50), added('proxy', p50), {
      atMost: MOST_ADDED,
    }),
    rowOf(named('CPU a call, the hub and direct'), 'us', all('hub', cpu), all('direct', cpu), undefined),
    rowOf(named('CPU a call, mcp-proxy and direct'), 'us', all('proxy', cpu), all('direct', cpu), undefined),
    rowOf(named('added CPU, the hub and mcp-proxy'), 'us', added('hub', cpu), added('proxy', cpu), {
      atMost: MOST_ADDED,
    }),
    rowOf(
      named(`calls with ${LANES} lanes, the hub and mcp-proxy`),
      'calls/s',
      all('hub', rate),
      all('proxy', rate),
      undefined,
    ),
    rowOf(named(`p50, ${MANY_TOOLS} tools and one`), 'ms', turns.many.map(p50), turns.one.map(p50), {
      atMost: MOST_OF_MANY,
    }),
    rowOf(named(`CPU a call, ${MANY_TOOLS} tools and one`), 'us', turns.many.map(cpu), turns.one.map(cpu), {
      atMost: MOST_OF_MANY,
    }),
  ];
}

async function socketRows(ground: Ground & {program: string}): Promise<Row[]> {
  const rates: Record<'ours' | 'peer', number[]> = {ours: [], peer: []};
  const subjects: [keyof typeof rates, SocketSubject][] = [];
  try {
    subjects.push(['ours', await mcpxOverSocket(ground)], ['peer', await sdkOverSocket(ground)]);
    for (let round = 0; round <= rounds; round++)
      for (const [side, subject] of subjects) {
        const rate = await rateOf(subject, LANES, SOCKET_REQUESTS);
        console.error(
          `${round === 0 ? 'warm-up' : `round ${round}`}: WebSocket, ${side}: ${Math.round(rate)} requests/s`,
        );
        if (round > 0) rates[side].push(rate);
      }
  } finally {
    for (const [, subject] of subjects) await subject.stop();
  }
  return [
    rowOf('MCPX over a WebSocket and the SDK alone', 'requests/s', rates.ours, rates.peer, {
      atLeast: LEAST_RATE,
    }),
  ];
}

async function idleRows(ground: Ground & {program: string}): Promise<Row[]> {
  const count = Number(args.idle);
  const rowsOf = (state: string, {resident, heap}: IdleFigures): Row[] => [
    rowOf(`idle connection ${state}, memory`, 'bytes', [resident], undefined, {atMost: MOST_IDLE_BYTES}),
    rowOf(`idle connection ${state}, heap`, 'bytes', [heap], undefined, undefined),
  ];
  const plain = await measureIdle(ground, count, 'plain');
  const agreed = await measureIdle(ground, Math.ceil(count / 10), 'agreed');
  return [
    ...rowsOf(`(${count})`, plain),
    rowOf('idle connection of an MCP client, memory', 'bytes', [agreed.resident], undefined, undefined),
  ];
}

function summary({p50Ms, callsPerSecond, cpuUs}: CallFigures): string {
  return `p50 ${p50Ms.toFixed(2)} ms, ${Math.round(callsPerSecond)} calls/s, ${Math.round(cpuUs)} us CPU`;
}
