/** How long it takes until the last of many watchers has seen a put. Who watches what is the caller's. */

export interface WatchResult {
  /** From the call of each put to the last watcher. */
  readonly waitsMs: readonly number[];
}

export interface Watched {
  /** Resolves when the watch is open; `onPut` runs at each put from then on. */
  open(number: number, onPut: () => void): Promise<void>;
  put(): Promise<unknown>;
}

/** Watches are opened so many at a time. */
const OPENING = 50;

export class Watching {
  private open = 0;
  private left = 0;
  private onLast: () => void = () => undefined;

  constructor(private readonly watched: Watched) {}

  /** Opens that many more watches, and puts so often. */
  async measure({watchers, puts}: {readonly watchers: number; readonly puts: number}): Promise<WatchResult> {
    const end = this.open + watchers;
    for (; this.open < end; this.open = Math.min(end, this.open + OPENING)) {
      const some = Array.from({length: Math.min(OPENING, end - this.open)}, (_, at) => this.open + at);
      await Promise.all(some.map(number => this.watched.open(number, () => this.onPut())));
    }
    const waitsMs: number[] = [];
    for (let put = 0; put < puts; put++) {
      this.left = this.open;
      const seen = new Promise<void>(resolve => {
        this.onLast = resolve;
      });
      const at = performance.now();
      await Promise.all([this.watched.put(), seen]);
      waitsMs.push(performance.now() - at);
    }
    return {waitsMs};
  }

  private onPut(): void {
    this.left -= 1;
    if (this.left === 0) this.onLast();
  }
}
