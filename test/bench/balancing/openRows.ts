/** What open arrivals show, as figures with their targets and as a table over policies and loads. */
import type {Row} from '../statistics.ts';
import {meanOf, type OpenResult, type OpenResults} from './openPart.ts';
import type {OpenPolicy} from './policies.ts';
import {
  alignedTable,
  type Compared,
  combine,
  combinedRow,
  oracleReasons,
  pairedRow,
  shareCell,
} from './rows.ts';

const OURS: OpenPolicy = 'ai-optimized';
const LATE: OpenPolicy = 'round-robin, late';

/** Of round-robin's p99, late, at 85% load: on average and in any world. */
const P99_SHARE = 0.45;
const WORST_P99_SHARE = 0.65;
const ALIKE_SHARE = 1;
const ORACLE_SHARE = 1.25;
const MOST_GROWTH = 1.1;
const MOST_WASTE = 0.15;

const mean = (run: OpenResult): number => run.meanMs / 1000;
const p99 = (run: OpenResult): number => run.p99Ms / 1000;

export function openRows(results: OpenResults): Row[] {
  const runs = (of: string, policy: OpenPolicy): readonly OpenResult[] => results.get(of)?.get(policy) ?? [];
  const compared = (
    of: string,
    what: string,
    value: (run: OpenResult) => number,
    peer: OpenPolicy,
    how: Compared = 'mean',
    atMost?: number,
  ): Row => {
    const title = `${of}: ${what} sojourn, to ${peer}${how === 'worst' ? ', worst world' : ''}`;
    return pairedRow(title, 's', runs(of, OURS).map(value), runs(of, peer).map(value), how, atMost);
  };
  return [
    compared('85%', 'p99', p99, LATE, 'mean', P99_SHARE),
    compared('85%', 'p99', p99, LATE, 'worst', WORST_P99_SHARE),
    compared('85%, alike', 'mean', mean, LATE, 'mean', ALIKE_SHARE),
    compared('85%', 'p99', p99, 'oracle', 'mean', ORACLE_SHARE),
    combinedRow(
      '95%: second half / first',
      '',
      runs('95%', OURS).map(run => run.halves),
      'mean',
      {
        atMost: MOST_GROWTH,
      },
    ),
    combinedRow(
      '85%: wasted slot time',
      '',
      runs('85%', OURS).map(run => run.wasted),
      'mean',
      {
        atMost: MOST_WASTE,
      },
    ),
    compared('85%', 'mean', mean, LATE),
    compared('85%', 'mean', mean, 'least-loaded, early'),
    compared('85%', 'p99', p99, 'least-loaded, early'),
    compared('95%', 'p99', p99, LATE),
    pairedRow(
      '85%: bytes between regions, geographic-affinity to round-robin, both late',
      'GB',
      runs('85%', 'geographic-affinity, late').map(run => run.farBytes / 1e9),
      runs('85%', LATE).map(run => run.farBytes / 1e9),
      'mean',
    ),
  ];
}

/** Of the figures that were missed, what one that knows the agents reaches, by name; what it misses too is the modelled noise. */
export function openReasons(results: OpenResults, rows: readonly Row[]): string[] {
  const oracle = results.get('85%')?.get('oracle') ?? [];
  const late = results.get('85%')?.get(LATE) ?? [];
  if (oracle.length === 0 || late.length === 0) return [];
  const shares = oracle.map((run, at) => run.p99Ms / (late[at]?.p99Ms ?? Number.NaN));
  const known: readonly (readonly [start: string, value: number])[] = [
    [`85%: p99 sojourn, to ${LATE}, worst`, combine('worst', shares)],
    [`85%: p99 sojourn, to ${LATE}`, combine('mean', shares)],
    ['85%: wasted', meanOf(oracle.map(run => run.wasted))],
    ['95%: second half', meanOf((results.get('95%')?.get('oracle') ?? []).map(run => run.halves))],
  ];
  return oracleReasons(rows, known);
}

/** What crosses regions, in GB, averaged over the worlds. */
export function bytesTable(results: OpenResults): string {
  const cases = [...results.keys()];
  const policies: readonly OpenPolicy[] = [LATE, 'geographic-affinity, late', OURS];
  const gigabytes = (of: string, policy: OpenPolicy): number =>
    meanOf((results.get(of)?.get(policy) ?? []).map(run => run.farBytes / 1e9));
  return alignedTable([
    ['between regions, GB (to round-robin)', ...cases],
    ...policies.map(policy => [
      policy,
      ...cases.map(of => shareCell(gigabytes(of, policy), gigabytes(of, LATE))),
    ]),
  ]);
}

/** Mean / p99 in seconds, averaged over the worlds. */
export function openTable(results: OpenResults): string {
  const cases = [...results.keys()];
  const policies = [...new Set([...results.values()].flatMap(ofCase => [...ofCase.keys()]))];
  const cell = (of: string, policy: OpenPolicy): string => {
    const runs = results.get(of)?.get(policy) ?? [];
    return `${meanOf(runs.map(mean)).toFixed(0)}/${meanOf(runs.map(p99)).toFixed(0)}`;
  };
  return alignedTable([
    ['mean/p99 sojourn, s', ...cases],
    ...policies.map(policy => [policy, ...cases.map(of => cell(of, policy))]),
  ]);
}
