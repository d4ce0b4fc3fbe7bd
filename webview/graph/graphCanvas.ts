/** The canvas of a graph: pan, zoom and pick with pointer and wheel, drawn when something changed and at most once a frame. */
import {css, html, type TemplateResult} from 'lit';
import {define, McpxElement} from '../shell/element.ts';
import {shared} from '../theme/tokens.ts';
import {type Camera, fitted, moved, revealing, toPlane, zoomed} from './camera.ts';
import {CardSprites} from './cardSprites.ts';
import {NODE_WIDTH} from './layout.ts';
import {onThemeChange, type Palette, readPalette} from './palette.ts';
import {
  type Collapse,
  type Drawing,
  draw,
  drawChanged,
  drawEdges,
  forgetTexts,
  isCollapsed,
  nodeAt,
} from './renderer.ts';
import type {Scene} from './scene.ts';
import {stageColumns} from './stageColumns.ts';

/** A pointer that moves less than this between down and up has clicked. */
const CLICK_PX = 4;
const WHEEL_STEP = 0.0016;

export class GraphCanvas extends McpxElement {
  static override styles = [
    shared,
    css`
      :host {
        display: block;
        position: relative;
        overflow: hidden;
        min-width: 0;
      }
      canvas {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        touch-action: none;
        cursor: grab;
      }
      canvas:active {
        cursor: grabbing;
      }
    `,
  ];

  private scene: Scene | undefined;
  private camera: Camera = {scale: 1, x: 0, y: 0};
  private view = {width: 0, height: 0};
  private palette: Palette | undefined;
  private frame = 0;
  private readonly layer = document.createElement('canvas');
  /** What the layer of edges was drawn from. */
  private layerOf: readonly unknown[] = [];
  private readonly sprites = new CardSprites();
  /** Nodes that look different from what is drawn; `all` when anything else does. */
  private changed: Set<number> | 'all' = 'all';
  private collapse: Collapse = 'auto';
  private focused = false;
  /** A person moved it: it is not fitted by itself any more. */
  private steered = false;
  /** For measurements. */
  framesDrawn = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    this.hold(
      onThemeChange(() => {
        this.palette = undefined;
        forgetTexts();
        this.redraw();
      }),
    );
    this.holdSize(() => this.resize());
    this.hold({dispose: () => cancelAnimationFrame(this.frame)});
  }

  override firstUpdated(): void {
    this.resize();
  }

  /** Another graph, or another layout of the same: what was in the middle stays there when a person has chosen it. */
  show(scene: Scene, sameGraph: boolean): void {
    const before = this.scene;
    this.scene = scene;
    const anchor = sameGraph && this.steered && before ? this.anchorOf(before) : undefined;
    if (anchor === undefined) {
      if (!sameGraph) this.steered = false;
      this.fit();
    } else {
      const dx = (scene.layout.x[anchor.index] ?? 0) - anchor.x;
      const dy = (scene.layout.y[anchor.index] ?? 0) - anchor.y;
      this.camera = moved(this.camera, -dx * this.camera.scale, -dy * this.camera.scale);
      this.redraw();
    }
  }

  /** Marks of the scene or its place changed. */
  redraw(): void {
    this.changed = 'all';
    this.schedule();
  }

  /** The look or the texts of one node changed. */
  redrawNode(index: number): void {
    if (this.changed !== 'all') this.changed.add(index);
    this.schedule();
  }

  private schedule(): void {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => this.paint());
  }

  setCollapse(collapse: Collapse): void {
    this.collapse = collapse;
    this.redraw();
  }

  setFocused(focused: boolean): void {
    this.focused = focused;
    this.redraw();
  }

  fit(): void {
    if (!this.scene) return;
    this.steered = false;
    this.camera = fitted(this.scene.layout, this.view);
    this.redraw();
  }

  zoomBy(factor: number): void {
    this.steered = true;
    this.camera = zoomed(this.camera, factor, this.view.width / 2, this.view.height / 2);
    this.redraw();
  }

  reveal(index: number): void {
    const layout = this.scene?.layout;
    if (!layout) return;
    const before = this.camera;
    this.camera = revealing(before, {x: layout.x[index] ?? 0, y: layout.y[index] ?? 0}, this.view);
    if (this.camera !== before) this.steered = true;
    this.redraw();
  }

  override render(): TemplateResult {
    return html`<canvas
      aria-hidden="true"
      @pointerdown=${this.onPointerDown}
      @wheel=${this.onWheel}
      @dblclick=${() => this.zoomBy(1.6)}
    ></canvas>`;
  }

  private get canvas(): HTMLCanvasElement | null {
    return this.renderRoot.querySelector('canvas');
  }

  /** The node nearest to the middle of the view, with its place. */
  private anchorOf({layout, selected, graph}: Scene): {index: number; x: number; y: number} | undefined {
    const middle = toPlane(this.camera, this.view.width / 2, this.view.height / 2);
    let nearest = selected;
    let distance = Number.POSITIVE_INFINITY;
    for (let index = 0; selected === undefined && index < graph.nodes.length; index++) {
      const away = Math.hypot((layout.x[index] ?? 0) - middle.x, (layout.y[index] ?? 0) - middle.y);
      if (away >= distance) continue;
      [nearest, distance] = [index, away];
    }
    if (nearest === undefined) return undefined;
    return {index: nearest, x: layout.x[nearest] ?? 0, y: layout.y[nearest] ?? 0};
  }

  private resize(): void {
    const {canvas} = this;
    if (!canvas) return;
    const {width, height} = this.getBoundingClientRect();
    if (width === this.view.width && height === this.view.height) return;
    this.view = {width, height};
    canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
    canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
    if (this.scene && !this.steered) this.camera = fitted(this.scene.layout, this.view);
    this.changed = 'all';
    this.paint();
  }

  private paint(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const context = this.canvas?.getContext('2d');
    if (!context || !this.scene || this.view.width === 0) return;
    this.palette ??= readPalette();
    const drawing: Drawing = {
      context,
      scene: this.scene,
      camera: this.camera,
      view: this.view,
      density: devicePixelRatio,
      palette: this.palette,
      collapse: this.collapse,
      hasFocus: this.focused,
      sprites: this.sprites,
    };
    const {changed} = this;
    this.changed = new Set();
    const edges = this.edgeLayer(drawing);
    if (changed === 'all') draw(drawing, edges);
    else drawChanged(drawing, edges, changed);
    this.framesDrawn += 1;
  }

  /** Edges are drawn again only when they would look different: thousands of lines cost more than all else. */
  private edgeLayer(drawing: Drawing): HTMLCanvasElement {
    const {scene, camera, view, density, palette} = drawing;
    const drawn = [scene, scene.criticalEdges, scene.selectedEdges, camera, view, density, palette];
    const {layer} = this;
    if (isCollapsed(scene, camera, drawing.collapse)) return layer;
    if (drawn.every((part, at) => part === this.layerOf[at])) return layer;
    this.layerOf = drawn;
    layer.width = Math.max(1, Math.round(view.width * density));
    layer.height = Math.max(1, Math.round(view.height * density));
    const context = layer.getContext('2d');
    if (context) drawEdges({...drawing, context});
    return layer;
  }

  private onPointerDown(down: PointerEvent): void {
    if (down.button !== 0) return;
    const canvas = down.currentTarget as HTMLCanvasElement;
    let last = {x: down.clientX, y: down.clientY};
    let travelled = 0;
    const over = new AbortController();
    const {signal} = over;
    canvas.setPointerCapture(down.pointerId);
    canvas.addEventListener(
      'pointermove',
      move => {
        const [dx, dy] = [move.clientX - last.x, move.clientY - last.y];
        last = {x: move.clientX, y: move.clientY};
        travelled += Math.hypot(dx, dy);
        if (travelled < CLICK_PX) return;
        this.steered = true;
        this.camera = moved(this.camera, dx, dy);
        this.redraw();
      },
      {signal},
    );
    const end = (up: PointerEvent): void => {
      over.abort();
      if (travelled < CLICK_PX && up.type === 'pointerup') this.pick(up.offsetX, up.offsetY);
    };
    canvas.addEventListener('pointerup', end, {signal});
    canvas.addEventListener('pointercancel', end, {signal});
  }

  private pick(x: number, y: number): void {
    const {scene, camera} = this;
    if (!scene) return;
    if (isCollapsed(scene, camera, this.collapse)) {
      const column = stageColumns({scene, camera}).find(({left, width}) => x >= left && x <= left + width);
      const first = column && scene.graph.stages[column.stage]?.[0];
      if (first === undefined || this.collapse === 'always') return;
      this.steered = true;
      const plane = toPlane(camera, x, y);
      const scale = Math.min(0.6, this.view.width / (NODE_WIDTH * 6));
      this.camera = {
        scale,
        x: this.view.width / 2 - plane.x * scale,
        y: this.view.height / 2 - plane.y * scale,
      };
      this.redraw();
      return;
    }
    const plane = toPlane(camera, x, y);
    const index = nodeAt(scene, plane.x, plane.y);
    this.dispatchEvent(new CustomEvent<number | undefined>('pick', {detail: index}));
  }

  /** A wheel zooms with ctrl, as a pinch arrives, and otherwise moves, as a touchpad does. */
  private onWheel(event: WheelEvent): void {
    event.preventDefault();
    this.steered = true;
    const zooms = event.ctrlKey || event.metaKey || (event.deltaX === 0 && Math.abs(event.deltaY) >= 100);
    this.camera = zooms
      ? zoomed(
          this.camera,
          Math.exp(-event.deltaY * WHEEL_STEP * (event.ctrlKey ? 6 : 1)),
          event.offsetX,
          event.offsetY,
        )
      : moved(this.camera, -event.deltaX, -event.deltaY);
    this.redraw();
  }
}
define('mcpx-graph-canvas', GraphCanvas);
