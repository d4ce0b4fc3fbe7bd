/** The shape of plans, against naive versions. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {closest} from '../../../coordinator/protocol/plan/closest.ts';
import {type GraphNode, graphProblems, topologicalOrder} from '../../../coordinator/protocol/plan/graph.ts';

/** Any graph over at most twelve ids: cycles, repeated and unknown ids included. */
const anyGraph = fc.array(
  fc.record({
    id: fc.integer({min: 0, max: 11}).map(String),
    dependsOn: fc.array(fc.integer({min: 0, max: 12}).map(String), {maxLength: 4}),
  }),
  {maxLength: 12},
);

/** Edges only to earlier nodes, then shuffled. */
const acyclic = fc
  .array(fc.array(fc.nat(), {maxLength: 4}), {minLength: 1, maxLength: 30})
  .map(rows =>
    rows.map(
      (row, index): GraphNode => ({
        id: `n${index}`,
        dependsOn: index === 0 ? [] : [...new Set(row.map(pick => `n${pick % index}`))],
      }),
    ),
  )
  .chain(nodes => fc.shuffledSubarray(nodes, {minLength: nodes.length, maxLength: nodes.length}));

function reaches(nodes: readonly GraphNode[], from: string, to: string): boolean {
  const seen = new Set<string>();
  const visit = (id: string): boolean =>
    (nodes.find(node => node.id === id)?.dependsOn ?? []).some(next => {
      if (next === to) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return visit(next);
    });
  return visit(from);
}

describe('graph of a plan', () => {
  it('has a cycle among its problems exactly when a task reaches itself', () => {
    fc.assert(
      fc.property(anyGraph, drawn => {
        const nodes = drawn.filter((node, index) => drawn.findIndex(other => other.id === node.id) === index);
        const cyclic = nodes.some(node => reaches(nodes, node.id, node.id));
        assert.equal(
          graphProblems(nodes).some(({kind}) => kind === 'cycle'),
          cyclic,
        );
      }),
    );
  });

  it('names cycles by a path along dependencies that ends where it began', () => {
    fc.assert(
      fc.property(anyGraph, nodes => {
        for (const problem of graphProblems(nodes)) {
          if (problem.kind !== 'cycle') continue;
          assert.equal(problem.path[0], problem.path.at(-1));
          for (const [index, id] of problem.path.slice(0, -1).entries())
            assert.ok(
              nodes.some(node => node.id === id && node.dependsOn.includes(problem.path[index + 1] ?? '')),
            );
        }
      }),
    );
  });

  it('names every unknown and every repeated id once', () => {
    fc.assert(
      fc.property(anyGraph, nodes => {
        const ids = new Set(nodes.map(node => node.id));
        const problems = graphProblems(nodes);
        const unknown = nodes.flatMap(node => node.dependsOn.filter(id => !ids.has(id)));
        assert.deepEqual(
          problems.flatMap(each => (each.kind === 'unknown' ? [each.id] : [])),
          unknown,
        );
        assert.equal(problems.filter(({kind}) => kind === 'duplicate').length, nodes.length - ids.size);
      }),
    );
  });

  it('is ordered with dependencies first and ties in the given order', () => {
    fc.assert(
      fc.property(acyclic, nodes => {
        assert.deepEqual(graphProblems(nodes), []);
        const order = topologicalOrder(nodes);
        assert.deepEqual(
          [...order].sort((a, b) => a - b),
          nodes.map((_, index) => index),
        );
        const place = new Map(order.map((node, position) => [nodes[node]?.id, position]));
        for (const node of nodes)
          for (const id of node.dependsOn) assert.ok((place.get(id) ?? 0) < (place.get(node.id) ?? 0));
        const roots = nodes.flatMap((node, index) => (node.dependsOn.length === 0 ? [index] : []));
        assert.deepEqual(order.slice(0, roots.length), roots);
      }),
    );
  });

  it('may be a chain of 100,000', () => {
    const nodes = Array.from({length: 100_000}, (_, index) => ({
      id: `n${index}`,
      dependsOn: index + 1 < 100_000 ? [`n${index + 1}`] : [],
    }));
    assert.deepEqual(graphProblems(nodes), []);
    assert.equal(topologicalOrder(nodes)[0], 99_999);
  });
});

describe('suggestions', () => {
  const known = ['build', 'test', 'deploy', 'lint'];
  for (const [name, suggestion] of [
    ['biuld', 'build'],
    ['buidl', 'build'],
    ['tests', 'test'],
    ['deplyo', 'deploy'],
    ['somethingElse', undefined],
    ['b', undefined],
    ['', undefined],
    ['x'.repeat(10_000), undefined],
  ] as const) {
    it(`${name.slice(0, 20)} is taken for ${suggestion}`, () =>
      assert.equal(closest(name, known), suggestion));
  }
});
