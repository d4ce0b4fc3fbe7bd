/** Runs seeds in worker threads, several at a time, each seed whole in one of them. */
import {fileURLToPath} from 'node:url';
import {Worker} from 'node:worker_threads';
import type {Outcome} from './simulate.ts';

export class SeedPool {
  constructor(private readonly jobs: number) {}

  /** From `from` up to `to`, exclusive, while `goesOn`. Resolves to the first seed that was not begun; rejects when a worker breaks. */
  async run(
    from: number,
    to: number,
    done: (outcome: Outcome) => void,
    goesOn: () => boolean = () => true,
  ): Promise<number> {
    let next = from;
    const take = (): number | undefined => (next < to && goesOn() ? next++ : undefined);
    await Promise.all(Array.from({length: Math.min(this.jobs, to - from)}, () => work(take, done)));
    return next;
  }
}

function work(take: () => number | undefined, done: (outcome: Outcome) => void): Promise<void> {
  const first = take();
  if (first === undefined) return Promise.resolve();
  const worker = new Worker(fileURLToPath(new URL('./seedWorker.mjs', import.meta.url)));
  return new Promise<void>((resolve, reject) => {
    worker.on('message', (outcome: Outcome) => {
      done(outcome);
      const seed = take();
      if (seed === undefined) resolve();
      else worker.postMessage(seed);
    });
    worker.on('error', reject);
    worker.on('exit', code => reject(new Error(`a worker ended with ${code}`)));
    worker.postMessage(first);
  }).finally(() => worker.terminate());
}
