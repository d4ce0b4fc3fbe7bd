/** At most so many at once; the others wait in order of arrival. */
import {type Deferred, deferred} from '../../runtime/deferred.ts';

export class Slots {
  private readonly waiting: Deferred<void>[] = [];

  constructor(private free: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else {
      const turn = deferred<void>();
      this.waiting.push(turn);
      await turn.promise;
    }
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next.resolve();
      else this.free += 1;
    }
  }
}
