/** What graphs show, as figures with their targets and as a table over policies. */
import type {Row} from '../statistics.ts';
import type {GraphMode, GraphPolicy, GraphResult, GraphResults} from './graphPart.ts';
import {alignedTable, combine, combinedRow, oracleReasons, pairedRow, shareCell} from './rows.ts';

const FIFO: GraphPolicy = 'FIFO + round-robin, late';
const WARM: GraphPolicy = 'ai-optimized, warm';
const COLD: GraphPolicy = 'ai-optimized, cold';

/** Makespan over the bound; the aim beyond the target is 1.45. */
const MOST_STRETCH = 1.6;
/** Of FIFO with round-robin. */
const WARM_SHARE = 0.5;
const COLD_SHARE = 0.6;
const MOST_WASTE = 0.2;

const stretch = (result: GraphResult): number => result.stretch;

export function graphRows(results: GraphResults): Row[] {
  const of = (mode: GraphMode, policy: GraphPolicy): readonly GraphResult[] =>
    results.get(mode)?.get(policy) ?? [];
  const compared = (mode: GraphMode, policy: GraphPolicy, peer: GraphPolicy, atMost?: number): Row =>
    pairedRow(
      `graphs, ${mode}: makespan of ${policy}, to ${peer}`,
      'bounds',
      of(mode, policy).map(stretch),
      of(mode, peer).map(stretch),
      'geometric',
      atMost,
    );
  const bounded = (mode: GraphMode, policy: GraphPolicy, atMost?: number): Row =>
    combinedRow(
      `graphs, ${mode}: makespan of ${policy}`,
      'bounds',
      of(mode, policy).map(stretch),
      'geometric',
      atMost === undefined ? undefined : {atMost},
    );
  return [
    bounded('exact', WARM, MOST_STRETCH),
    compared('noisy', WARM, FIFO, WARM_SHARE),
    compared('noisy', COLD, FIFO, COLD_SHARE),
    combinedRow(
      'graphs, noisy: wasted slot time',
      '',
      of('noisy', WARM).map(one => one.wasted),
      'mean',
      {
        atMost: MOST_WASTE,
      },
    ),
    compared('exact', WARM, 'HEFT with true costs, static'),
    compared('noisy', WARM, 'HEFT with true costs, static'),
    compared('noisy', WARM, 'oracle'),
    pairedRow(
      'graphs: bytes between regions, geographic-affinity to round-robin, both late',
      'GB',
      of('noisy', 'geographic-affinity, late').map(one => one.farBytes / 1e9),
      of('noisy', FIFO).map(one => one.farBytes / 1e9),
      'mean',
    ),
  ];
}

/** Of the figures that were missed, what one that knows the agents reaches; what it misses too is the modelled noise. */
export function graphReasons(results: GraphResults, rows: readonly Row[]): string[] {
  const of = (mode: GraphMode, policy: GraphPolicy): readonly GraphResult[] =>
    results.get(mode)?.get(policy) ?? [];
  const oracle = of('noisy', 'oracle');
  if (oracle.length === 0 || of('noisy', FIFO).length !== oracle.length) return [];
  const shares = oracle.map((run, at) => run.stretch / (of('noisy', FIFO)[at]?.stretch ?? Number.NaN));
  const share = combine('geometric', shares);
  return oracleReasons(rows, [
    [`graphs, exact: makespan of ${WARM}`, combine('geometric', of('exact', 'oracle').map(stretch))],
    [`graphs, noisy: makespan of ${WARM}, to ${FIFO}`, share],
    [`graphs, noisy: makespan of ${COLD}, to ${FIFO}`, share],
    [
      'graphs, noisy: wasted',
      combine(
        'mean',
        oracle.map(run => run.wasted),
      ),
    ],
  ]);
}

/** What crosses regions, in GB, all graphs together. */
export function graphBytesTable(results: GraphResults): string {
  const modes = [...results.keys()];
  const gigabytes = (mode: GraphMode, policy: GraphPolicy): number =>
    (results.get(mode)?.get(policy) ?? []).reduce((sum, run) => sum + run.farBytes / 1e9, 0);
  const policies: readonly GraphPolicy[] = [FIFO, 'geographic-affinity, late', WARM];
  return alignedTable([
    ['between regions, GB (to round-robin)', ...modes],
    ...policies.map(policy => [
      policy,
      ...modes.map(mode => shareCell(gigabytes(mode, policy), gigabytes(mode, FIFO))),
    ]),
  ]);
}

/** Makespan over the bound: geometric mean and worst. */
export function graphTable(results: GraphResults): string {
  const modes = [...results.keys()];
  const policies = [...(results.get('noisy')?.keys() ?? [])];
  const cell = (mode: GraphMode, policy: GraphPolicy): string => {
    const stretches = (results.get(mode)?.get(policy) ?? []).map(stretch);
    return `${combine('geometric', stretches).toFixed(2)} (${combine('worst', stretches).toFixed(1)})`;
  };
  return alignedTable([
    ['makespan / bound', ...modes],
    ...policies.map(policy => [policy, ...modes.map(mode => cell(mode, policy))]),
  ]);
}
