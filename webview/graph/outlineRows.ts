/** The outline of a graph as a flat list of what is open: stages, and their tasks. Pure. */
import type {Graph} from './graphModel.ts';

export type OutlineRow =
  | {readonly kind: 'stage'; readonly stage: number; readonly position: number; readonly siblings: number}
  | {
      readonly kind: 'task';
      readonly index: number;
      readonly stage: number;
      readonly position: number;
      readonly siblings: number;
    };

/** `matches`: only these tasks, and the stages that have any. */
export function outlineRows(
  graph: Graph,
  closed: ReadonlySet<number>,
  matches: ReadonlySet<number> | undefined,
): OutlineRow[] {
  const stages = graph.stages
    .map((nodes, stage) => ({stage, nodes: matches ? nodes.filter(index => matches.has(index)) : nodes}))
    .filter(({nodes}) => nodes.length > 0);
  return stages.flatMap(({stage, nodes}, place): OutlineRow[] => {
    const head: OutlineRow = {kind: 'stage', stage, position: place + 1, siblings: stages.length};
    if (closed.has(stage)) return [head];
    return [
      head,
      ...nodes.map((index, position): OutlineRow => {
        return {kind: 'task', index, stage, position: position + 1, siblings: nodes.length};
      }),
    ];
  });
}

export type OutlineMove = 'up' | 'down' | 'first' | 'last' | 'pageUp' | 'pageDown';

export function moveIn(count: number, at: number, move: OutlineMove, page: number): number {
  const to = {
    up: at - 1,
    down: at + 1,
    first: 0,
    last: count - 1,
    pageUp: at - page,
    pageDown: at + page,
  }[move];
  return Math.max(0, Math.min(count - 1, to));
}

/** The next row after `at`, around the end, whose text begins so. */
export function typeahead(
  rows: readonly OutlineRow[],
  at: number,
  typed: string,
  textOf: (row: OutlineRow) => string,
): number | undefined {
  const wanted = typed.toLocaleLowerCase();
  // A first letter moves on; more letters may stay.
  const from = typed.length === 1 ? at + 1 : at;
  for (let step = 0; step < rows.length; step++) {
    const index = (from + step) % rows.length;
    const row = rows[index];
    if (row && textOf(row).toLocaleLowerCase().startsWith(wanted)) return index;
  }
  return undefined;
}
