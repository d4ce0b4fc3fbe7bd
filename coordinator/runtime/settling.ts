/** Gathers what happens at once: runs a function when a round of microtasks has added nothing more, without waiting for another turn of the event loop. */

/** Rounds after which it runs in any case: what keeps itself going must not hold up the rest. */
const MOST_ROUNDS = 16;

export class Settling {
  private touches = 0;
  private waiting = false;

  constructor(private readonly run: () => void) {}

  /** Something was added. */
  touch(): void {
    this.touches += 1;
    if (this.waiting) return;
    this.waiting = true;
    this.look(this.touches, MOST_ROUNDS);
  }

  private look(seen: number, rounds: number): void {
    queueMicrotask(() => {
      if (this.touches !== seen && rounds > 0) {
        this.look(this.touches, rounds - 1);
        return;
      }
      this.waiting = false;
      this.run();
    });
  }
}
