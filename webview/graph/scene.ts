/** What is drawn of a graph: where everything is, how each node looks now, and what is stressed. The renderer draws it; who changes it says so. */
import {LOOKS, type LookName} from '../theme/stateLook.ts';
import {type Graph, parentOf} from './graphModel.ts';
import type {Layout} from './layout.ts';
import {edgesOf} from './layoutService.ts';

export interface Scene {
  readonly graph: Graph;
  readonly layout: Layout;
  /** By node; changed by `setLook` alone. */
  readonly looks: LookName[];
  /** By stage: how many of its nodes look how. */
  readonly counts: readonly Map<LookName, number>[];
  /** By node: the second line, behind its mark. */
  readonly details: string[];
  /** By node: of what it is a part; empty for others. */
  readonly marks: readonly string[];
  /** From, to; in the order of the layout's lines. */
  readonly ends: readonly number[];
  /** By edge: left, top, right and bottom of what it can touch. */
  readonly bounds: Float32Array;
  critical: ReadonlySet<number>;
  criticalEdges: Path2D;
  /** Undefined: no search. */
  matches: ReadonlySet<number> | undefined;
  selected: number | undefined;
  selectedEdges: Path2D;
}

export function makeScene(graph: Graph, layout: Layout): Scene {
  const ends = edgesOf(graph);
  return {
    graph,
    layout,
    looks: graph.nodes.map(() => 'planned'),
    counts: graph.stages.map(nodes => new Map<LookName, number>([['planned', nodes.length]])),
    details: graph.nodes.map(() => ''),
    marks: graph.nodes.map((_node, index) => {
      const parent = parentOf(graph, index);
      return parent ? `↳ ${parent.title}` : '';
    }),
    ends,
    bounds: boundsOf(layout, ends.length / 2),
    critical: new Set(),
    criticalEdges: new Path2D(),
    matches: undefined,
    selected: undefined,
    selectedEdges: new Path2D(),
  };
}

export function secondLine({details, marks}: Scene, index: number): string {
  return [marks[index], details[index]].filter(Boolean).join(' · ');
}

/** Whether it looks different now. */
export function setLook(
  {graph, looks, counts, details}: Scene,
  index: number,
  look: LookName,
  detail: string,
): boolean {
  const before = looks[index] ?? 'planned';
  if (before === look && details[index] === detail) return false;
  details[index] = detail;
  if (before === look) return true;
  looks[index] = look;
  const of = counts[graph.stageOf[index] ?? 0];
  of?.set(before, (of.get(before) ?? 0) - 1);
  of?.set(look, (of.get(look) ?? 0) + 1);
  return true;
}

/** Curves stay between their points. */
function boundsOf({points, starts}: Layout, edges: number): Float32Array {
  const bounds = new Float32Array(edges * 4);
  for (let edge = 0; edge < edges; edge++) {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let point = starts[edge] ?? 0; point < (starts[edge + 1] ?? 0); point += 2) {
      const [x = 0, y = 0] = [points[point], points[point + 1]];
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
    bounds.set([left, top, right, bottom], edge * 4);
  }
  return bounds;
}

/** The edges that `wanted` picks, as curves from node to node. */
export function edgePath({layout, ends}: Scene, wanted: (from: number, to: number) => boolean): Path2D {
  const path = new Path2D();
  for (let edge = 0; edge < ends.length / 2; edge++)
    if (wanted(ends[edge * 2] ?? 0, ends[edge * 2 + 1] ?? 0)) traceEdge(path, layout, edge);
  return path;
}

export function traceEdge(path: CanvasPath, {points, starts}: Layout, edge: number): void {
  const start = starts[edge] ?? 0;
  const end = starts[edge + 1] ?? start;
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

/** How many nodes look how, of one stage or of all: what needs a person first. */
export function tally({counts}: Scene, stage?: number): readonly (readonly [LookName, number])[] {
  const of = stage === undefined ? counts : counts.slice(stage, stage + 1);
  return ORDER.flatMap(look => {
    const count = of.reduce((sum, stageCounts) => sum + (stageCounts.get(look) ?? 0), 0);
    return count > 0 ? [[look, count] as const] : [];
  });
}

const FIRST: readonly LookName[] = [
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
const ORDER = (Object.keys(LOOKS) as LookName[]).sort((a, b) => FIRST.indexOf(a) - FIRST.indexOf(b));
