/** The graph from so far that its nodes would be dots: a column for each stage, divided by how its tasks look. */
import type {LookName} from '../theme/stateLook.ts';
import {sign} from './cardSprites.ts';
import {NODE_WIDTH} from './layout.ts';
import type {Drawing} from './renderer.ts';
import {tally} from './scene.ts';

export interface StageColumn {
  readonly stage: number;
  readonly count: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export function stageColumns({scene, camera}: Pick<Drawing, 'scene' | 'camera'>): StageColumn[] {
  const {layout, graph} = scene;
  const tallest = Math.max(1, ...graph.stages.map(({length}) => length));
  const middle = Math.round((layout.height * camera.scale) / 2 + camera.y);
  return graph.stages.map((nodes, stage) => {
    const x = (layout.x[nodes[0] ?? 0] ?? 0) * camera.scale + camera.x;
    const width = Math.max(4, Math.round(NODE_WIDTH * camera.scale));
    // By the root, so that a stage of one is seen beside one of thousands.
    const height = Math.max(14, layout.height * camera.scale * Math.sqrt(nodes.length / tallest));
    return {
      stage,
      count: nodes.length,
      left: Math.round(x - width / 2),
      top: middle - height / 2,
      width,
      height,
    };
  });
}

/** `stages`: only these, over what was drawn before. */
export function drawStages(drawing: Drawing, stages?: ReadonlySet<number>): void {
  const {context, view} = drawing;
  for (const column of stageColumns(drawing)) {
    if (column.left > view.width || column.left + column.width < 0) continue;
    if (stages && !stages.has(column.stage)) continue;
    if (stages) context.clearRect(column.left, 0, column.width, view.height);
    drawStage(drawing, column);
  }
}

function drawStage(drawing: Drawing, column: StageColumn): void {
  const {context, scene, palette} = drawing;
  let {top} = column;
  for (const [look, count] of tally(scene, column.stage)) {
    const height = (column.height * count) / column.count;
    context.fillStyle = palette.card;
    context.fillRect(column.left, top, column.width, height);
    context.fillStyle = palette.looks[look];
    context.globalAlpha = 0.35;
    context.fillRect(column.left, top, column.width, height);
    context.globalAlpha = 1;
    context.strokeStyle = palette.looks[look];
    context.lineWidth = 1;
    context.strokeRect(column.left + 0.5, top + 0.5, column.width - 1, Math.max(0, height - 1));
    const hasRoom = column.width >= 44 && height >= 34;
    drawSign(drawing, look, column, top + height / 2 - (hasRoom ? 5 : 0), height);
    if (hasRoom) {
      context.textAlign = 'center';
      context.font = `11px ${palette.font}`;
      context.fillStyle = palette.text;
      context.fillText(String(count), column.left + column.width / 2, top + height / 2 + 14);
      context.textAlign = 'start';
    }
    top += height;
  }
}

function drawSign(
  {context, palette}: Drawing,
  look: LookName,
  {left, width}: StageColumn,
  y: number,
  height: number,
): void {
  const size = Math.min(14, width - 2, height - 2);
  if (size < 5) return;
  context.save();
  context.translate(left + width / 2 - size / 2, y - size / 2);
  context.scale(size / 16, size / 16);
  context.lineWidth = 2;
  context.strokeStyle = palette.looks[look];
  context.stroke(sign(look));
  context.restore();
}
