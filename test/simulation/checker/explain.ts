/** Says in words why a history is not linearizable: the shortest beginning that already fails, and the operation that fits nowhere in it. */
import {linearize, type Operation, type SequentialModel} from './linearize.ts';

export interface Explanation<I, O> {
  /** The operation whose answer is the first that no order explains. */
  readonly operation: Operation<I, O>;
  /** Operations that had been called by then. */
  readonly prefix: readonly Operation<I, O>[];
  readonly text: string;
}

export interface Words<S, I, O> {
  operation(operation: Operation<I, O>): string;
  state(state: S): string;
}

/** Operations that lead up to the failure and are worth showing. */
const SHOWN = 12;

/** `operations` are known to fail. Every prefix of a linearizable history is linearizable, so the first failing one is found by bisection. */
export function explain<S, I, O>(
  model: SequentialModel<S, I, O>,
  operations: readonly Operation<I, O>[],
  words: Words<S, I, O>,
  maxSteps?: number,
): Explanation<I, O> | undefined {
  const ends = operations.flatMap(({end}) => (Number.isFinite(end) ? end : [])).sort((a, b) => a - b);
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const {kind} = linearize(model, prefixOf(operations, ends[middle] ?? 0), maxSteps);
    if (kind === 'violation') high = middle;
    else low = middle + 1;
  }
  const cut = ends[high] ?? 0;
  const prefix = prefixOf(operations, cut);
  const verdict = linearize(model, prefix, maxSteps);
  const operation = prefix.find(({end}) => end === cut);
  if (verdict.kind !== 'violation' || !operation) return undefined;
  const overlapping = prefix.filter(other => other !== operation && other.end > operation.call);
  const lines = [
    `the answer of this operation is explained by no order of what came before it:`,
    `    ${words.operation(operation)}`,
    `at best ${verdict.longest.length} of the ${prefix.length} operations called by then fit in a row, which leaves`,
    `    ${words.state(verdict.state)}`,
    verdict.stuck === operation
      ? 'and the operation does not fit there; the last of the row:'
      : `and there ${words.operation(verdict.stuck)} does not fit; the last of the row:`,
    ...verdict.longest.slice(-SHOWN).map(other => `    ${words.operation(other)}`),
    ...(overlapping.length > 0 ? ['at the same time as the operation, or with an unknown end:'] : []),
    ...overlapping.slice(-SHOWN).map(other => `    ${words.operation(other)}`),
  ];
  return {operation, prefix, text: lines.join('\n')};
}

/** What was known at the position `cut`: an operation that had not ended has no outcome yet. */
export function prefixOf<I, O>(operations: readonly Operation<I, O>[], cut: number): Operation<I, O>[] {
  return operations
    .filter(({call}) => call <= cut)
    .map(operation =>
      operation.end <= cut ? operation : {...operation, output: undefined, end: Number.POSITIVE_INFINITY},
    );
}
