/** The shape of a plan: unknown and repeated ids, cycles, orders. Pure; knows ids and edges only. */
import {closest} from './closest.ts';

/** Guessing compares with every id: for the first few it helps, for thousands it only costs. */
const MAX_SUGGESTIONS = 20;

export interface GraphNode {
  readonly id: string;
  readonly dependsOn: readonly string[];
}

export type GraphProblem =
  | {readonly kind: 'duplicate'; readonly node: number; readonly first: number}
  | {
      readonly kind: 'unknown';
      readonly node: number;
      readonly dependency: number;
      readonly id: string;
      readonly suggestion: string | undefined;
    }
  | {
      readonly kind: 'cycle';
      readonly node: number;
      readonly dependency: number;
      readonly path: readonly string[];
    };

/** Every problem, each named once; of the cycles one for each strongly connected knot reached. */
export function graphProblems(nodes: readonly GraphNode[]): GraphProblem[] {
  const problems: GraphProblem[] = [];
  const index = new Map<string, number>();
  nodes.forEach((node, position) => {
    const first = index.get(node.id);
    if (first === undefined) index.set(node.id, position);
    else problems.push({kind: 'duplicate', node: position, first});
  });
  let suggestions = 0;
  nodes.forEach((node, position) => {
    node.dependsOn.forEach((id, dependency) => {
      if (index.has(id)) return;
      const suggestion = suggestions++ < MAX_SUGGESTIONS ? closest(id, index.keys()) : undefined;
      problems.push({kind: 'unknown', node: position, dependency, id, suggestion});
    });
  });
  return [...problems, ...cycles(nodes, index)];
}

/** Depth first without recursion, since a chain may be 100,000 long. */
function cycles(nodes: readonly GraphNode[], index: ReadonlyMap<string, number>): GraphProblem[] {
  const problems: GraphProblem[] = [];
  const state = new Uint8Array(nodes.length); // 0 unseen, 1 on the path, 2 done
  for (let root = 0; root < nodes.length; root++) {
    if (state[root] !== 0) continue;
    const stack: {node: number; next: number}[] = [{node: root, next: 0}];
    state[root] = 1;
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const dependencies = nodes[top.node]?.dependsOn ?? [];
      const id = dependencies[top.next];
      if (id === undefined) {
        state[top.node] = 2;
        stack.pop();
        continue;
      }
      const dependency = top.next++;
      const target = index.get(id);
      if (target === undefined) continue;
      if (state[target] === 0) {
        state[target] = 1;
        stack.push({node: target, next: 0});
      } else if (state[target] === 1) {
        const from = stack.findIndex(frame => frame.node === target);
        const path = [...stack.slice(from).map(frame => nodes[frame.node]?.id ?? ''), id];
        problems.push({kind: 'cycle', node: top.node, dependency, path});
      }
    }
  }
  return problems;
}

/** Dependencies first; ties in the given order. The graph must be free of problems. */
export function topologicalOrder(nodes: readonly GraphNode[]): number[] {
  const index = new Map(nodes.map((node, position) => [node.id, position]));
  const missing = nodes.map(node => node.dependsOn.length);
  const dependents: number[][] = nodes.map(() => []);
  nodes.forEach((node, position) => {
    for (const id of node.dependsOn) dependents[index.get(id) ?? -1]?.push(position);
  });
  const order = nodes.flatMap((_, position) => (missing[position] === 0 ? [position] : []));
  for (let done = 0; done < order.length; done++) {
    for (const dependent of dependents[order[done] ?? -1] ?? []) {
      const left = (missing[dependent] ?? 0) - 1;
      missing[dependent] = left;
      if (left === 0) order.push(dependent);
    }
  }
  return order;
}
