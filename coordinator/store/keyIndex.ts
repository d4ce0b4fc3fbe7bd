/** Keys in order of their UTF-8 bytes, for prefix ranges: a sorted list cut into chunks, so that an insertion moves one chunk only. */

export interface Keyed {
  readonly key: string;
}

const CHUNK_ITEMS = 512;

/** Units from here on sort differently in UTF-16 than in UTF-8: surrogates stand for code points above U+FFFF. */
const FIRST_SURROGATE = 0xd800;
const PAST_SURROGATES = 0xe000;

/** Order of code points, which is the order of UTF-8 bytes, of well-formed strings. */
export function compareCodePoints(a: string, b: string): number {
  const common = Math.min(a.length, b.length);
  for (let at = 0; at < common; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= FIRST_SURROGATE && unit < PAST_SURROGATES ? unit + 0x10000 : unit;
}

function hasHighUnit(key: string): boolean {
  return /[\ud800-\uffff]/.test(key);
}

export class KeyIndex<T extends Keyed> {
  private chunks: T[][] = [];
  private items = 0;
  /** Until a key has such a unit, the engine's own comparison is right, and several times faster. */
  private highUnits = false;

  get size(): number {
    return this.items;
  }

  /** The key must be absent. */
  insert(item: T): void {
    if (!this.highUnits && hasHighUnit(item.key)) this.highUnits = true;
    this.items += 1;
    const last = this.chunks.length - 1;
    let at = this.chunkOf(item.key);
    if (at > last) {
      // Beyond every key: ascending insertions fill chunks whole instead of leaving halves.
      const tail = this.chunks[last];
      if (tail && tail.length < CHUNK_ITEMS) tail.push(item);
      else this.chunks.push([item]);
      return;
    }
    let chunk = this.chunks[at] ?? [];
    if (chunk.length >= CHUNK_ITEMS) {
      const upper = chunk.splice(CHUNK_ITEMS / 2);
      this.chunks.splice(at + 1, 0, upper);
      at = this.chunkOf(item.key);
      chunk = this.chunks[at] ?? [];
    }
    chunk.splice(this.positionIn(chunk, item.key), 0, item);
  }

  delete(key: string): void {
    const at = this.chunkOf(key);
    const chunk = this.chunks[at];
    if (!chunk) return;
    const position = this.positionIn(chunk, key);
    if (chunk[position]?.key !== key) return;
    this.items -= 1;
    chunk.splice(position, 1);
    if (chunk.length === 0) this.chunks.splice(at, 1);
  }

  /** Visits what starts with `prefix` in ascending order, beyond `after` where given, until `visit` returns false. */
  ascend(prefix: string, after: string | undefined, visit: (item: T) => boolean): void {
    const from = after !== undefined && this.less(prefix, after) ? after : prefix;
    let at = this.chunkOf(from);
    let chunk = this.chunks[at];
    let position = chunk ? this.positionIn(chunk, from) : 0;
    if (after !== undefined && chunk?.[position]?.key === after) position += 1;
    while (chunk) {
      for (; position < chunk.length; position++) {
        const item = chunk[position];
        if (!item?.key.startsWith(prefix) || !visit(item)) return;
      }
      at += 1;
      position = 0;
      chunk = this.chunks[at];
    }
  }

  /** As `ascend` from the other end: visits only keys below `before`. */
  descend(prefix: string, before: string | undefined, visit: (item: T) => boolean): void {
    const beyond = (key: string): boolean =>
      before !== undefined && !this.less(key, before)
        ? true
        : !key.startsWith(prefix) && this.less(prefix, key);
    let at = firstIndex(this.chunks.length, index => beyond(this.lastKey(index)));
    if (at === this.chunks.length) at -= 1;
    let chunk = this.chunks[at];
    if (!chunk) return;
    const whole = chunk;
    let position = firstIndex(whole.length, index => beyond(whole[index]?.key ?? '')) - 1;
    while (chunk) {
      for (; position >= 0; position--) {
        const item = chunk[position];
        if (!item?.key.startsWith(prefix) || !visit(item)) return;
      }
      at -= 1;
      chunk = this.chunks[at];
      position = (chunk?.length ?? 0) - 1;
    }
  }

  private less(a: string, b: string): boolean {
    return this.highUnits ? compareCodePoints(a, b) < 0 : a < b;
  }

  private lastKey(chunk: number): string {
    return this.chunks[chunk]?.at(-1)?.key ?? '';
  }

  /** The first chunk whose last key is not below `key`. */
  private chunkOf(key: string): number {
    return firstIndex(this.chunks.length, index => !this.less(this.lastKey(index), key));
  }

  private positionIn(chunk: readonly T[], key: string): number {
    return firstIndex(chunk.length, index => !this.less(chunk[index]?.key ?? '', key));
  }
}

/** The first index below `length` where the monotone `test` holds, else `length`. */
function firstIndex(length: number, test: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (test(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
