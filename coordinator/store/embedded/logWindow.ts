/** How much of the applied log stays in memory for followers that lag: counted in bytes. Pure. */

interface Place {
  readonly index: number;
  readonly bytes: number;
}

export class LogWindow {
  private places: Place[] = [];
  private bytes = 0;

  constructor(
    private readonly limitBytes: number,
    private readonly stepBytes = Math.max(1, Math.floor(limitBytes / 64)),
  ) {}

  /** Entries up to `index` are applied, with `bytes` of data more than before. */
  grow(index: number, bytes: number): void {
    this.bytes += bytes;
    const last = this.places.at(-1);
    if (!last || this.bytes - last.bytes >= this.stepBytes) this.places.push({index, bytes: this.bytes});
    while (this.places[1] && this.bytes - this.places[1].bytes >= this.limitBytes) this.places.shift();
  }

  /** What lies at or before this entry is beyond the limit. */
  get start(): number {
    const first = this.places[0];
    return first && this.bytes - first.bytes >= this.limitBytes ? first.index : 0;
  }

  /** Of the entries up to `covered`, which a snapshot has, the last that no follower within the limit lacks. */
  endOfUnneeded(covered: number, followers: Iterable<{readonly match: number}>): number {
    let end = covered;
    for (const {match} of followers) if (match >= this.start) end = Math.min(end, match);
    return end;
  }
}
