/** Staggers the starts of Claude Code, each of which costs half a second of a core: a slow start for all is worse than a queue. */
import {type Disposable, toDisposable} from '../../runtime/disposable.ts';

export class StartGate {
  private readonly queue: (() => void)[] = [];
  private open: number;

  constructor(places: number) {
    this.open = Math.max(1, places);
  }

  /** Resolves with a place, first come first served; disposing gives it back. Rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.open > 0) {
      this.open--;
      return Promise.resolve(this.place());
    }
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve(this.place());
      };
      const onAbort = (): void => {
        this.queue.splice(this.queue.indexOf(turn), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, {once: true});
      this.queue.push(turn);
    });
  }

  private place(): Disposable {
    return toDisposable(() => {
      const next = this.queue.shift();
      if (next) next();
      else this.open++;
    });
  }
}
