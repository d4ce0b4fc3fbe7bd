/** Simulated time: what is to happen, in order of time and then of planning. Nothing happens outside of it, so one seed is one run. */

interface Planned {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Scheduler {
  /** Milliseconds since the run began. */
  now = 0;
  /** Set by whoever settles a promise: its continuations must have run before anything else happens. */
  settled = false;
  private readonly heap: Planned[] = [];
  private planned = 0;

  at(time: number, run: () => void): void {
    this.push({at: Math.max(time, this.now), order: this.planned++, run});
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.now + delayMs, run);
  }

  /** Runs the next event, unless it is later than `until`; false when there is none. */
  async step(until: number): Promise<boolean> {
    const next = this.heap[0];
    if (!next || next.at > until) {
      this.now = Math.max(this.now, until);
      return false;
    }
    this.pop();
    this.now = next.at;
    next.run();
    if (this.settled) {
      this.settled = false;
      await microtasks();
    }
    return true;
  }

  private push(item: Planned): void {
    const {heap} = this;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!above || !isBefore(item, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = item;
  }

  private pop(): void {
    const {heap} = this;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      let below = heap[child];
      if (!below) break;
      const right = heap[child + 1];
      if (right && isBefore(right, below)) {
        child += 1;
        below = right;
      }
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Resolves when no promise has a continuation left to run: only simulated things are awaited, so none waits for the machine below. */
function microtasks(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
