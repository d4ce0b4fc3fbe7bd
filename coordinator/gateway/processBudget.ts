/** How many processes run for servers, and how many start at once. Who waits is let in by turns. */
import type {Clock} from '../runtime/clock.ts';
import {toDisposable} from '../runtime/disposable.ts';
import {CoordinatorError} from '../runtime/errors.ts';

const TURN_MS = 5000;

export interface ProcessShare {
  /** It answers: it may be in use now, or idle. */
  opened(): void;
  /** It is being ended. */
  leave(): void;
  gone(): void;
}

export class ProcessBudget {
  private running = 0;
  private opening = 0;
  private leaving = 0;
  private readonly waiting: (() => void)[] = [];
  private starting = 0;
  private readonly queue: (() => void)[] = [];

  constructor(
    private readonly limits: {readonly maxProcesses: number; readonly maxStarting: number},
    /** Ends a process that nobody uses; false when there is none. */
    private readonly makeRoom: () => boolean,
    private readonly clock: Clock,
  ) {}

  get processes(): number {
    return this.running;
  }

  get full(): boolean {
    return this.running >= this.limits.maxProcesses;
  }

  /** Counts a process until it is gone. Waits for those that are just beginning or ending; throws `limit` where all are in use. */
  async take(): Promise<ProcessShare> {
    while (this.full) {
      const enough = this.leaving > this.waiting.length || this.makeRoom();
      if (!enough && this.leaving === 0 && this.opening === 0)
        throw new CoordinatorError(
          'limit',
          `${this.running} processes of MCP servers run, as many as may, and all of them are in use`,
          {
            hint: 'Raise the setting gatewayProcesses, or let servers that keep no state be shared (shared: true).',
          },
        );
      await new Promise<void>(resolve => this.waiting.push(resolve));
    }
    this.running++;
    this.opening++;
    const opened = toDisposable(() => {
      this.opening--;
      this.lookAgain();
    });
    let leaving = false;
    const leave = toDisposable(() => {
      leaving = true;
      this.leaving++;
    });
    const gone = toDisposable(() => {
      opened.dispose();
      if (leaving) this.leaving--;
      this.running--;
      this.lookAgain();
    });
    return {opened: () => opened.dispose(), leave: () => leave.dispose(), gone: () => gone.dispose()};
  }

  /** Whoever finds it taken by another sees whether there is anything left to wait for. */
  private lookAgain(): void {
    for (const look of this.waiting.splice(0)) look();
  }

  /** Begins `start` when there is a turn. One that hangs keeps its turn for a while only: it takes none of the machine's time. */
  async start<T>(start: () => Promise<T>): Promise<T> {
    if (this.starting >= this.limits.maxStarting)
      await new Promise<void>(resolve => this.queue.push(resolve));
    else this.starting++;
    const turn = toDisposable(() => {
      const next = this.queue.shift();
      if (next) next();
      else this.starting--;
    });
    const hanging = this.clock.schedule(TURN_MS, () => turn.dispose(), {background: true});
    try {
      return await start();
    } finally {
      hanging.dispose();
      turn.dispose();
    }
  }
}
