/** Runs operations on one key one after the other, and those on different keys side by side. */

export class KeyedQueue {
  private readonly tails = new Map<string, Promise<void>>();

  /** Starts `operation` when every earlier one on `key` has settled. */
  run<T>(key: string, operation: () => Promise<T>): Promise<T> {
    const before = this.tails.get(key);
    const result = before ? before.then(operation) : operation();
    const tail = result.then(
      () => undefined,
      () => undefined,
    );
    this.tails.set(key, tail);
    void tail.then(() => {
      if (this.tails.get(key) === tail) this.tails.delete(key);
    });
    return result;
  }

  /** Resolves when everything that was asked for has settled. */
  async idle(): Promise<void> {
    while (this.tails.size > 0) await Promise.all(this.tails.values());
  }
}
