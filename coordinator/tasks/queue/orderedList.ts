/** A list that stays in order: inserts and deletes by binary search in blocks, and walks from the front at the cost of an array. */

const BLOCK = 256;

export class OrderedList<T> {
  private readonly blocks: T[][] = [];
  private count = 0;

  /** Must order any two members that are not the same, and always alike while they are in the list. */
  constructor(private readonly before: (a: T, b: T) => boolean) {}

  get size(): number {
    return this.count;
  }

  first(): T | undefined {
    return this.blocks[0]?.[0];
  }

  /** Counted from 0. */
  nth(place: number): T | undefined {
    let left = place;
    for (const block of this.blocks) {
      if (left < block.length) return block[left];
      left -= block.length;
    }
    return undefined;
  }

  /** The member at a place of a walk, which begins with block 0 and offset 0. */
  at(block: number, offset: number): T | undefined {
    return this.blocks[block]?.[offset];
  }

  blockSize(block: number): number {
    return this.blocks[block]?.length ?? 0;
  }

  insert(member: T): void {
    this.count += 1;
    const index = Math.min(this.blockOf(member), this.blocks.length - 1);
    const block = this.blocks[index];
    if (!block) {
      this.blocks.push([member]);
      return;
    }
    block.splice(this.placeIn(block, member), 0, member);
    if (block.length > BLOCK) this.blocks.splice(index + 1, 0, block.splice(BLOCK >> 1));
  }

  /** Does nothing when it is not there. */
  delete(member: T): void {
    const index = this.blockOf(member);
    const block = this.blocks[index];
    if (!block) return;
    const place = this.placeIn(block, member);
    if (block[place] !== member) return;
    this.count -= 1;
    if (block.length === 1) this.blocks.splice(index, 1);
    else block.splice(place, 1);
  }

  /** The first `count` members. */
  head(count: number): T[] {
    const found: T[] = [];
    for (const block of this.blocks) {
      if (found.length >= count) break;
      found.push(...block.slice(0, count - found.length));
    }
    return found;
  }

  /** The first block whose last member does not come before `member`. */
  private blockOf(member: T): number {
    let low = 0;
    let high = this.blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const block = this.blocks[middle] as T[];
      if (this.before(block[block.length - 1] as T, member)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private placeIn(block: readonly T[], member: T): number {
    let low = 0;
    let high = block.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.before(block[middle] as T, member)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
