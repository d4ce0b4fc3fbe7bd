/** The static planner against the example of its paper, and against every order of small random graphs. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {heft, type StaticProblem} from './heft.ts';

/** Topcuoglu et al. 2002, figure 2 and table 1. */
const COSTS = [
  [14, 16, 9],
  [13, 19, 18],
  [11, 13, 19],
  [13, 8, 17],
  [12, 13, 10],
  [13, 16, 9],
  [7, 15, 11],
  [5, 11, 14],
  [18, 12, 20],
  [21, 7, 16],
];
const EDGES: readonly (readonly [from: number, to: number, cost: number])[] = [
  [0, 1, 18],
  [0, 2, 12],
  [0, 3, 9],
  [0, 4, 11],
  [0, 5, 14],
  [1, 7, 19],
  [1, 8, 16],
  [2, 6, 23],
  [3, 7, 27],
  [3, 8, 23],
  [4, 8, 13],
  [5, 7, 15],
  [6, 9, 17],
  [7, 9, 11],
  [8, 9, 13],
];

function problemOf(costs: readonly (readonly number[])[], edges: typeof EDGES): StaticProblem {
  const moved = (parent: number, task: number): number =>
    edges.find(([from, to]) => from === parent && to === task)?.[2] ?? 0;
  return {
    tasks: costs.length,
    machines: costs[0]?.length ?? 0,
    parents: costs.map((_, task) => edges.filter(([, to]) => to === task).map(([from]) => from)),
    cost: (task, machine) => costs[task]?.[machine] ?? Number.POSITIVE_INFINITY,
    transfer: (parent, task, from, to) => (from === to ? 0 : moved(parent, task)),
    usualTransfer: moved,
  };
}

describe('HEFT', () => {
  it('plans the graph of its paper as the paper does: 80', () => {
    const plan = heft(problemOf(COSTS, EDGES));
    assert.equal(plan.makespan, 80);
    // Figure 4(a), tasks and processors counted from 0.
    assert.deepEqual(plan.orders, [
      [1, 7],
      [3, 5, 8, 9],
      [0, 2, 4, 6],
    ]);
  });

  it('never starts a task before its inputs are there, nor two at once on one machine', () => {
    const graph = fc.record({
      costs: fc.array(fc.array(fc.integer({min: 1, max: 20}), {minLength: 2, maxLength: 2}), {
        minLength: 2,
        maxLength: 7,
      }),
      edges: fc.array(fc.tuple(fc.nat({max: 6}), fc.nat({max: 6}), fc.nat({max: 9})), {maxLength: 12}),
    });
    fc.assert(
      fc.property(graph, ({costs, edges}) => {
        const real = edges.filter(([from, to]) => from < to && to < costs.length);
        const unique = real.filter(
          ([from, to], at) => real.findIndex(([a, b]) => a === from && b === to) === at,
        );
        const plan = heft(problemOf(costs, unique));
        const end = (task: number): number =>
          (plan.startOf[task] ?? 0) + (costs[task]?.[plan.machineOf[task] ?? 0] ?? 0);
        for (const [from, to, cost] of unique) {
          const moved = plan.machineOf[from] === plan.machineOf[to] ? 0 : cost;
          assert.ok((plan.startOf[to] ?? 0) >= end(from) + moved);
        }
        for (const order of plan.orders)
          order.slice(1).forEach((task, at) => {
            assert.ok((plan.startOf[task] ?? 0) >= end(order[at] as number));
          });
        assert.equal(plan.makespan, Math.max(...costs.map((_, task) => end(task))));
      }),
    );
  });
});
