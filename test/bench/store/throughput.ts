/** What a store does under load, in turns with etcd, so that both see the machine in the same state. */
import {type Row, rowOf} from '../statistics.ts';
import type {Load, LoadResult} from './load.ts';
import type {LoadSubject} from './subject.ts';

type Figure = 'perSecond' | 'p50Ms' | 'p99Ms';

interface Bound {
  readonly peer: string;
  readonly figure: Figure;
  /** Of our figure to the peer's. Absent: for information. */
  readonly target?: {readonly atLeast: number} | {readonly atMost: number};
}

/** One load, carried out by several subjects, ours first. */
export interface Cell {
  readonly title: string;
  readonly load: Omit<Load, 'ms'>;
  readonly ours: LoadSubject;
  readonly peers: readonly LoadSubject[];
  readonly bounds: readonly Bound[];
}

/** Times as long as a round that counts. */
const WARM_UP = 3;

export async function measureCells(cells: readonly Cell[], rounds: number, ms: number): Promise<Row[]> {
  const results = new Map(cells.map(cell => [cell, new Map<LoadSubject, LoadResult[]>()]));
  // A first round of each is not counted, and longer: both sides have code that is compiled while it runs.
  for (let round = 0; round <= rounds; round++)
    for (const cell of cells)
      for (const subject of [cell.ours, ...cell.peers]) {
        const result = await subject.run({...cell.load, ms: round === 0 ? ms * WARM_UP : ms});
        const {perSecond, p99Ms} = result;
        const when = round === 0 ? 'warm-up' : `round ${round}`;
        console.error(
          `${when}: ${cell.title}, ${subject.name}: ${perSecond.toFixed(0)}/s, p99 ${p99Ms.toFixed(2)} ms`,
        );
        if (round === 0) continue;
        const of = results.get(cell);
        of?.set(subject, [...(of.get(subject) ?? []), result]);
      }
  return cells.flatMap(cell => rowsOf(cell, results.get(cell) ?? new Map()));
}

const TITLES: Readonly<Record<Figure, readonly [title: string, unit: string]>> = {
  perSecond: ['throughput', 'ops/s'],
  p50Ms: ['median', 'ms'],
  p99Ms: ['p99', 'ms'],
};

function rowsOf(cell: Cell, results: ReadonlyMap<LoadSubject, readonly LoadResult[]>): Row[] {
  const valuesOf = (subject: LoadSubject, figure: Figure): number[] =>
    (results.get(subject) ?? []).map(result => result[figure]);
  return cell.bounds.map(({peer: name, figure, target}) => {
    const peer = cell.peers.find(subject => subject.name === name);
    if (!peer) throw new Error(`there is no ${name}`);
    const [title, unit] = TITLES[figure];
    const against = `${cell.title}: ${title}; peer: ${name}`;
    return rowOf(against, unit, valuesOf(cell.ours, figure), valuesOf(peer, figure), target);
  });
}
