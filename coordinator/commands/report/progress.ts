/** Shows a session while it runs. What is drawn is the business of liveFrame.ts and stateChanges.ts; this owns the terminal. */
import {createLogUpdate} from 'log-update';
import type {SessionReport} from '../../client/report/sessionReport.ts';
import type {Clock} from '../../runtime/clock.ts';
import {every} from '../../runtime/clock.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import {liveFrame} from './liveFrame.ts';
import {StateChanges} from './stateChanges.ts';
import {type Colors, printable} from './terminalText.ts';

export interface Progress {
  update(report: SessionReport): void;
  /** A line for people beside the view; on a terminal it stays above it. */
  note(text: string): void;
  /** What was live goes: a summary follows. */
  stop(): void;
}

/** A terminal as log-update wants it. */
export type Terminal = NodeJS.WritableStream & {readonly columns?: number; readonly rows?: number};

const REDRAW_MS = 200;

/** Redraws in place. Times run on between updates. */
export class LiveProgress implements Progress {
  private readonly draw: ReturnType<typeof createLogUpdate>;
  private report: SessionReport | undefined;
  private timer: Disposable = noDisposable;
  private stopped = false;

  constructor(
    private readonly terminal: Terminal,
    private readonly clock: Clock,
    private readonly colors: Colors,
  ) {
    this.draw = createLogUpdate(terminal);
  }

  update(report: SessionReport): void {
    if (this.stopped) return;
    // Many updates arrive at once: the timer draws the latest of them.
    if (this.report === undefined) {
      this.timer = every(this.clock, REDRAW_MS, () => this.redraw());
      this.report = report;
      this.redraw();
    }
    this.report = report;
  }

  note(text: string): void {
    this.draw.persist(printable(text));
    this.redraw();
  }

  stop(): void {
    if (this.stopped) return;
    this.timer.dispose();
    this.stopped = true;
    this.draw.clear();
    this.draw.done();
  }

  private redraw(): void {
    if (this.report === undefined || this.stopped) return;
    const {columns = 80, rows = 24} = this.terminal;
    const options = {wallNow: this.clock.wallNow(), columns, lines: rows - 1, colors: this.colors};
    this.draw(liveFrame(this.report, options).join('\n'));
  }
}

/** One line for each change of state, for logs and pipes. */
export class PlainProgress implements Progress {
  private readonly changes = new StateChanges();

  constructor(
    private readonly write: (text: string) => void,
    private readonly clock: Clock,
  ) {}

  update(report: SessionReport): void {
    for (const line of this.changes.next(report, this.clock.wallNow())) this.write(`${line}\n`);
  }

  note(text: string): void {
    this.write(`${printable(text)}\n`);
  }

  stop(): void {
    // Every line is out already.
  }
}
