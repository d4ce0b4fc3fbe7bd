/** Gathers the frames that are sent in one turn of the event loop into one write to the socket: a system call for many frames instead of one each. */
import type {Writable} from 'node:stream';

export class WriteGathering {
  private gathering = false;

  constructor(private readonly stream: Writable) {}

  /** Call before a write: what follows waits for the end of the turn. */
  begin(): void {
    if (this.gathering) return;
    this.gathering = true;
    this.stream.cork();
    setImmediate(() => {
      this.gathering = false;
      this.stream.uncork();
    });
  }
}
