/** Shape of a plan's tasks by position: dependents, sinks, and the upward rank that orders ready tasks. Pure. */
import {type GraphNode, topologicalOrder} from '../../protocol/plan/graph.ts';

/** For each task the positions of the tasks that depend on it. */
export function dependentsOf(tasks: readonly GraphNode[]): number[][] {
  const position = new Map(tasks.map((task, index) => [task.id, index]));
  const dependents: number[][] = tasks.map(() => []);
  tasks.forEach((task, index) => {
    for (const id of task.dependsOn) dependents[position.get(id) ?? -1]?.push(index);
  });
  return dependents;
}

/** Ids of the tasks that nothing depends on, in the given order. */
export function sinks(tasks: readonly GraphNode[]): string[] {
  const needed = new Set(tasks.flatMap(task => task.dependsOn));
  return tasks.filter(task => !needed.has(task.id)).map(task => task.id);
}

/**
 * The predicted length of the longest path from each task to the end, itself included (Topcuoglu et al. 2002, "upward rank"; transfer costs are
 * not modelled).
 */
export function upwardRanks(
  tasks: readonly GraphNode[],
  durationMs: (index: number) => number,
): Float64Array {
  const dependents = dependentsOf(tasks);
  const ranks = new Float64Array(tasks.length);
  for (const index of topologicalOrder(tasks).reverse()) {
    let longest = 0;
    for (const dependent of dependents[index] ?? []) longest = Math.max(longest, ranks[dependent] ?? 0);
    ranks[index] = longest + durationMs(index);
  }
  return ranks;
}
