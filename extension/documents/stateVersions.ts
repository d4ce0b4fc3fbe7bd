/**
 * What the editor is told about a value, so that it notices every foreign change. Before a save it compares times, and where these differ sizes:
 * the time rises with every version, and the size is the version, since a foreign value may have the same length. Pure.
 */

/** No stored value has it. */
const UNKNOWN = 0;

export interface Seen {
  readonly version: number;
  /** Milliseconds, higher than that of every version before. */
  readonly mtime: number;
  readonly ctime: number;
}

export class StateVersions {
  private readonly seen = new Map<string, Seen>();

  /** `timestamp` is the wall time of the write, which a clock that was set back may have made too early. */
  see(path: string, version: number, timestamp: number): Seen {
    const before = this.seen.get(path);
    if (before?.version === version) return before;
    const mtime = before === undefined ? timestamp : Math.max(timestamp, before.mtime + 1);
    const now = {version, mtime, ctime: before?.ctime ?? timestamp};
    this.seen.set(path, now);
    return now;
  }

  /** What the editor knows: a write holds only on top of it. */
  last(path: string): Seen | undefined {
    return this.seen.get(path);
  }

  forget(path: string): void {
    this.seen.delete(path);
  }

  /** Versions may be those of another store now. Times go on rising: what was seen before has changed, as far as anybody knows. */
  distrust(): void {
    for (const [path, {mtime, ctime}] of this.seen) this.seen.set(path, {version: UNKNOWN, mtime, ctime});
  }
}
