/** Figures of paired measurements: ours and a peer's on the same worlds, compared world by world. */
import {type Row, rowOf} from '../statistics.ts';

export type Compared = 'mean' | 'worst' | 'geometric';

const COMBINED: Readonly<Record<Compared, (ratios: readonly number[]) => number>> = {
  mean: ratios => ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length,
  worst: ratios => Math.max(...ratios),
  geometric: ratios => Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length),
};

/** The ratio is that of the pairs, combined; not that of the medians. */
export function pairedRow(
  name: string,
  unit: string,
  ours: readonly number[],
  peer: readonly number[],
  how: Compared,
  atMost?: number,
): Row {
  const row = rowOf(name, unit, ours, peer, atMost === undefined ? undefined : {atMost});
  const ratio = combine(
    how,
    ours.map((value, at) => value / (peer[at] ?? Number.NaN)),
  );
  return {
    ...row,
    figure: {...row.figure, ratio: Number(ratio.toPrecision(5)), ok: atMost === undefined || ratio <= atMost},
  };
}

/** A number of ours that has no peer, combined over the worlds. */
export function combinedRow(
  name: string,
  unit: string,
  values: readonly number[],
  how: Compared,
  target?: {readonly atLeast: number} | {readonly atMost: number},
): Row {
  return rowOf(name, unit, [combine(how, values)], undefined, target);
}

/**
 * Beside each missed figure, what the oracle reaches of the same: it knows every agent's true speed, but no more than the others of a task. `known`
 * has the beginnings of names, longer ones first.
 */
export function oracleReasons(
  rows: readonly Row[],
  known: readonly (readonly [start: string, value: number])[],
): string[] {
  return rows.flatMap(({figure: {name, target, ok}}) => {
    const value = known.find(([start]) => name.startsWith(start))?.[1];
    if (ok || target === null || value === undefined || Number.isNaN(value)) return [];
    const verdict =
      value > target
        ? 'misses it too, by the noise that is modelled'
        : 'meets it, so what is missing is to be learned';
    return [`missed: ${name}\n  the oracle reaches ${value.toFixed(3)} and ${verdict}`];
  });
}

export function shareCell(value: number, peer: number): string {
  return Number.isFinite(value) ? `${value.toFixed(1)} (${(value / peer).toFixed(2)})` : '-';
}

/** False where a policy of it was not asked for, or time was up. */
export function isMeasured({figure}: Row): boolean {
  return Number.isFinite(figure.ours) && Number.isFinite(figure.ratio ?? 0);
}

export function combine(how: Compared, values: readonly number[]): number {
  return COMBINED[how](values);
}

/** Columns of a plain table, aligned. */
export function alignedTable(lines: readonly (readonly string[])[]): string {
  const columns = Math.max(...lines.map(line => line.length));
  const widths = Array.from({length: columns}, (_, column) =>
    Math.max(...lines.map(line => line[column]?.length ?? 0)),
  );
  return lines
    .map(line =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
