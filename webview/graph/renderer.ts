/** Draws a scene on a canvas: nodes with their signs when there is room, plain boxes when there is less, stages as columns when there is hardly any. */
import {LOOKS, type LookName} from '../theme/stateLook.ts';
import type {Box, Camera} from './camera.ts';
import {NODE_HEIGHT, NODE_WIDTH} from './layout.ts';
import type {Palette} from './palette.ts';
import {type Scene, tally} from './scene.ts';

/** Below this scale there is no text, and below that, no sign. */
const TEXT_SCALE = 0.42;
const SIGN_SCALE = 0.16;
/** Above this many nodes, stages are drawn instead of nodes that would be smaller than this, in pixels. */
const COLLAPSE_NODES = 300;
const COLLAPSE_HEIGHT = 4.5;
const RADIUS = 5;

export type Collapse = 'auto' | 'always';

export function isCollapsed(scene: Scene, camera: Camera, collapse: Collapse): boolean {
  if (collapse === 'always') return true;
  return scene.graph.nodes.length > COLLAPSE_NODES && NODE_HEIGHT * camera.scale < COLLAPSE_HEIGHT;
}

const SIGNS = new Map<LookName, Path2D>();

function sign(look: LookName): Path2D {
  const known = SIGNS.get(look) ?? new Path2D(LOOKS[look].path);
  SIGNS.set(look, known);
  return known;
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
  const small = camera.scale < SIGN_SCALE;
  context.lineWidth = thin * (small ? 0.5 : 1);
  context.strokeStyle = palette.edge;
  context.globalAlpha = scene.selected === undefined ? 1 : 0.45;
  context.stroke(small ? scene.plainEdges : scene.edges);
  context.globalAlpha = 1;
  context.lineWidth = thin * 2.5;
  context.strokeStyle = palette.critical;
  context.stroke(scene.criticalEdges);
  if (scene.selected === undefined) return;
  context.lineWidth = thin * 2;
  context.strokeStyle = palette.focus;
  context.stroke(scene.selectedEdges);
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
  const {context, scene, camera, palette} = drawing;
  toPlane(drawing);
  const byLook = new Map<LookName, number[]>();
  for (const index of nodes) {
    const look = scene.looks[index] ?? 'planned';
    const same = byLook.get(look);
    if (same) same.push(index);
    else byLook.set(look, [index]);
  }
  for (const [look, same] of byLook) {
    if (camera.scale < SIGN_SCALE) {
      for (const part of dimmed(scene, same)) {
        context.globalAlpha = part.alpha;
        context.fillStyle = palette.looks[look];
        context.beginPath();
        for (const index of part.nodes) plainBox(context, scene, index);
        context.fill();
      }
    } else for (const part of dimmed(scene, same)) drawCards(drawing, look, part.nodes, part.alpha);
  }
  context.globalAlpha = 1;
  drawMarks(drawing, nodes);
}

/** While something is searched, the rest steps back. */
function dimmed({matches}: Scene, nodes: readonly number[]): {nodes: readonly number[]; alpha: number}[] {
  if (!matches) return [{nodes, alpha: 1}];
  return [
    {nodes: nodes.filter(index => !matches.has(index)), alpha: 0.25},
    {nodes: nodes.filter(index => matches.has(index)), alpha: 1},
  ];
}

function box(context: CanvasRenderingContext2D, {layout}: Scene, index: number, grow: number): void {
  const x = (layout.x[index] ?? 0) - NODE_WIDTH / 2 - grow;
  const y = (layout.y[index] ?? 0) - NODE_HEIGHT / 2 - grow;
  const [width, height] = [NODE_WIDTH + 2 * grow, NODE_HEIGHT + 2 * grow];
  context.roundRect(x, y, width, height, RADIUS + grow);
}

function plainBox(context: CanvasRenderingContext2D, {layout}: Scene, index: number): void {
  const x = (layout.x[index] ?? 0) - NODE_WIDTH / 2;
  context.rect(x, (layout.y[index] ?? 0) - NODE_HEIGHT / 2, NODE_WIDTH, NODE_HEIGHT);
}

function drawCards(drawing: Drawing, look: LookName, nodes: readonly number[], alpha: number): void {
  const {context, scene, camera, palette} = drawing;
  const color = palette.looks[look];
  context.globalAlpha = alpha;
  context.beginPath();
  for (const index of nodes) box(context, scene, index, 0);
  context.fillStyle = palette.card;
  context.fill();
  context.lineWidth = Math.max(1.2, 1 / camera.scale);
  context.strokeStyle = color;
  if (look === 'planned' || look === 'pending') context.setLineDash([4, 3]);
  context.stroke();
  context.setLineDash([]);
  for (const index of nodes) drawSign(drawing, look, index);
  if (camera.scale >= TEXT_SCALE) drawTexts(drawing, nodes);
}

/** At the left of a card; as large as the card where there is no text. */
function drawSign({context, scene, camera, palette}: Drawing, look: LookName, index: number): void {
  const withText = camera.scale >= TEXT_SCALE;
  const size = withText ? 16 : 30;
  const x = (scene.layout.x[index] ?? 0) - (withText ? NODE_WIDTH / 2 - 10 : size / 2);
  const y = (scene.layout.y[index] ?? 0) - size / 2;
  context.save();
  context.translate(x, y);
  context.scale(size / 16, size / 16);
  context.lineWidth = 1.8;
  context.lineCap = 'round';
  context.lineJoin = 'round';
  context.strokeStyle = palette.looks[look];
  context.fillStyle = palette.looks[look];
  context.stroke(sign(look));
  if (LOOKS[look].filled) context.fill(sign(look));
  context.restore();
}

function drawTexts({context, scene, palette}: Drawing, nodes: readonly number[]): void {
  context.textBaseline = 'middle';
  const room = NODE_WIDTH - 44;
  for (const index of nodes) {
    const x = (scene.layout.x[index] ?? 0) - NODE_WIDTH / 2 + 34;
    const y = scene.layout.y[index] ?? 0;
    const detail = scene.details[index] ?? '';
    context.font = `600 12px ${palette.font}`;
    context.fillStyle = palette.text;
    const title = scene.graph.nodes[index]?.title ?? '';
    context.fillText(clipped(context, title, room), x, detail === '' ? y : y - 8);
    if (detail === '') continue;
    context.font = `11px ${palette.font}`;
    context.fillStyle = palette.quiet;
    context.fillText(clipped(context, detail, room), x, y + 9);
  }
}

const CLIPPED = new Map<string, string>();
const MAX_CLIPPED = 20_000;

function clipped(context: CanvasRenderingContext2D, text: string, room: number): string {
  const key = `${context.font}\n${text}`;
  const known = CLIPPED.get(key);
  if (known !== undefined) return known;
  if (CLIPPED.size > MAX_CLIPPED) CLIPPED.clear();
  let shown = text;
  if (context.measureText(text).width > room) {
    let [low, high] = [0, text.length];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (context.measureText(`${text.slice(0, middle)}…`).width <= room) low = middle;
      else high = middle - 1;
    }
    shown = `${text.slice(0, low).trimEnd()}…`;
  }
  CLIPPED.set(key, shown);
  return shown;
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

/** A column for each stage, divided by how its tasks look. */
function drawStages(drawing: Drawing): void {
  const {context, scene, palette} = drawing;
  for (const column of stageColumns(drawing)) {
    let top = column.top;
    for (const [look, count] of tally(scene.looks, scene.graph.stages[column.stage])) {
      const height = (column.height * count) / column.count;
      context.fillStyle = palette.card;
      context.strokeStyle = palette.looks[look];
      context.lineWidth = 1;
      context.fillRect(column.left, top, column.width, height);
      context.fillStyle = palette.looks[look];
      context.globalAlpha = 0.35;
      context.fillRect(column.left, top, column.width, height);
      context.globalAlpha = 1;
      context.strokeRect(column.left + 0.5, top + 0.5, column.width - 1, Math.max(0, height - 1));
      drawColumnSign(drawing, look, column.left + column.width / 2, top + height / 2, column.width, height);
      if (column.width >= 44 && height >= 34) {
        context.textAlign = 'center';
        context.font = `11px ${palette.font}`;
        context.fillStyle = palette.text;
        context.fillText(String(count), column.left + column.width / 2, top + height / 2 + 14);
        context.textAlign = 'start';
      }
      top += height;
    }
  }
}

function drawColumnSign(
  {context, palette}: Drawing,
  look: LookName,
  x: number,
  y: number,
  width: number,
  height: number,
): void {
  const size = Math.min(14, width - 2, height - 2);
  if (size < 5) return;
  context.save();
  context.translate(x - size / 2, y - size / 2 - (width >= 44 && height >= 34 ? 5 : 0));
  context.scale(size / 16, size / 16);
  context.lineWidth = 2;
  context.strokeStyle = palette.looks[look];
  context.stroke(sign(look));
  context.restore();
}

export interface StageColumn {
  readonly stage: number;
  readonly count: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Where the stages stand, in pixels. */
export function stageColumns({scene, camera}: Pick<Drawing, 'scene' | 'camera'>): StageColumn[] {
  const {graph, layout} = scene;
  const tallest = Math.max(1, ...graph.stages.map(({length}) => length));
  return graph.stages.map((nodes, stage) => {
    const x = (layout.x[nodes[0] ?? 0] ?? 0) * camera.scale + camera.x;
    const width = Math.max(6, NODE_WIDTH * camera.scale);
    // By the root, so that a stage of one is seen beside one of thousands.
    const height = Math.max(14, layout.height * camera.scale * Math.sqrt(nodes.length / tallest));
    const middle = (layout.height * camera.scale) / 2 + camera.y;
    return {stage, count: nodes.length, left: x - width / 2, top: middle - height / 2, width, height};
  });
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
