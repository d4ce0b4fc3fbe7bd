/** What the benchmark asks of each of the two systems that it compares. */

/** `inFlight`: a closed loop of as many lanes as the worker has slots. `backlog`: everything is ready at once. */
export const SHAPES = ['inFlight', 'backlog'] as const;
export type Shape = (typeof SHAPES)[number];

export interface Measurement {
  /** From the first submission to the last completion. */
  readonly elapsedMs: number;
  /** From the first task that could start to the last completion. */
  readonly drainMs: number;
  /** Of each task, from when it could start to when a worker started it. */
  readonly waitsMs: readonly number[];
  /** CPU of each process for the whole round. */
  readonly cpuMs: Readonly<Record<string, number>>;
}

export interface Subject {
  readonly name: string;
  run(shape: Shape, tasks: number, lanes: number): Promise<Measurement>;
  stop(): Promise<void>;
}
