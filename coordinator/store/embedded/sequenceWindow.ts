/**
 * Values under rising numbers, most of which leave again in about the order they came. A Map does the same, but a long-lived one through which
 * many short-lived values pass is copied anew whenever it has filled up with the gaps they leave, and takes a part of every collection.
 */

const FIRST_SLOTS = 64;

export class SequenceWindow<T> {
  /** A power of two; a value is at its number modulo that. */
  private slots: (T | undefined)[] = new Array<T | undefined>(FIRST_SLOTS).fill(undefined);
  /** Nothing is below `first`, nor from `end` on. */
  private first = 0;
  private end = 0;
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(number: number): T | undefined {
    return number >= this.first && number < this.end
      ? this.slots[number & (this.slots.length - 1)]
      : undefined;
  }

  /** Above every number before. */
  add(number: number, value: T): void {
    if (this.count === 0) this.first = number;
    if (number - this.first >= this.slots.length) this.grow(number);
    this.slots[number & (this.slots.length - 1)] = value;
    this.end = number + 1;
    this.count += 1;
  }

  /** False when there was none. */
  delete(number: number): boolean {
    if (this.get(number) === undefined) return false;
    this.slots[number & (this.slots.length - 1)] = undefined;
    this.count -= 1;
    if (number === this.first) this.forward();
    return true;
  }

  /** By number. */
  *values(): Generator<T, void> {
    for (let number = this.first; number < this.end; number++) {
      const value = this.get(number);
      if (value !== undefined) yield value;
    }
  }

  clear(): void {
    this.slots = new Array<T | undefined>(FIRST_SLOTS).fill(undefined);
    this.first = this.end;
    this.count = 0;
  }

  private forward(): void {
    while (this.first < this.end && this.get(this.first) === undefined) this.first += 1;
  }

  private grow(number: number): void {
    let length = this.slots.length;
    while (number - this.first >= length) length *= 2;
    const slots = new Array<T | undefined>(length).fill(undefined);
    for (let at = this.first; at < this.end; at++) slots[at & (length - 1)] = this.get(at);
    this.slots = slots;
  }
}
