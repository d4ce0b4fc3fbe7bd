/** What is being said to an agent about one attempt, which ends with the attempt. Most attempts end with nothing left to say, so the signal is made when something waits for it. */

/** Given as a reason, so that no error with its stack is made for each attempt. */
const OVER = 'the attempt is over';

export class Talk {
  private controller: AbortController | undefined;
  private ended = false;

  get isOver(): boolean {
    return this.ended;
  }

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.ended) this.controller.abort(OVER);
    }
    return this.controller.signal;
  }

  end(): void {
    this.ended = true;
    this.controller?.abort(OVER);
  }
}
