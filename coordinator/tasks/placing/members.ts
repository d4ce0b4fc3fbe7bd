/** A set of small whole numbers as a dense array: add, remove and walk without a hash. */

export class Members {
  readonly list: number[] = [];
  private readonly places: number[] = [];

  get size(): number {
    return this.list.length;
  }

  has(member: number): boolean {
    return (this.places[member] ?? 0) > 0;
  }

  add(member: number): void {
    if (this.has(member)) return;
    this.list.push(member);
    while (this.places.length <= member) this.places.push(0);
    this.places[member] = this.list.length;
  }

  remove(member: number): void {
    const place = this.places[member] ?? 0;
    if (place === 0) return;
    const last = this.list.pop() as number;
    if (last !== member) {
      this.list[place - 1] = last;
      this.places[last] = place;
    }
    this.places[member] = 0;
  }
}
