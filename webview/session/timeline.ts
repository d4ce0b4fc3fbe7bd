/** The session's attempts over time, a lane an agent: zoomed and moved with the wheel, picked with a click. The table beside it says the same in words. */
import {css, html, type TemplateResult} from 'lit';
import {onThemeChange, type Palette, readPalette} from '../graph/palette.ts';
import {define, McpxElement} from '../shell/element.ts';
import {t} from '../shell/l10n.ts';
import {toolIcon} from '../theme/icons.ts';
import {LOOKS, lookOfOutcome} from '../theme/stateLook.ts';
import {shared} from '../theme/tokens.ts';
import {axisTime, type Bar, type Lane, tickStep} from './lanes.ts';

const ROW = 22;
const LANE_GAP = 6;
const AXIS = 22;
const LABEL = 110;
/** Room of the tools over the axis. */
const TOOLS = 112;
const MIN_TICK_PX = 70;
const WHEEL_STEP = 0.0016;

const SIGNS = new Map<string, Path2D>();

function signPath(path: string): Path2D {
  const known = SIGNS.get(path) ?? new Path2D(path);
  SIGNS.set(path, known);
  return known;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

interface Placed {
  readonly bar: Bar;
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

export class Timeline extends McpxElement {
  static override properties = {
    lanes: {attribute: false},
    span: {attribute: false},
    chosen: {},
    at: {attribute: false},
    titles: {attribute: false},
  };

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        position: relative;
        overflow-y: auto;
        overflow-x: hidden;
      }
      canvas {
        display: block;
        width: 100%;
        cursor: pointer;
        touch-action: pan-y;
      }
      .tools {
        position: absolute;
        top: 0;
        right: 4px;
        display: flex;
        background: var(--vscode-editor-background);
      }
      .tools .tool {
        min-width: 22px;
        height: 20px;
        padding: 0 3px;
      }
    `,
  ];

  lanes: readonly Lane[] = [];
  /** The whole session. */
  span: Span = {from: 0, to: 1};
  /** Id of the attempt that is shown beside. */
  chosen: string | undefined;
  /** Where the past is looked at, in wall time. */
  at: number | undefined;
  titles: ReadonlyMap<string, string> = new Map();
  /** What is seen of it; undefined: all. */
  private window: Span | undefined;
  private palette: Palette | undefined;
  private placed: Placed[] = [];
  private width = 0;
  private frame = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    const repaint = (): void => {
      this.palette = undefined;
      this.redraw();
    };
    this.hold(onThemeChange(repaint));
    this.holdSize(size => {
      this.width = size?.width ?? 0;
      this.redraw();
    });
    this.hold({dispose: () => cancelAnimationFrame(this.frame)});
  }

  override updated(): void {
    this.redraw();
  }

  override render(): TemplateResult {
    const tool = (name: 'minus' | 'plus' | 'fit', label: string, run: () => void): TemplateResult =>
      html`<button class="tool" aria-label=${label} title=${label} @click=${run}>${toolIcon(name)}</button>`;
    return html`<canvas aria-hidden="true" @wheel=${this.onWheel} @click=${this.onClick}></canvas>
      <div class="tools" role="toolbar" aria-label=${t('Timeline')}>
        ${tool('minus', t('Zoom out'), () => this.zoom(1 / 1.6))}
        ${tool('plus', t('Zoom in'), () => this.zoom(1.6))}
        ${tool('fit', t('Show all'), () => {
          this.window = undefined;
          this.redraw();
        })}
      </div>`;
  }

  private redraw(): void {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  private get seen(): Span {
    return this.window ?? this.span;
  }

  private paint(): void {
    const canvas = this.renderRoot.querySelector('canvas');
    const context = canvas?.getContext('2d');
    if (!canvas || !context || this.width === 0) return;
    const rows = this.lanes.reduce((sum, lane) => sum + lane.rows, 0);
    const height = AXIS + rows * ROW + this.lanes.length * LANE_GAP + 4;
    canvas.width = Math.round(this.width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    canvas.style.setProperty('height', `${height}px`);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    this.palette ??= readPalette();
    this.paintAxis(context, height, this.palette);
    this.placed = [];
    let y = AXIS;
    for (const lane of this.lanes) {
      this.paintLane(context, lane, y, this.palette);
      y += lane.rows * ROW + LANE_GAP;
    }
  }

  private xOf(wallMs: number): number {
    const {from, to} = this.seen;
    return LABEL + ((wallMs - from) / Math.max(1, to - from)) * (this.width - LABEL - 8);
  }

  private paintAxis(context: CanvasRenderingContext2D, height: number, palette: Palette): void {
    const {from, to} = this.seen;
    const step = tickStep((to - from) / Math.max(1, this.width - LABEL), MIN_TICK_PX);
    context.font = `11px ${palette.font}`;
    context.textBaseline = 'middle';
    const first = Math.ceil((from - this.span.from) / step) * step;
    for (let ms = first; ms <= to - this.span.from; ms += step) {
      const x = Math.round(this.xOf(this.span.from + ms)) + 0.5;
      context.strokeStyle = palette.edge;
      context.globalAlpha = 0.4;
      context.beginPath();
      context.moveTo(x, AXIS - 4);
      context.lineTo(x, height);
      context.stroke();
      context.globalAlpha = 1;
      context.fillStyle = palette.quiet;
      if (x < this.width - TOOLS) context.fillText(axisTime(ms, step), x + 3, AXIS / 2);
    }
    if (this.at === undefined) return;
    const x = this.xOf(this.at);
    context.strokeStyle = palette.focus;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, height);
    context.stroke();
    context.lineWidth = 1;
  }

  private paintLane(context: CanvasRenderingContext2D, lane: Lane, top: number, palette: Palette): void {
    context.fillStyle = palette.text;
    context.font = `12px ${palette.font}`;
    context.save();
    context.beginPath();
    context.rect(0, top, LABEL - 8, lane.rows * ROW);
    context.clip();
    context.fillText(lane.agentId, 2, top + ROW / 2);
    context.restore();
    context.save();
    context.beginPath();
    context.rect(LABEL, top, this.width - LABEL, lane.rows * ROW + LANE_GAP);
    context.clip();
    for (const bar of lane.bars) this.paintBar(context, bar, top, palette);
    context.restore();
  }

  private paintBar(context: CanvasRenderingContext2D, bar: Bar, top: number, palette: Palette): void {
    const x = this.xOf(bar.from);
    const width = Math.max(3, this.xOf(bar.to) - x);
    if (x > this.width || x + width < LABEL) return;
    const y = top + bar.row * ROW + 2;
    const height = ROW - 4;
    this.placed.push({bar, x, y, width});
    const look = lookOfOutcome(bar.attempt.outcome);
    const color = palette.looks[look];
    context.beginPath();
    context.roundRect(x, y, width, height, 3);
    context.fillStyle = palette.card;
    context.fill();
    context.globalAlpha = 0.22;
    context.fillStyle = color;
    context.fill();
    context.globalAlpha = 1;
    const chosen = bar.attempt.id === this.chosen;
    context.strokeStyle = chosen ? palette.focus : color;
    context.lineWidth = chosen ? 2.5 : 1;
    if (look === 'lost') context.setLineDash([3, 2]);
    context.stroke();
    context.setLineDash([]);
    context.lineWidth = 1;
    if (width < 20) return;
    this.paintSign(context, LOOKS[look].path, color, Math.max(x, LABEL) + 4, y + 3);
    const gates = bar.attempt.gates ?? [];
    const gatesWidth = width > 60 ? gates.length * 14 : 0;
    for (const [at, gate] of gates.entries())
      if (gatesWidth > 0) {
        const gateLook = gate.passed ? 'verifying' : 'failed';
        const signX = x + width - gatesWidth + at * 14 - 2;
        this.paintSign(context, LOOKS.verifying.path, palette.looks[gateLook], signX, y + 3);
      }
    const title = this.titles.get(bar.attempt.taskId) ?? bar.attempt.taskId;
    const textX = Math.max(x, LABEL) + 20;
    const room = x + width - gatesWidth - 6 - textX;
    if (room < 24) return;
    context.save();
    context.beginPath();
    context.rect(textX, y, room, height);
    context.clip();
    context.fillStyle = palette.text;
    context.font = `11px ${palette.font}`;
    const tries = bar.attempt.number > 1 ? ` (${bar.attempt.number})` : '';
    context.fillText(`${title}${tries}`, textX, y + height / 2);
    context.restore();
  }

  private paintSign(
    context: CanvasRenderingContext2D,
    path: string,
    color: string,
    x: number,
    y: number,
  ): void {
    context.save();
    context.translate(x, y);
    context.scale(0.75, 0.75);
    context.lineWidth = 1.8;
    context.strokeStyle = color;
    context.stroke(signPath(path));
    context.restore();
  }

  private zoom(factor: number, aroundX = (this.width + LABEL) / 2): void {
    const {from, to} = this.seen;
    const share = Math.max(0, Math.min(1, (aroundX - LABEL) / Math.max(1, this.width - LABEL)));
    const at = from + (to - from) * share;
    const length = Math.max(200, Math.min(this.span.to - this.span.from, (to - from) / factor));
    this.moveTo(at - length * share, length);
  }

  private moveTo(from: number, length: number): void {
    if (length >= this.span.to - this.span.from) this.window = undefined;
    else {
      const start = Math.max(this.span.from, Math.min(this.span.to - length, from));
      this.window = {from: start, to: start + length};
    }
    this.redraw();
  }

  private onWheel(event: WheelEvent): void {
    const {from, to} = this.seen;
    if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-event.deltaY * WHEEL_STEP * 4), event.offsetX);
    else if (event.deltaX !== 0 || event.shiftKey) {
      const px = event.deltaX === 0 ? event.deltaY : event.deltaX;
      this.moveTo(from + (px * (to - from)) / Math.max(1, this.width - LABEL), to - from);
    } else return;
    event.preventDefault();
  }

  private onClick(event: MouseEvent): void {
    const hit = this.placed.find(
      ({x, y, width}) =>
        event.offsetX >= x - 2 &&
        event.offsetX <= x + width + 2 &&
        event.offsetY >= y &&
        event.offsetY <= y + ROW,
    );
    if (hit) this.dispatchEvent(new CustomEvent('choose', {detail: hit.bar.attempt.id}));
  }
}
define('mcpx-timeline', Timeline);
