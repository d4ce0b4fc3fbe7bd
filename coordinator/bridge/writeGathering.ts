/** Gathers the frames that are sent at once into one write to the socket: a system call for many frames instead of one each. */
import type {Writable} from 'node:stream';
import {Settling} from '../runtime/settling.ts';

export class WriteGathering {
  private gathering = false;
  private readonly settling = new Settling(() => {
    this.gathering = false;
    this.stream.uncork();
  });

  constructor(private readonly stream: Writable) {}

  /** Call before a write: it waits for what follows at once. */
  begin(): void {
    if (!this.gathering) {
      this.gathering = true;
      this.stream.cork();
    }
    this.settling.touch();
  }
}
