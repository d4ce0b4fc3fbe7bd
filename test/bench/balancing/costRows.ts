/** What deciding costs, as figures with their targets. */
import {percentile, type Row, rowOf} from '../statistics.ts';
import {growthExponent, measureBursts, measureDecisions, measureGrowth, QUEUED} from './costPart.ts';
import {meanOf} from './openPart.ts';

const FEW_AGENTS = 1000;
const MANY_AGENTS = 10_000;
const MOST_MEAN_US = 25;
const MOST_P99_US = 100;
const LEAST_RATE = 50_000;
const LEAST_RATE_OF_MANY = 10_000;
const SIZES = [12_500, 25_000, 50_000, 100_000];
/** 1 is linear; what is above it pays for logarithms and noise. */
const MOST_EXPONENT = 1.1;

/** What is not begun before `isOver`, or would not end by then, is not measured. */
export function costRows(report: (line: string) => void, isOver: (neededMs: number) => boolean): Row[] {
  const unless = (measure: () => number[]): number[] => (isOver(0) ? [] : measure());
  const us = unless(() => [...measureDecisions(FEW_AGENTS).us]);
  if (us.length > 0)
    report(`decisions: mean ${meanOf(us).toFixed(1)}, p99 ${percentile(us, 0.99).toFixed(1)} us`);
  const few = unless(() => measureBursts(FEW_AGENTS));
  const many = unless(() => measureBursts(MANY_AGENTS));
  report(`assignments/s: ${few.map(Math.round).join(' ')}; of many ${many.map(Math.round).join(' ')}`);
  const costs: number[] = [];
  let tookMs = 0;
  for (const size of SIZES) {
    if (isOver(2 * tookMs)) break;
    const from = performance.now();
    const cost = measureGrowth(FEW_AGENTS, size);
    tookMs = performance.now() - from;
    costs.push(cost);
    report(`${size} tasks on ${FEW_AGENTS} agents: ${cost.toFixed(0)} ms of CPU`);
  }
  const isWhole = costs.length === SIZES.length;
  const usEach = isWhole ? [((costs.at(-1) ?? 0) * 1000) / (SIZES.at(-1) ?? 1)] : [];
  const exponent = isWhole ? [growthExponent(SIZES, costs)] : [];
  const busy = `${FEW_AGENTS} agents, ${QUEUED} queued`;
  const most = SIZES.at(-1);
  return [
    rowOf(`a decision, mean; ${busy}`, 'us', [meanOf(us)], undefined, {atMost: MOST_MEAN_US}),
    rowOf(`a decision, p99; ${busy}`, 'us', [percentile(us, 0.99)], undefined, {atMost: MOST_P99_US}),
    rowOf(`assignments at once; ${FEW_AGENTS} agents`, '1/s', few, undefined, {atLeast: LEAST_RATE}),
    rowOf(`assignments at once; ${MANY_AGENTS} agents`, '1/s', many, undefined, {
      atLeast: LEAST_RATE_OF_MANY,
    }),
    rowOf(`${most} tasks on ${FEW_AGENTS} agents, CPU of a task`, 'us', usEach, undefined, undefined),
    rowOf(`growth of that from ${SIZES[0]} tasks, exponent`, '', exponent, undefined, {
      atMost: MOST_EXPONENT,
    }),
  ];
}
