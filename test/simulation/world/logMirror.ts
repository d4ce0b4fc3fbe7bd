/** A log by its hashes: at each index, that of everything up to there. */

export class LogMirror {
  /** Everything up to here is in a snapshot. */
  base = 0;
  private baseHash = 0;
  private hashes: number[] = [];

  get last(): number {
    return this.base + this.hashes.length;
  }

  /** Undefined where the log has no entry. */
  hash(index: number): number | undefined {
    return index === this.base ? this.baseHash : this.hashes[index - this.base - 1];
  }

  /** Replaces everything from `index` on. */
  set(index: number, hash: number): void {
    this.hashes.length = index - this.base - 1;
    this.hashes.push(hash);
  }

  reset(base: number, hash: number): void {
    this.base = base;
    this.baseHash = hash;
    this.hashes = [];
  }

  become(other: LogMirror): void {
    this.base = other.base;
    this.baseHash = other.baseHash;
    this.hashes = [...other.hashes];
  }
}
