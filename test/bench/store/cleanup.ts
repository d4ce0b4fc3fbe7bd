/** What a measurement has started, to be stopped in reverse whatever becomes of it. */

interface Stoppable {
  stop(): Promise<void>;
}

export class Cleanup {
  private readonly started: Stoppable[] = [];

  add<T extends Stoppable>(one: T): T {
    this.started.push(one);
    return one;
  }

  async stop(): Promise<void> {
    for (const one of this.started.reverse()) await one.stop();
  }
}
