/** A bound on bytes that several transcripts share; none of them may take more than half of it. */

export class ByteBudget {
  private used = 0;
  /** Refusals so far. */
  refused = 0;

  constructor(private readonly limit: number) {}

  get usedBytes(): number {
    return this.used;
  }

  /** `ownBytes`: what the asking transcript has already. */
  take(bytes: number, ownBytes: number): boolean {
    if (this.used + bytes > this.limit || ownBytes + bytes > this.limit / 2) {
      this.refused++;
      return false;
    }
    this.used += bytes;
    return true;
  }

  /** For the few bytes that must be kept whatever the bound. */
  force(bytes: number): void {
    this.used += bytes;
  }

  give(bytes: number): void {
    this.used -= bytes;
  }
}
