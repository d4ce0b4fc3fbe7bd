/** Where the nodes of a graph stand: by the library where it is quick, and by columns of real nodes alone where it is not. Pure. */
import {
  coordGreedy,
  coordSimplex,
  type Graph as Dag,
  decrossTwoLayer,
  type GraphNode,
  graphConnect,
  type Separation,
  sugiyama,
} from 'd3-dag';
import {type Shape, settledColumns, shapeOf} from './columns.ts';
import {LAYER_GAP, type Layout, type LayoutRequest, NODE_GAP, NODE_HEIGHT, NODE_WIDTH} from './layout.ts';

/** The library lays out up to this many nodes and bends, a bend for each stage that an edge passes: it takes seconds for twice as many. */
const LIBRARY_POINTS = 400;
/** Positions are solved exactly up to this many. */
const EXACT_POINTS = 150;

/** Edges come by where they end, as `edgesOf` gives them. */
export function layOut(request: LayoutRequest): Layout {
  const shape = shapeOf(request);
  const points = request.nodes + bends(shape);
  return points <= LIBRARY_POINTS ? layOutWell(request, points) : settledColumns(shape);
}

function bends({inputs, stages}: Shape): number {
  const stageOf = new Int32Array(inputs.length);
  for (const [stage, nodes] of stages.entries()) for (const index of nodes) stageOf[index] = stage;
  let count = 0;
  for (const [to, from] of inputs.entries())
    for (const input of from) count += (stageOf[to] ?? 0) - (stageOf[input] ?? 0) - 1;
  return count;
}

function layOutWell({nodes, edges}: LayoutRequest, size: number): Layout {
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
  const {width, height} = arrange(graph, size);
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

function arrange(graph: DagGraph, points: number): {width: number; height: number} {
  const size = (_node: GraphNode<string, unknown>): [number, number] => [NODE_HEIGHT, NODE_WIDTH];
  const layered = sugiyama()
    .layering(byStage)
    .nodeSize(size as never)
    .gap([NODE_GAP, LAYER_GAP]);
  return layered.decross(decrossTwoLayer()).coord(points <= EXACT_POINTS ? coordSimplex() : coordGreedy())(
    graph,
  );
}
