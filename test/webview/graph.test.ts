/** What the graph's page computes: shape, stages, the chain that decides, layout, outline and camera. */
import assert from 'node:assert/strict';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {attemptId} from '../../coordinator/protocol/ids.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {type Plan, resolvePlan} from '../../coordinator/protocol/plan/plan.ts';
import {PlanFile} from '../../coordinator/protocol/plan/schema.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import {fitted, revealing, toPlane, zoomed} from '../../webview/graph/camera.ts';
import {columns, crossings, settledColumns, shapeOf} from '../../webview/graph/columns.ts';
import {buildGraph, criticalPath, type Graph, parentOf} from '../../webview/graph/graphModel.ts';
import {layOut} from '../../webview/graph/layeredLayout.ts';
import {NODE_HEIGHT, NODE_WIDTH} from '../../webview/graph/layout.ts';
import {criticalChain, LiveTasks} from '../../webview/graph/liveTasks.ts';
import {moveIn, type OutlineRow, outlineRows, typeahead} from '../../webview/graph/outlineRows.ts';
import {taskShown} from '../../webview/graph/taskShown.ts';

function planOf(tasks: Readonly<Record<string, readonly string[]>>): Plan {
  return resolvePlan(
    PlanFile.parse({
      name: 'p',
      workspace: 'none',
      tasks: Object.entries(tasks).map(([id, dependsOn]) => ({id, run: 'true', dependsOn})),
    }),
  );
}

function added(id: string, mergeFor?: string): TaskRecord {
  const record = {v: 1, principal: 'client:one', sessionId: 's', id, state: 'pending' as const, mergeFor};
  return {
    ...record,
    attempts: 0,
    retries: 0,
    losses: 0,
    usage: NO_USAGE,
    origin: mergeFor ? 'merge' : 'result',
  };
}

function attempt(taskId: string, startedAt: number): AttemptRecord {
  return {
    v: 1,
    principal: 'coordinator:c-1',
    id: attemptId('s', taskId, 1),
    sessionId: 's',
    taskId,
    number: 1,
    agentId: 'a-1',
    agentIncarnation: 'a-1-1',
    coordinator: 'c-1',
    state: 'running',
    assignedAt: startedAt,
    startedAt,
    usage: NO_USAGE,
    refused: 0,
  };
}

function edges({nodes, inputs}: Graph): string[] {
  return inputs.flatMap((from, index) => from.map(input => `${nodes[input]?.id}>${nodes[index]?.id}`)).sort();
}

function flat({inputs}: Graph): number[] {
  return inputs.flatMap((from, index) => from.flatMap(input => [input, index]));
}

const DIAMOND = planOf({a: [], b: ['a'], c: ['a'], d: ['b', 'c'], aside: []});

describe('the graph of a session', () => {
  it('has the edges of the plan, and stages by the longest chain before', () => {
    const graph = buildGraph(DIAMOND, []);
    assert.deepEqual(edges(graph), ['a>b', 'a>c', 'b>d', 'c>d']);
    assert.deepEqual(graph.stageOf, [0, 1, 1, 2, 0]);
    assert.deepEqual(graph.stages, [[0, 4], [1, 2], [3]]);
  });

  it('puts a merge between a task and its inputs, and the result after the leaves', () => {
    const graph = buildGraph(DIAMOND, [added('_result'), added('_merge-d', 'd')]);
    assert.deepEqual(edges(graph), [
      '_merge-d>d',
      'a>b',
      'a>c',
      'aside>_result',
      'b>_merge-d',
      'c>_merge-d',
      'd>_result',
    ]);
  });

  it('calls what an attempt has asked for by what it does, and knows whose it is', () => {
    const plan = planOf({lead: [], last: ['lead']});
    const [lead] = plan.tasks;
    assert.ok(lead);
    const part = {
      ...lead,
      id: '_part-lead-1',
      work: {kind: 'run' as const, command: 'make docs\nmore'},
      parent: {taskId: 'lead', index: 1},
    };
    const early = {...added('_part-lead-2'), origin: 'plan' as const, parentTaskId: 'lead'};
    const graph = buildGraph({...plan, tasks: [part, ...plan.tasks]}, [early]);
    assert.deepEqual(
      graph.nodes.map(({title}, index) => [title, parentOf(graph, index)?.id]),
      [
        ['make docs', 'lead'],
        ['lead', undefined],
        ['last', undefined],
        ['_part-lead-2', 'lead'],
      ],
    );
    const lookedAt = taskShown(graph, new LiveTasks('s'), 1, {sessionId: 's', isCritical: false});
    assert.deepEqual(
      lookedAt?.parts.map(({id}) => id),
      ['_part-lead-1', '_part-lead-2'],
    );
  });

  it('knows the chain of most weight', () => {
    const graph = buildGraph(DIAMOND, []);
    const weights: Readonly<Record<string, number>> = {a: 1, b: 5, c: 2, d: 1, aside: 3};
    const path = criticalPath(graph, index => weights[graph.nodes[index]?.id ?? ''] ?? 0);
    assert.deepEqual(
      path.map(index => graph.nodes[index]?.id),
      ['a', 'b', 'd'],
    );
  });

  it('has a task that runs for long on the chain that decides when it ends', () => {
    const graph = buildGraph(DIAMOND, []);
    const live = new LiveTasks('s');
    const rows = new Map<string, Row>();
    const put = (id: string, startedAt: number, endedAt?: number): void => {
      const state = endedAt === undefined ? 'running' : 'succeeded';
      rows.set(`task/${id}`, {kind: 'task', id, task: {...added(id), state, endedAt}});
      rows.set(`attempt/${id}`, {kind: 'attempt', id, attempt: attempt(id, startedAt)});
    };
    put('a', 0, 10);
    put('b', 10, 30);
    put('c', 10);
    put('aside', 0, 30);
    live.apply(rows, 'all');
    const chain = (now: number) => criticalChain(graph, live, now).map(index => graph.nodes[index]?.id);
    assert.deepEqual(chain(12), ['a', 'b', 'd']);
    assert.deepEqual(chain(60), ['a', 'c', 'd']);
  });
});

describe('the layout of a graph', () => {
  /** Random graphs of `count` nodes in which each waits for up to two earlier ones. */
  function randomGraph(count: number): Graph {
    const random = seededRandom(count);
    const tasks: Record<string, string[]> = {};
    for (let index = 0; index < count; index++) {
      const wanted = index === 0 ? 0 : Math.floor(random.next() * 3);
      const from = Array.from({length: wanted}, () => `t${Math.floor(random.next() * index)}`);
      tasks[`t${index}`] = [...new Set(from)];
    }
    return buildGraph(planOf(tasks), []);
  }

  const WAYS = [
    {name: 'well', count: 60, lay: (graph: Graph) => layOut({nodes: 60, edges: flat(graph)})},
    {name: 'well', count: 160, lay: (graph: Graph) => layOut({nodes: 160, edges: flat(graph)})},
    {name: 'plainly', count: 400, lay: columns},
    {name: 'without bends', count: 1000, lay: (graph: Graph) => layOut({nodes: 1000, edges: flat(graph)})},
    {name: 'plainly', count: 1, lay: columns},
    {name: 'well', count: 1, lay: () => layOut({nodes: 1, edges: []})},
  ];
  for (const {name, count, lay} of WAYS)
    it(`keeps ${count} nodes apart, each right of its inputs (${name})`, () => {
      const graph = randomGraph(count);
      const {x, y, starts, points, width, height} = lay(graph);
      for (const [index, from] of graph.inputs.entries())
        for (const input of from) assert.ok((x[input] ?? 0) + NODE_WIDTH < (x[index] ?? 0));
      const order = [...x.keys()].sort((a, b) => (x[a] ?? 0) - (x[b] ?? 0) || (y[a] ?? 0) - (y[b] ?? 0));
      for (const [at, index] of order.entries()) {
        const next = order[at + 1];
        if (next === undefined || Math.abs((x[next] ?? 0) - (x[index] ?? 0)) > 1) continue;
        assert.ok((y[next] ?? 0) - (y[index] ?? 0) >= NODE_HEIGHT - 0.01, `${index} and ${next} overlap`);
      }
      assert.equal(starts.length, flat(graph).length / 2 + 1);
      for (let edge = 0; edge + 1 < starts.length; edge++)
        assert.ok((starts[edge + 1] ?? 0) - (starts[edge] ?? 0) >= 4, 'an edge has two ends');
      assert.ok([...x].every(at => at >= 0 && at <= width) && [...y].every(at => at >= 0 && at <= height));
      assert.ok(points.every(Number.isFinite));
    });

  it('puts every node into the column of its stage', () => {
    const graph = randomGraph(60);
    const {x} = layOut({nodes: 60, edges: flat(graph)});
    const byStage = graph.stages.map(nodes => new Set(nodes.map(index => Math.round(x[index] ?? 0))).size);
    assert.deepEqual([...new Set(byStage)], [1]);
  });

  it('is the same each time, however it is made', () => {
    for (const count of [60, 700]) {
      const edges = flat(randomGraph(count));
      assert.deepEqual(layOut({nodes: count, edges}), layOut({nodes: count, edges}));
    }
  });

  it('finds the stages of the graph again', () => {
    const graph = randomGraph(300);
    assert.deepEqual(shapeOf({nodes: 300, edges: flat(graph)}).stages, graph.stages);
  });

  it('counts crossings as pairs of edges do', () => {
    const graph = randomGraph(200);
    const row = new Map(graph.stages.flatMap(nodes => nodes.map((index, at) => [index, at] as const)));
    let naive = 0;
    for (const nodes of graph.stages) {
      const pairs = nodes.flatMap(to =>
        (graph.inputs[to] ?? [])
          .filter(from => graph.stageOf[from] === (graph.stageOf[to] ?? 0) - 1)
          .map(from => [row.get(from) ?? 0, row.get(to) ?? 0] as const),
      );
      for (const [at, [from, to]] of pairs.entries())
        for (const [otherFrom, otherTo] of pairs.slice(at + 1))
          if ((from - otherFrom) * (to - otherTo) < 0) naive += 1;
    }
    assert.ok(naive > 0);
    assert.equal(crossings(graph, graph.stages), naive);
  });

  it('untangles chains that are listed out of order', () => {
    const chains = Array.from({length: 40}, (_none, at) => at);
    const tasks: Record<string, string[]> = {};
    for (const at of chains) tasks[`a${at}`] = [];
    for (const at of chains) tasks[`b${(at * 7) % 40}`] = [`a${(at * 7) % 40}`];
    for (const at of chains) tasks[`c${(at * 11) % 40}`] = [`b${(at * 11) % 40}`];
    const graph = buildGraph(planOf(tasks), []);
    const {y} = settledColumns(graph);
    const placed = graph.stages.map(nodes => [...nodes].sort((a, b) => (y[a] ?? 0) - (y[b] ?? 0)));
    assert.ok(crossings(graph, graph.stages) > 0);
    assert.equal(crossings(graph, placed), 0);
    for (const [to, from] of graph.inputs.entries())
      for (const input of from)
        assert.ok(Math.abs((y[input] ?? 0) - (y[to] ?? 0)) < 1, 'a chain is straight');
  });

  it('lays out thousands of tasks with long edges in less than the library takes for hundreds', () => {
    const graph = randomGraph(3000);
    const edges = flat(graph);
    const before = process.cpuUsage();
    layOut({nodes: 3000, edges});
    const {user, system} = process.cpuUsage(before);
    assert.ok(user + system < 2_000_000, `${(user + system) / 1000} ms of a processor`);
  });

  it('puts neighbours side by side, plainly too', () => {
    const graph = buildGraph(planOf({a: [], b: [], c: [], after: ['c'], before: ['a']}), []);
    const {y} = columns(graph);
    const at = (id: string): number => y[graph.indexOf.get(id) ?? 0] ?? 0;
    assert.ok(at('before') < at('after'));
  });
});

describe('the outline of a graph', () => {
  const graph = buildGraph(DIAMOND, []);
  const names = (rows: readonly OutlineRow[]): string[] =>
    rows.map(row => (row.kind === 'stage' ? `stage ${row.stage}` : (graph.nodes[row.index]?.id ?? '')));

  it('lists stages with their tasks, closed ones without, and only what was searched', () => {
    assert.deepEqual(names(outlineRows(graph, new Set(), undefined)), [
      'stage 0',
      'a',
      'aside',
      'stage 1',
      'b',
      'c',
      'stage 2',
      'd',
    ]);
    assert.deepEqual(names(outlineRows(graph, new Set([0, 1]), undefined)), [
      'stage 0',
      'stage 1',
      'stage 2',
      'd',
    ]);
    const found = outlineRows(graph, new Set(), new Set([2]));
    assert.deepEqual(names(found), ['stage 1', 'c']);
    assert.deepEqual(
      found.map(({position, siblings}) => [position, siblings]),
      [
        [1, 1],
        [1, 1],
      ],
    );
  });

  it('is moved through by keys, within its ends', () => {
    assert.equal(moveIn(8, 0, 'up', 5), 0);
    assert.equal(moveIn(8, 6, 'pageDown', 5), 7);
    assert.equal(moveIn(8, 6, 'first', 5), 0);
  });

  it('finds what is typed after where it is, around the end', () => {
    const rows = outlineRows(graph, new Set(), undefined);
    const textOf = (row: OutlineRow): string => names([row])[0] ?? '';
    assert.equal(typeahead(rows, 1, 'a', textOf), 2);
    assert.equal(typeahead(rows, 2, 'a', textOf), 1);
    assert.equal(typeahead(rows, 1, 'as', textOf), 2);
    assert.equal(typeahead(rows, 1, 'x', textOf), undefined);
  });
});

describe('the camera', () => {
  const view = {width: 800, height: 600};

  it('shows all in the middle, never larger than life', () => {
    assert.deepEqual(fitted({width: 400, height: 200}, view), {scale: 1, x: 200, y: 200});
    const far = fitted({width: 10_000, height: 100}, view);
    assert.ok(far.scale * 10_000 <= 800);
  });

  it('keeps the point under the pointer while it zooms', () => {
    const before = {scale: 0.5, x: 10, y: 20};
    const after = zoomed(before, 3, 300, 200);
    assert.deepEqual(toPlane(after, 300, 200), toPlane(before, 300, 200));
  });

  it('moves only to reveal what is not seen', () => {
    const camera = {scale: 1, x: 0, y: 0};
    assert.equal(revealing(camera, {x: 400, y: 300}, view), camera);
    const moved = revealing(camera, {x: 4000, y: 300}, view);
    assert.equal(4000 * moved.scale + moved.x, 400);
  });
});
