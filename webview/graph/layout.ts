/** Where the nodes of a graph stand: layers from left to right, edges as lines through them. Pure. */
import {
  coordGreedy,
  coordSimplex,
  type Graph as Dag,
  decrossDfs,
  decrossTwoLayer,
  type GraphNode,
  graphConnect,
  type Separation,
  sugiyama,
} from 'd3-dag';

export const NODE_WIDTH = 190;
export const NODE_HEIGHT = 42;
const LAYER_GAP = 56;
const NODE_GAP = 14;

export interface LayoutRequest {
  readonly nodes: number;
  /** From, to; from, to… */
  readonly edges: readonly number[];
}

export interface Layout {
  /** Centres by node. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Lines: those of edge `e` are the points from `starts[e]` to `starts[e + 1]`, as x, y; x, y… */
  readonly points: Float32Array;
  readonly starts: Uint32Array;
  readonly width: number;
  readonly height: number;
}

/** Positions are solved exactly up to this many nodes. */
const EXACT_NODES = 150;
/** Up to this many, crossings are counted and removed. */
const CROSSING_NODES = 1500;

export function layOut({nodes, edges}: LayoutRequest): Layout {
  const x = new Float32Array(nodes);
  const y = new Float32Array(nodes);
  const pairs: [string, string][] = [];
  const alone = new Set(Array.from({length: nodes}, (_none, index) => index));
  for (let at = 0; at < edges.length; at += 2) {
    const [from = 0, to = 0] = [edges[at], edges[at + 1]];
    pairs.push([String(from), String(to)]);
    alone.delete(from);
    alone.delete(to);
  }
  // A node without edges is one that is connected to itself alone.
  for (const index of alone) pairs.push([String(index), String(index)]);
  const graph = graphConnect().single(true)(pairs);
  const {width, height} = arrange(graph, nodes);
  for (const node of graph.nodes()) {
    const index = Number(node.data);
    // Layers run downwards there, and to the right here.
    x[index] = node.y;
    y[index] = node.x;
  }
  const lines = new Map<string, readonly (readonly [number, number])[]>();
  for (const link of graph.links()) lines.set(`${link.source.data}>${link.target.data}`, link.points);
  const points: number[] = [];
  const starts: number[] = [0];
  for (let at = 0; at < edges.length; at += 2) {
    for (const [px, py] of lines.get(`${edges[at]}>${edges[at + 1]}`) ?? []) points.push(py, px);
    starts.push(points.length);
  }
  return {
    x,
    y,
    points: Float32Array.from(points),
    starts: Uint32Array.from(starts),
    width: height,
    height: width,
  };
}

/** A node stands right after the last of its inputs: in the stage that the outline names too. */
function byStage<N, L>(graph: Dag<N, L>, separation: Separation<N, L>): number {
  let height = 0;
  for (const node of graph.topological()) {
    node.y = separation(undefined, node);
    for (const parent of node.parents()) node.y = Math.max(node.y, parent.y + separation(parent, node));
    height = Math.max(height, node.y + separation(node, undefined));
  }
  return height;
}

type DagGraph = ReturnType<ReturnType<typeof graphConnect>>;

function arrange(graph: DagGraph, nodes: number): {width: number; height: number} {
  const size = (_node: GraphNode<string, unknown>): [number, number] => [NODE_HEIGHT, NODE_WIDTH];
  const layered = sugiyama()
    .layering(byStage)
    .nodeSize(size as never)
    .gap([NODE_GAP, LAYER_GAP]);
  if (nodes <= EXACT_NODES) return layered.decross(decrossTwoLayer()).coord(coordSimplex())(graph);
  if (nodes <= CROSSING_NODES) return layered.decross(decrossTwoLayer()).coord(coordGreedy())(graph);
  return layered.decross(decrossDfs()).coord(coordGreedy())(graph);
}

/** Sweeps over the stages, forwards and back in turn. */
const SWEEPS = 6;

/**
 * Stages as columns, each in the order of the middle of its neighbours: milliseconds for thousands of nodes, where a layered layout with bends
 * takes seconds. It is shown until that one comes, and where no worker runs.
 */
export function columns({inputs, outputs, stages}: Pick<Shape, 'inputs' | 'outputs' | 'stages'>): Layout {
  const count = inputs.length;
  const order = stages.map(nodes => [...nodes]);
  const x = new Float32Array(count);
  const y = new Float32Array(count);
  const step = NODE_HEIGHT + NODE_GAP;
  const height = Math.max(0, ...order.map(({length}) => length)) * step;
  const place = (nodes: readonly number[]): void => {
    const top = (height - nodes.length * step) / 2 + step / 2;
    for (const [row, index] of nodes.entries()) y[index] = top + row * step;
  };
  for (const [stage, nodes] of order.entries()) {
    for (const index of nodes) x[index] = stage * (NODE_WIDTH + LAYER_GAP) + NODE_WIDTH / 2;
    place(nodes);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forwards = sweep % 2 === 0;
    const neighbours = forwards ? inputs : outputs;
    for (const nodes of forwards ? order : [...order].reverse()) {
      const wanted = new Map(
        nodes.map(index => [index, middle(neighbours[index] ?? [], y) ?? y[index] ?? 0]),
      );
      nodes.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0));
      place(nodes);
    }
  }
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
    height,
  };
}

interface Shape {
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  readonly stages: readonly (readonly number[])[];
}

function middle(nodes: readonly number[], y: Float32Array): number | undefined {
  if (nodes.length === 0) return undefined;
  return nodes.reduce((sum, index) => sum + (y[index] ?? 0), 0) / nodes.length;
}
