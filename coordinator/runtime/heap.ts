/** A binary heap: the member that comes before all others is on top. */

export class Heap<T> {
  private readonly members: T[] = [];

  constructor(private readonly before: (a: T, b: T) => boolean) {}

  get size(): number {
    return this.members.length;
  }

  peek(): T | undefined {
    return this.members[0];
  }

  /** The first `count` members of the array: the top, then members near it in no exact order. */
  nearTop(count: number): readonly T[] {
    return this.members.slice(0, count);
  }

  push(member: T): void {
    const members = this.members;
    let at = members.length;
    members.push(member);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = members[parent] as T;
      if (!this.before(member, above)) break;
      members[at] = above;
      at = parent;
    }
    members[at] = member;
  }

  pop(): T | undefined {
    const members = this.members;
    const top = members[0];
    const last = members.pop();
    if (members.length > 0) this.sink(last as T);
    return top;
  }

  /** Drops every member that `isWanted` declines. */
  retain(isWanted: (member: T) => boolean): void {
    const wanted = this.members.filter(isWanted);
    if (wanted.length === this.members.length) return;
    this.members.length = 0;
    for (const member of wanted) this.push(member);
  }

  /** Restores the order after the top member changed. */
  resift(): void {
    if (this.members.length > 0) this.sink(this.members[0] as T);
  }

  private sink(member: T): void {
    const members = this.members;
    const half = members.length >> 1;
    let at = 0;
    while (at < half) {
      let child = 2 * at + 1;
      const right = child + 1;
      if (right < members.length && this.before(members[right] as T, members[child] as T)) child = right;
      const below = members[child] as T;
      if (!this.before(below, member)) break;
      members[at] = below;
      at = child;
    }
    members[at] = member;
  }
}
