/**
 * npm run bench:balancing [-- FOLDER]: where tasks go, and what it costs to decide. The real scheduler, queue and balancers in counted time
 * against modelled agents; every policy sees the same worlds. FOLDER has workflows as {name, types, tasks} (WfCommons' instances, reduced);
 * without it, graphs are drawn in the shapes of known families.
 *
 *   --seeds N,M   worlds (1,2,3)
 *   --tasks N     arrivals in a world (8000)
 *   --part NAME   only this: open, graphs, cost
 *   --cases N;M   only these loads of open arrivals: "70%;85%;95%;85%, alike"
 *   --policies N;M  only these policies, by the names in the table
 *   --json FILE   writes the figures
 *
 * It ends within ten minutes: on a machine too slow for that, figures are left that are printed as not measured, and count as missed.
 */
import {writeFile} from 'node:fs/promises';
import {parseArgs} from 'node:util';
import {costRows} from './balancing/costRows.ts';
import {drawWorkflows} from './balancing/families.ts';
import {GRAPH_POLICIES, measureGraphs} from './balancing/graphPart.ts';
import {graphBytesTable, graphReasons, graphRows, graphTable} from './balancing/graphRows.ts';
import {measureOpen, OPEN_CASES} from './balancing/openPart.ts';
import {bytesTable, openReasons, openRows, openTable} from './balancing/openRows.ts';
import {OPEN_POLICY_NAMES} from './balancing/policies.ts';
import {isMeasured} from './balancing/rows.ts';
import {readWorkflows} from './balancing/workflows.ts';
import {type Row, tableOf} from './statistics.ts';

/** After this nothing more is begun: what is under way then ends within ten minutes. */
const BUSY_MS = 9 * 60_000;
const PARTS = ['open', 'graphs', 'cost'] as const;

const {values: args, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    seeds: {type: 'string', default: '1,2,3'},
    tasks: {type: 'string', default: '8000'},
    part: {type: 'string'},
    cases: {type: 'string'},
    policies: {type: 'string'},
    json: {type: 'string'},
  },
});
const seeds = args.seeds.split(',').map(Number);
const wanted = PARTS.filter(part => args.part === undefined || args.part === part);
if (wanted.length === 0 || !seeds.every(Number.isInteger))
  throw new Error(`--part is one of ${PARTS.join(', ')}; --seeds are integers with commas between them`);

const isWanted = (chosen: string | undefined) => (name: string) =>
  chosen === undefined || chosen.split(';').includes(name);
const startedAt = performance.now();
const isOver = (neededMs = 0): boolean => performance.now() - startedAt + neededMs > BUSY_MS;
/** What was not asked for is left out; what there was no time for is not. */
const isWhole = args.cases === undefined && args.policies === undefined;
const shown = (all: readonly Row[]): Row[] => all.filter(row => isWhole || isMeasured(row));
const reasons: string[] = [];
const report = (line: string): void => console.error(line);
const rows: Row[] = [];
const tables: string[] = [`worlds ${seeds.join(', ')}`];
if (wanted.includes('open')) {
  const results = measureOpen({
    seeds,
    tasks: Number(args.tasks),
    cases: OPEN_CASES.filter(({name}) => isWanted(args.cases)(name)),
    policies: OPEN_POLICY_NAMES.filter(isWanted(args.policies)),
    report,
    isOver,
  });
  const measured = shown(openRows(results));
  rows.push(...measured);
  tables.push(openTable(results), bytesTable(results));
  reasons.push(...openReasons(results, measured));
}
if (wanted.includes('graphs')) {
  const [folder] = positionals;
  const workflows = folder === undefined ? seeds.flatMap(drawWorkflows) : readWorkflows(folder);
  const worlds = folder === undefined ? seeds.slice(0, 1) : seeds;
  const results = measureGraphs({
    workflows,
    seeds: worlds,
    policies: GRAPH_POLICIES.filter(isWanted(args.policies)),
    report,
    isOver,
  });
  const measured = shown(graphRows(results));
  rows.push(...measured);
  tables.push(graphTable(results), graphBytesTable(results));
  reasons.push(...graphReasons(results, measured));
}
if (wanted.includes('cost')) rows.push(...costRows(report, isOver));
console.log([...tables, tableOf(rows), ...reasons].join('\n\n'));
if (args.json !== undefined)
  await writeFile(args.json, `${JSON.stringify({figures: rows.map(row => row.figure)}, null, 2)}\n`);
process.exitCode = rows.every(row => row.figure.ok) ? 0 : 1;
