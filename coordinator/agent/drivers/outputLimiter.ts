/** Turns a program's output into transcript events of bounded size, rate and total; what is left out is counted and said. */
import type {Clock} from '../../runtime/clock.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import type {DriverEvent} from '../driver.ts';

export interface OutputLimits {
  /** Text is gathered this long before it becomes an event. */
  readonly flushMs: number;
  readonly charactersPerEvent: number;
  readonly charactersPerSecond: number;
  readonly charactersInAll: number;
  /** What `finish` returns at most. */
  readonly tailCharacters: number;
}

export const DEFAULT_OUTPUT_LIMITS: OutputLimits = {
  flushMs: 100,
  charactersPerEvent: 16 * 1024,
  charactersPerSecond: 256 * 1024,
  charactersInAll: 8 * 1024 * 1024,
  tailCharacters: 16 * 1024,
};

const WINDOW_MS = 1000;

type Stream = 'stdout' | 'stderr';
export type OutputEvent = Extract<DriverEvent, {kind: 'output' | 'gap' | 'notice'}>;

export class OutputLimiter {
  private pending: {stream: Stream; text: string}[] = [];
  private tail = '';
  private droppedBytes = 0;
  private droppedPieces = 0;
  private emitted = 0;
  private windowStart: number;
  private inWindow = 0;
  private timer: Disposable = noDisposable;
  private armed = false;

  constructor(
    private readonly clock: Clock,
    private readonly emit: (event: OutputEvent) => void,
    private readonly limits: OutputLimits = DEFAULT_OUTPUT_LIMITS,
  ) {
    this.windowStart = clock.now();
  }

  add(stream: Stream, text: string): void {
    if (text === '') return;
    this.tail = (this.tail + text).slice(-this.limits.tailCharacters);
    const room = this.room();
    const kept = keepCharacters(text, room);
    this.inWindow += kept.length;
    this.emitted += kept.length;
    // The gap stands where the text is missing: before whatever comes next.
    if (kept !== '') this.gather(stream, kept);
    if (kept.length < text.length) {
      this.droppedPieces++;
      this.droppedBytes += Buffer.byteLength(text) - Buffer.byteLength(kept);
    }
    if (!this.armed) this.arm(this.limits.flushMs);
  }

  /** Emits what is gathered; returns the last of all the text, left-out text included. */
  finish(): string {
    this.timer.dispose();
    this.flushText();
    this.flushGap();
    return this.tail;
  }

  private room(): number {
    const now = this.clock.now();
    if (now - this.windowStart >= WINDOW_MS) {
      this.flushGap();
      this.windowStart = now;
      this.inWindow = 0;
    }
    // Once something was dropped in a window the rest of it is dropped too: text with one hole reads better than with many.
    if (this.droppedPieces > 0) return 0;
    const {charactersPerSecond, charactersInAll} = this.limits;
    return Math.max(0, Math.min(charactersPerSecond - this.inWindow, charactersInAll - this.emitted));
  }

  private gather(stream: Stream, text: string): void {
    const last = this.pending.at(-1);
    if (last?.stream === stream) last.text += text;
    else this.pending.push({stream, text});
  }

  private arm(delayMs: number): void {
    this.armed = true;
    this.timer = this.clock.schedule(delayMs, () => this.flush(), {background: true});
  }

  private flush(): void {
    this.armed = false;
    this.flushText();
    const windowLeftMs = this.windowStart + WINDOW_MS - this.clock.now();
    if (windowLeftMs <= 0) this.flushGap();
    // One gap a window at most.
    else if (this.droppedPieces > 0) this.arm(windowLeftMs);
  }

  private flushText(): void {
    const at = this.clock.wallNow();
    for (const {stream, text} of this.pending) {
      let rest = text;
      while (rest !== '') {
        const part = keepCharacters(rest, this.limits.charactersPerEvent);
        this.emit({kind: 'output', at, stream, text: part});
        rest = rest.slice(part.length);
      }
    }
    this.pending = [];
  }

  private flushGap(): void {
    if (this.droppedPieces === 0) return;
    this.flushText();
    const at = this.clock.wallNow();
    this.emit({kind: 'gap', at, dropped: this.droppedPieces});
    this.emit({kind: 'notice', at, level: 'warn', text: `${this.droppedBytes} bytes of output left out`});
    this.droppedPieces = 0;
    this.droppedBytes = 0;
  }
}

/** The first `limit` UTF-16 units of `text`, one fewer where that would halve a surrogate pair. */
function keepCharacters(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const unit = text.charCodeAt(limit - 1);
  return text.slice(0, unit >= 0xd800 && unit <= 0xdbff ? limit - 1 : limit);
}
