/** Cards without their text, drawn once for each look and size and then copied: thousands of rounded and dashed boxes cost too much for each frame. */
import {LOOKS, type LookName} from '../theme/stateLook.ts';
import {NODE_HEIGHT, NODE_WIDTH} from './layout.ts';
import type {Palette} from './palette.ts';

export const RADIUS = 5;

const SIGNS = new Map<LookName, Path2D>();

export function sign(look: LookName): Path2D {
  const known = SIGNS.get(look) ?? new Path2D(LOOKS[look].path);
  SIGNS.set(look, known);
  return known;
}

export class CardSprites {
  private readonly sprites = new Map<LookName, ImageBitmap>();
  private of: readonly unknown[] = [];
  /** Device pixels around the card. */
  private margin = 0;
  private scale = 1;
  private palette: Palette | undefined;
  private withText = false;

  /** `scale`: device pixels of a unit of the plane. `line`: width of the border in units. */
  use(palette: Palette, scale: number, line: number, withText: boolean): void {
    const of = [palette, scale, line, withText];
    if (of.every((part, at) => part === this.of[at])) return;
    for (const sprite of this.sprites.values()) sprite.close();
    this.sprites.clear();
    this.of = of;
    [this.palette, this.scale, this.withText] = [palette, scale, withText];
    this.margin = Math.ceil((line * scale) / 2) + 1;
  }

  /** In device pixels: (x, y) is the corner of the card. */
  put(context: CanvasRenderingContext2D, look: LookName, x: number, y: number): void {
    const sprite = this.sprites.get(look) ?? this.make(look);
    if (sprite) context.drawImage(sprite, Math.round(x) - this.margin, Math.round(y) - this.margin);
  }

  private make(look: LookName): ImageBitmap | undefined {
    const {palette, scale, margin} = this;
    const canvas = new OffscreenCanvas(
      Math.ceil(NODE_WIDTH * scale) + 2 * margin,
      Math.ceil(NODE_HEIGHT * scale) + 2 * margin,
    );
    const context = canvas.getContext('2d');
    if (!context || !palette) return undefined;
    const color = palette.looks[look];
    const line = Number(this.of[2]);
    context.setTransform(scale, 0, 0, scale, margin, margin);
    context.beginPath();
    context.roundRect(0, 0, NODE_WIDTH, NODE_HEIGHT, RADIUS);
    context.fillStyle = palette.card;
    context.fill();
    context.lineWidth = line;
    context.strokeStyle = color;
    if (look === 'planned' || look === 'pending') context.setLineDash([4, 3]);
    context.stroke();
    context.setLineDash([]);
    // At the left of a card; as large as the card where there is no text.
    const size = this.withText ? 16 : 30;
    context.translate(this.withText ? 10 : (NODE_WIDTH - size) / 2, (NODE_HEIGHT - size) / 2);
    context.scale(size / 16, size / 16);
    context.lineWidth = 1.8;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.fillStyle = color;
    context.stroke(sign(look));
    if (LOOKS[look].filled) context.fill(sign(look));
    const sprite = canvas.transferToImageBitmap();
    this.sprites.set(look, sprite);
    return sprite;
  }
}
