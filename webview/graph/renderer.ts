/**
 * Draws a scene on a canvas: nodes with their signs when there is room, plain boxes when there is less, stages as columns when there is hardly any.
 * Where only some nodes changed, only they and what touches them are drawn.
 */
import type {LookName} from '../theme/stateLook.ts';
import type {Box, Camera} from './camera.ts';
import {type CardSprites, RADIUS} from './cardSprites.ts';
import {NODE_HEIGHT, NODE_WIDTH} from './layout.ts';
import type {Palette} from './palette.ts';
import {type Scene, secondLine, traceEdge} from './scene.ts';
import {drawStages} from './stageColumns.ts';

/** Below this scale there is no text, and below that, no sign. */
const TEXT_SCALE = 0.42;
const SIGN_SCALE = 0.16;
/** Above this many nodes, stages are drawn instead of nodes that would be smaller than this, in pixels. */
const COLLAPSE_NODES = 300;
const COLLAPSE_HEIGHT = 4.5;
/** Lines of one stroke: one of thousands takes far longer than many of some. */
const STROKE_EDGES = 200;
/** More changes than this are drawn as a whole. */
const MAX_PARTS = 250;

export type Collapse = 'auto' | 'always';

export function isCollapsed(scene: Scene, camera: Camera, collapse: Collapse): boolean {
  if (collapse === 'always') return true;
  return scene.graph.nodes.length > COLLAPSE_NODES && NODE_HEIGHT * camera.scale < COLLAPSE_HEIGHT;
}

export interface Drawing {
  readonly context: CanvasRenderingContext2D;
  readonly scene: Scene;
  readonly camera: Camera;
  readonly view: Box;
  /** Device pixels of a pixel. */
  readonly density: number;
  readonly palette: Palette;
  readonly collapse: Collapse;
  readonly hasFocus: boolean;
  readonly sprites: CardSprites;
}

/** `edges`: what `drawEdges` drew with the same camera. */
export function draw(drawing: Drawing, edges: CanvasImageSource): void {
  const {context, scene, camera, view, density, collapse} = drawing;
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  if (isCollapsed(scene, camera, collapse)) drawStages(drawing);
  else {
    context.drawImage(edges, 0, 0, view.width, view.height);
    drawNodes(drawing, visible(drawing));
  }
}

/** These nodes alone look different from what `draw` drew. */
export function drawChanged(drawing: Drawing, edges: CanvasImageSource, changed: ReadonlySet<number>): void {
  const {context, scene, camera, density, collapse} = drawing;
  if (isCollapsed(scene, camera, collapse)) {
    context.setTransform(density, 0, 0, density, 0, 0);
    drawStages(drawing, new Set([...changed].map(index => scene.graph.stageOf[index] ?? 0)));
    return;
  }
  const seen = visible(drawing);
  const parts = seen.filter(index => changed.has(index));
  if (parts.length > MAX_PARTS) draw(drawing, edges);
  else for (const index of parts) drawPart(drawing, edges, index, seen);
}

/** A node's card and as much around it as marks take, with whatever of its neighbours reaches in there. */
function drawPart(drawing: Drawing, edges: CanvasImageSource, index: number, seen: readonly number[]): void {
  const {context, scene, camera, density} = drawing;
  const reach = 5 + 3 * Math.max(1, 1 / camera.scale);
  const [x = 0, y = 0] = [scene.layout.x[index], scene.layout.y[index]];
  const scale = camera.scale * density;
  const left = Math.floor((x - NODE_WIDTH / 2 - reach) * scale + camera.x * density);
  const top = Math.floor((y - NODE_HEIGHT / 2 - reach) * scale + camera.y * density);
  const width = Math.ceil((NODE_WIDTH + 2 * reach) * scale) + 1;
  const height = Math.ceil((NODE_HEIGHT + 2 * reach) * scale) + 1;
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.clearRect(left, top, width, height);
  context.drawImage(edges, left, top, width, height, left, top, width, height);
  const near = seen.filter(
    other =>
      Math.abs((scene.layout.x[other] ?? 0) - x) <= NODE_WIDTH + 2 * reach &&
      Math.abs((scene.layout.y[other] ?? 0) - y) <= NODE_HEIGHT + 2 * reach,
  );
  drawNodes(drawing, near);
  context.restore();
}

function toPlane({context, camera, density}: Drawing): void {
  const scale = camera.scale * density;
  context.setTransform(scale, 0, 0, scale, camera.x * density, camera.y * density);
}

/** Alone on their canvas: they change with the camera, not with the states of tasks. */
export function drawEdges(drawing: Drawing): void {
  const {context, scene, camera, palette, view, density} = drawing;
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  toPlane(drawing);
  const thin = 1 / camera.scale;
  context.lineWidth = thin * (camera.scale < SIGN_SCALE ? 0.5 : 1);
  context.strokeStyle = palette.edge;
  context.globalAlpha = scene.selected === undefined ? 1 : 0.45;
  strokeAll(drawing);
  context.globalAlpha = 1;
  context.lineWidth = thin * 2.5;
  context.strokeStyle = palette.critical;
  context.stroke(scene.criticalEdges);
  if (scene.selected === undefined) return;
  context.lineWidth = thin * 2;
  context.strokeStyle = palette.focus;
  context.stroke(scene.selectedEdges);
}

/** Those that are in view; as straight lines when they are small. */
function strokeAll({context, scene, camera, view}: Drawing): void {
  const {ends, bounds, layout} = scene;
  const small = camera.scale < SIGN_SCALE;
  const [left, top] = [-camera.x / camera.scale, -camera.y / camera.scale];
  const [right, bottom] = [left + view.width / camera.scale, top + view.height / camera.scale];
  let traced = 0;
  context.beginPath();
  for (let edge = 0; edge < ends.length / 2; edge++) {
    const at = edge * 4;
    if ((bounds[at] ?? 0) > right || (bounds[at + 2] ?? 0) < left) continue;
    if ((bounds[at + 1] ?? 0) > bottom || (bounds[at + 3] ?? 0) < top) continue;
    if (small) {
      const [from = 0, to = 0] = [ends[edge * 2], ends[edge * 2 + 1]];
      context.moveTo(layout.x[from] ?? 0, layout.y[from] ?? 0);
      context.lineTo(layout.x[to] ?? 0, layout.y[to] ?? 0);
    } else traceEdge(context, layout, edge);
    traced += 1;
    if (traced % STROKE_EDGES !== 0) continue;
    context.stroke();
    context.beginPath();
  }
  context.stroke();
}

/** Nodes in view. */
function visible({scene: {layout, graph}, camera, view}: Drawing): number[] {
  const left = -camera.x / camera.scale - NODE_WIDTH / 2;
  const right = (view.width - camera.x) / camera.scale + NODE_WIDTH / 2;
  const top = -camera.y / camera.scale - NODE_HEIGHT / 2;
  const bottom = (view.height - camera.y) / camera.scale + NODE_HEIGHT / 2;
  const found: number[] = [];
  for (let index = 0; index < graph.nodes.length; index++) {
    const [x = 0, y = 0] = [layout.x[index], layout.y[index]];
    if (x >= left && x <= right && y >= top && y <= bottom) found.push(index);
  }
  return found;
}

function drawNodes(drawing: Drawing, nodes: readonly number[]): void {
  const {context, scene, camera, palette, density, sprites} = drawing;
  const scale = camera.scale * density;
  const isPlain = camera.scale < SIGN_SCALE;
  const withText = camera.scale >= TEXT_SCALE;
  if (!isPlain) sprites.use(palette, scale, Math.max(1.2, 1 / camera.scale), withText);
  context.setTransform(1, 0, 0, 1, 0, 0);
  let last: LookName | undefined;
  for (const index of nodes) {
    const look = scene.looks[index] ?? 'planned';
    const x = ((scene.layout.x[index] ?? 0) - NODE_WIDTH / 2) * scale + camera.x * density;
    const y = ((scene.layout.y[index] ?? 0) - NODE_HEIGHT / 2) * scale + camera.y * density;
    context.globalAlpha = alphaOf(scene, index);
    if (isPlain) {
      if (look !== last) context.fillStyle = palette.looks[look];
      last = look;
      context.fillRect(
        Math.round(x),
        Math.round(y),
        Math.ceil(NODE_WIDTH * scale),
        Math.ceil(NODE_HEIGHT * scale),
      );
    } else sprites.put(context, look, x, y);
  }
  toPlane(drawing);
  if (withText) drawTexts(drawing, nodes);
  context.globalAlpha = 1;
  drawMarks(drawing, nodes);
}

/** While something is searched, the rest steps back. */
function alphaOf({matches}: Scene, index: number): number {
  return !matches || matches.has(index) ? 1 : 0.25;
}

function box(context: CanvasRenderingContext2D, {layout}: Scene, index: number, grow: number): void {
  const x = (layout.x[index] ?? 0) - NODE_WIDTH / 2 - grow;
  const y = (layout.y[index] ?? 0) - NODE_HEIGHT / 2 - grow;
  const [width, height] = [NODE_WIDTH + 2 * grow, NODE_HEIGHT + 2 * grow];
  context.roundRect(x, y, width, height, RADIUS + grow);
}

/** All titles and then all details: a font that is set costs more than a word that is drawn. */
function drawTexts({context, scene, palette}: Drawing, nodes: readonly number[]): void {
  context.textBaseline = 'middle';
  const put = (index: number, kind: string, text: string, dy: number): void => {
    const x = (scene.layout.x[index] ?? 0) - NODE_WIDTH / 2 + 34;
    context.globalAlpha = alphaOf(scene, index);
    context.fillText(clipped(context, kind, text), x, (scene.layout.y[index] ?? 0) + dy);
  };
  context.font = `600 12px ${palette.font}`;
  context.fillStyle = palette.text;
  for (const index of nodes)
    put(index, 'title', scene.graph.nodes[index]?.title ?? '', secondLine(scene, index) === '' ? 0 : -8);
  context.font = `11px ${palette.font}`;
  context.fillStyle = palette.quiet;
  for (const index of nodes) {
    const line = secondLine(scene, index);
    if (line !== '') put(index, 'detail', line, 9);
  }
}

/** Measured once: by kind, which has one font, and text. */
const CLIPPED = new Map<string, string>();
const MAX_CLIPPED = 20_000;
const ROOM = NODE_WIDTH - 44;

function clipped(context: CanvasRenderingContext2D, kind: string, text: string): string {
  const key = `${kind}\n${text}`;
  const known = CLIPPED.get(key);
  if (known !== undefined) return known;
  if (CLIPPED.size > MAX_CLIPPED) CLIPPED.clear();
  let shown = text;
  if (context.measureText(text).width > ROOM) {
    let [low, high] = [0, text.length];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (context.measureText(`${text.slice(0, middle)}…`).width <= ROOM) low = middle;
      else high = middle - 1;
    }
    shown = `${text.slice(0, low).trimEnd()}…`;
  }
  CLIPPED.set(key, shown);
  return shown;
}

/** Fonts may be others: after a change of theme. */
export function forgetTexts(): void {
  CLIPPED.clear();
}

/** The chain that decides when it ends, and what is selected. */
function drawMarks({context, scene, camera, palette, hasFocus}: Drawing, nodes: readonly number[]): void {
  const thin = 1 / camera.scale;
  context.lineWidth = Math.max(2.2, 2 * thin);
  context.strokeStyle = palette.critical;
  context.beginPath();
  for (const index of nodes) if (scene.critical.has(index)) box(context, scene, index, 2);
  context.stroke();
  if (scene.selected === undefined) return;
  context.lineWidth = (hasFocus ? 3 : 2) * Math.max(1, thin);
  context.strokeStyle = palette.focus;
  context.beginPath();
  box(context, scene, scene.selected, 5);
  context.stroke();
}

/** The node at a point of the plane. */
export function nodeAt({graph, layout}: Scene, x: number, y: number): number | undefined {
  for (let index = graph.nodes.length - 1; index >= 0; index--)
    if (
      Math.abs((layout.x[index] ?? 0) - x) <= NODE_WIDTH / 2 &&
      Math.abs((layout.y[index] ?? 0) - y) <= NODE_HEIGHT / 2
    )
      return index;
  return undefined;
}
