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
  /** Better to look at, and slower by far. */
  readonly refined: boolean;
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
  readonly refined: boolean;
}

/** Positions are solved exactly up to this many nodes. */
const EXACT_NODES = 150;

export function layOut({nodes, edges, refined}: LayoutRequest): Layout {
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
  const {width, height} = arrange(graph, nodes, refined);
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
    refined,
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

function arrange(graph: DagGraph, nodes: number, refined: boolean): {width: number; height: number} {
  const size = (_node: GraphNode<string, unknown>): [number, number] => [NODE_HEIGHT, NODE_WIDTH];
  const layered = sugiyama()
    .layering(byStage)
    .nodeSize(size as never)
    .gap([NODE_GAP, LAYER_GAP]);
  if (nodes <= EXACT_NODES) return layered.decross(decrossTwoLayer()).coord(coordSimplex())(graph);
  if (refined) return layered.decross(decrossTwoLayer()).coord(coordGreedy())(graph);
  return layered.decross(decrossDfs()).coord(coordGreedy())(graph);
}

/** Where no worker runs: stages as columns. Needs no time and looks plain. */
export function columns(stages: readonly (readonly number[])[], edges: readonly number[]): Layout {
  const count = stages.reduce((sum, {length}) => sum + length, 0);
  const tallest = Math.max(0, ...stages.map(({length}) => length));
  const height = tallest * (NODE_HEIGHT + NODE_GAP);
  const x = new Float32Array(count);
  const y = new Float32Array(count);
  for (const [stage, nodes] of stages.entries()) {
    const top = (height - nodes.length * (NODE_HEIGHT + NODE_GAP)) / 2;
    for (const [row, index] of nodes.entries()) {
      x[index] = stage * (NODE_WIDTH + LAYER_GAP) + NODE_WIDTH / 2;
      y[index] = top + row * (NODE_HEIGHT + NODE_GAP) + NODE_HEIGHT / 2;
    }
  }
  const points: number[] = [];
  const starts: number[] = [0];
  for (let at = 0; at < edges.length; at += 2) {
    for (const index of [edges[at] ?? 0, edges[at + 1] ?? 0]) points.push(x[index] ?? 0, y[index] ?? 0);
    starts.push(points.length);
  }
  return {
    x,
    y,
    points: Float32Array.from(points),
    starts: Uint32Array.from(starts),
    width: stages.length * (NODE_WIDTH + LAYER_GAP),
    height,
    refined: true,
  };
}
