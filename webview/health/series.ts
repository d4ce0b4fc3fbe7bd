/** Measurements over time, of which only the newest are kept. Pure. */

export class Series {
  private readonly times: number[] = [];
  private readonly values: (number | null)[][];

  constructor(
    columns: number,
    private readonly limit: number,
  ) {
    this.values = Array.from({length: columns}, () => []);
  }

  /** `at` is wall time in ms. */
  add(at: number, values: readonly (number | null)[]): void {
    this.times.push(at / 1000);
    for (const [column, of] of this.values.entries()) of.push(values[column] ?? null);
    if (this.times.length <= this.limit) return;
    this.times.shift();
    for (const of of this.values) of.shift();
  }

  get length(): number {
    return this.times.length;
  }

  /** Times in seconds, then the columns. One point alone spans no time: nothing stands before it. */
  get data(): [number[], ...(number | null)[][]] {
    const [only] = this.times;
    if (only !== undefined && this.times.length === 1)
      return [[only - 1, only], ...this.values.map(of => [null, of[0] ?? null])];
    return [[...this.times], ...this.values.map(of => [...of])];
  }

  /** Newest value of a column. */
  last(column: number): number | undefined {
    return this.values[column]?.at(-1) ?? undefined;
  }
}
