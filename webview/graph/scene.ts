/** What is drawn of a graph: where everything is, how each node looks now, and what is stressed. The renderer draws it; who changes it says so. */
import {LOOKS, type LookName} from '../theme/stateLook.ts';
import type {Graph} from './graphModel.ts';
import type {Layout} from './layout.ts';
import {edgesOf} from './layoutService.ts';

export interface Scene {
  readonly graph: Graph;
  readonly layout: Layout;
  /** By node. */
  readonly looks: LookName[];
  /** By node: the second line. */
  readonly details: string[];
  /** Edges of the whole graph, in the plane. */
  readonly edges: Path2D;
  /** As straight lines, for when they are small. */
  readonly plainEdges: Path2D;
  critical: ReadonlySet<number>;
  criticalEdges: Path2D;
  /** Undefined: no search. */
  matches: ReadonlySet<number> | undefined;
  selected: number | undefined;
  selectedEdges: Path2D;
}

export function makeScene(graph: Graph, layout: Layout): Scene {
  const all = edgesOf(graph);
  const plainEdges = new Path2D();
  for (let at = 0; at < all.length; at += 2) {
    const [from = 0, to = 0] = [all[at], all[at + 1]];
    plainEdges.moveTo(layout.x[from] ?? 0, layout.y[from] ?? 0);
    plainEdges.lineTo(layout.x[to] ?? 0, layout.y[to] ?? 0);
  }
  return {
    graph,
    layout,
    looks: graph.nodes.map(() => 'planned'),
    details: graph.nodes.map(() => ''),
    edges: edgePath(graph, layout, () => true),
    plainEdges,
    critical: new Set(),
    criticalEdges: new Path2D(),
    matches: undefined,
    selected: undefined,
    selectedEdges: new Path2D(),
  };
}

/** The edges that `wanted` picks, as curves from node to node. */
export function edgePath(
  graph: Graph,
  {points, starts}: Layout,
  wanted: (from: number, to: number) => boolean,
): Path2D {
  const path = new Path2D();
  const all = edgesOf(graph);
  for (let at = 0; at < all.length; at += 2) {
    if (!wanted(all[at] ?? 0, all[at + 1] ?? 0)) continue;
    const start = starts[at / 2] ?? 0;
    const end = starts[at / 2 + 1] ?? start;
    for (let point = start; point < end; point += 2) {
      const [x = 0, y = 0] = [points[point], points[point + 1]];
      if (point === start) {
        path.moveTo(x, y);
        continue;
      }
      const [fromX = 0, fromY = 0] = [points[point - 2], points[point - 1]];
      const middle = (fromX + x) / 2;
      path.bezierCurveTo(middle, fromY, middle, y, x, y);
    }
  }
  return path;
}

/** How many nodes look how. */
export function tally(looks: readonly LookName[], of?: readonly number[]): ReadonlyMap<LookName, number> {
  const counts = new Map<LookName, number>();
  for (const look of of ? of.map(index => looks[index] ?? 'planned') : looks)
    counts.set(look, (counts.get(look) ?? 0) + 1);
  // What needs a person first.
  return new Map(
    (Object.keys(LOOKS) as LookName[])
      .sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b))
      .flatMap(look => (counts.has(look) ? [[look, counts.get(look) ?? 0] as const] : [])),
  );
}

const ORDER: readonly LookName[] = [
  'failed',
  'waiting',
  'lost',
  'running',
  'verifying',
  'ready',
  'pending',
  'planned',
  'undone',
  'cancelled',
  'succeeded',
];
