/** Medians, spreads and percentiles of measurements, and the figures that a benchmark prints. Measuring is left to others. */

/** A number with how it varied over the rounds. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  /** Null where there is nothing to compare with. */
  readonly peer: number | null;
  /** Ours over the peer's; of medians. */
  readonly ratio: number | null;
  /** Bound of `ratio`, or of `ours` where there is no peer; null: for information. */
  readonly target: number | null;
  readonly ok: boolean;
}

/** A figure with what a person wants to see of it beside its medians. */
export interface Row {
  readonly figure: Figure;
  readonly isAtLeast: boolean;
  readonly ours: Spread;
  readonly peer: Spread | undefined;
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
  return {median, least: sorted[0] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN};
}

/** `atLeast` and `atMost` bound the ratio to the peer, or our own number where there is no peer. */
export function rowOf(
  name: string,
  unit: string,
  ours: readonly number[],
  peer: readonly number[] | undefined,
  target: {readonly atLeast: number} | {readonly atMost: number} | undefined,
): Row {
  const own = spreadOf(ours);
  const other = peer && peer.length > 0 ? spreadOf(peer) : undefined;
  const ratio = other ? own.median / other.median : null;
  const compared = ratio ?? own.median;
  const isAtLeast = target !== undefined && 'atLeast' in target;
  const bound = target === undefined ? null : 'atLeast' in target ? target.atLeast : target.atMost;
  const ok = bound === null || (isAtLeast ? compared >= bound : compared <= bound);
  const figure: Figure = {
    name,
    unit,
    ours: rounded(own.median),
    peer: other ? rounded(other.median) : null,
    ratio: ratio === null ? null : rounded(ratio),
    target: bound,
    ok,
  };
  return {figure, isAtLeast, ours: own, peer: other};
}

export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({figure, isAtLeast, ours, peer}) => [
    figure.name,
    figure.unit,
    describeSpread(ours),
    peer ? describeSpread(peer) : '-',
    figure.ratio === null || Number.isNaN(figure.ratio) ? '-' : figure.ratio.toFixed(2),
    figure.target === null ? '-' : `${isAtLeast ? '>=' : '<='} ${figure.target}`,
    figure.target === null ? '' : figure.ok ? 'ok' : 'MISSED',
  ]);
  const head = ['figure', 'unit', 'ours (least..most)', 'peer (least..most)', 'ratio', 'target', ''];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...lines.map(line => line[column]?.length ?? 0)),
  );
  return [head, ...lines]
    .map(line =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function describeSpread({median, least, most}: Spread): string {
  if (Number.isNaN(median)) return 'not measured';
  const [middle, low, high] = [median, least, most].map(shown);
  return least === most ? `${middle}` : `${middle} (${low}..${high})`;
}

function shown(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
