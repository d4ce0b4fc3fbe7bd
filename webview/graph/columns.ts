/**
 * A layered layout of real nodes alone: stages as columns, edges as curves that pass over the stages between. The library puts a node into each
 * stage that an edge passes, and so takes minutes where thousands of tasks wait for early ones; this takes milliseconds. Pure.
 */
import {LAYER_GAP, type Layout, type LayoutRequest, NODE_GAP, NODE_HEIGHT, NODE_WIDTH} from './layout.ts';

export interface Shape {
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  readonly stages: readonly (readonly number[])[];
}

/** Sweeps over the stages, forwards and back in turn. */
const QUICK_SWEEPS = 6;
const GOOD_SWEEPS = 24;
const SETTLING_SWEEPS = 8;
const STEP = NODE_HEIGHT + NODE_GAP;

/** Quick enough for the page itself: each stage in the order of the middle of its neighbours, row by row. */
export function columns(shape: Shape): Layout {
  const order = shape.stages.map(nodes => [...nodes]);
  const y = new Float32Array(shape.inputs.length);
  for (const nodes of order) stack(nodes, y);
  for (let sweep = 0; sweep < QUICK_SWEEPS; sweep++) sortStages(shape, order, y, sweep % 2 === 0);
  return laidOut(shape, y);
}

/** The order with the fewest crossings of many, and every node as near to the middle of its neighbours as the others let it. */
export function settledColumns(shape: Shape): Layout {
  const order = shape.stages.map(nodes => [...nodes]);
  const y = new Float32Array(shape.inputs.length);
  for (const nodes of order) stack(nodes, y);
  let best = order.map(nodes => [...nodes]);
  let fewest = Number.POSITIVE_INFINITY;
  for (let sweep = 0; sweep < GOOD_SWEEPS && fewest > 0; sweep++) {
    sortStages(shape, order, y, sweep % 2 === 0);
    const count = crossings(shape, order);
    if (count >= fewest) continue;
    fewest = count;
    best = order.map(nodes => [...nodes]);
  }
  for (const nodes of best) stack(nodes, y);
  for (let sweep = 0; sweep < SETTLING_SWEEPS; sweep++) settle(shape, best, y, sweep);
  return laidOut(shape, y);
}

/** Of a graph without cycles: a node stands in the stage after the last of its inputs. */
export function shapeOf({nodes, edges}: LayoutRequest): Shape {
  const inputs: number[][] = Array.from({length: nodes}, () => []);
  const outputs: number[][] = Array.from({length: nodes}, () => []);
  for (let at = 0; at < edges.length; at += 2) {
    const [from = 0, to = 0] = [edges[at], edges[at + 1]];
    inputs[to]?.push(from);
    outputs[from]?.push(to);
  }
  const missing = inputs.map(({length}) => length);
  const stage = new Array<number>(nodes).fill(0);
  const ready = missing.flatMap((count, index) => (count === 0 ? [index] : []));
  for (let at = 0; at < ready.length; at++) {
    const index = ready[at] ?? 0;
    for (const next of outputs[index] ?? []) {
      stage[next] = Math.max(stage[next] ?? 0, (stage[index] ?? 0) + 1);
      missing[next] = (missing[next] ?? 0) - 1;
      if (missing[next] === 0) ready.push(next);
    }
  }
  const stages: number[][] = [];
  for (const [index, of] of stage.entries()) {
    while (stages.length <= of) stages.push([]);
    stages[of]?.push(index);
  }
  return {inputs, outputs, stages};
}

/** Edges between neighbouring stages that cross, in the order of these columns. */
export function crossings({inputs}: Shape, order: readonly (readonly number[])[]): number {
  const rows = new Int32Array(inputs.length);
  const stageOf = new Int32Array(inputs.length);
  for (const [stage, nodes] of order.entries())
    for (const [row, index] of nodes.entries()) {
      rows[index] = row;
      stageOf[index] = stage;
    }
  let count = 0;
  for (const [stage, nodes] of order.entries()) {
    const before = order[stage - 1]?.length ?? 0;
    // Edges seen so far by the row where they begin, as a binary indexed tree.
    const seen = new Int32Array(before + 1);
    let total = 0;
    for (const index of nodes) {
      const from = (inputs[index] ?? []).filter(input => stageOf[input] === stage - 1);
      for (const input of from) {
        let above = 0;
        for (let at = (rows[input] ?? 0) + 1; at > 0; at -= at & -at) above += seen[at] ?? 0;
        count += total - above;
      }
      for (const input of from) {
        total += 1;
        for (let at = (rows[input] ?? 0) + 1; at <= before; at += at & -at) seen[at] = (seen[at] ?? 0) + 1;
      }
    }
  }
  return count;
}

/** Row by row, around zero. */
function stack(nodes: readonly number[], y: Float32Array): void {
  const top = ((1 - nodes.length) * STEP) / 2;
  for (const [row, index] of nodes.entries()) y[index] = top + row * STEP;
}

function sortStages({inputs, outputs}: Shape, order: number[][], y: Float32Array, forwards: boolean): void {
  const neighbours = forwards ? inputs : outputs;
  for (const nodes of forwards ? order : [...order].reverse()) {
    const wanted = new Map(nodes.map(index => [index, middle(neighbours[index] ?? [], y) ?? y[index] ?? 0]));
    nodes.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0));
    stack(nodes, y);
  }
}

/** Inputs, outputs, and at last both, decide where a node would stand. */
function settle({inputs, outputs}: Shape, order: number[][], y: Float32Array, sweep: number): void {
  const forwards = sweep % 2 === 0;
  const isLast = sweep >= SETTLING_SWEEPS - 2;
  for (const nodes of forwards ? order : [...order].reverse()) {
    const wanted = nodes.map(index => {
      const before = middle(inputs[index] ?? [], y);
      const after = middle(outputs[index] ?? [], y);
      if (isLast && before !== undefined && after !== undefined) return (before + after) / 2;
      return (forwards ? (before ?? after) : (after ?? before)) ?? y[index] ?? 0;
    });
    const at = apart(wanted);
    for (const [row, index] of nodes.entries()) y[index] = at[row] ?? 0;
  }
}

/** The nearest places in this order that are a step apart: least squares by pooling neighbours that want to pass each other. */
function apart(wanted: readonly number[]): number[] {
  const pools: {sum: number; count: number}[] = [];
  for (const [row, place] of wanted.entries()) {
    let pool = {sum: place - row * STEP, count: 1};
    for (let last = pools.at(-1); last; last = pools.at(-1)) {
      if (last.sum / last.count <= pool.sum / pool.count) break;
      pool = {sum: last.sum + pool.sum, count: last.count + pool.count};
      pools.pop();
    }
    pools.push(pool);
  }
  return pools
    .flatMap(({sum, count}) => new Array<number>(count).fill(sum / count))
    .map((place, row) => place + row * STEP);
}

function laidOut({inputs, stages}: Shape, y: Float32Array): Layout {
  const x = new Float32Array(inputs.length);
  for (const [stage, nodes] of stages.entries())
    for (const index of nodes) x[index] = stage * (NODE_WIDTH + LAYER_GAP) + NODE_WIDTH / 2;
  const top = y.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY) - STEP / 2;
  for (const [index, at] of y.entries()) y[index] = at - top;
  const points: number[] = [];
  const starts: number[] = [0];
  for (const [to, from] of inputs.entries())
    for (const input of from) {
      points.push(x[input] ?? 0, y[input] ?? 0, x[to] ?? 0, y[to] ?? 0);
      starts.push(points.length);
    }
  return {
    x,
    y,
    points: Float32Array.from(points),
    starts: Uint32Array.from(starts),
    width: Math.max(1, stages.length * (NODE_WIDTH + LAYER_GAP) - LAYER_GAP),
    height: y.reduce((most, at) => Math.max(most, at), 0) + STEP / 2,
  };
}

function middle(nodes: readonly number[], y: Float32Array): number | undefined {
  if (nodes.length === 0) return undefined;
  return nodes.reduce((sum, index) => sum + (y[index] ?? 0), 0) / nodes.length;
}
