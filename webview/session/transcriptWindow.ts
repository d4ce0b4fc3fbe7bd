/** The part of an attempt's transcript that the page holds: its end, live, and what was read before it; bounded. */
import type * as z from 'zod';
import {TranscriptWindow as WindowAnswer} from '../../coordinator/protocol/commands/watch.ts';
import type {TranscriptEvent} from '../../coordinator/protocol/transcript.ts';
import {type Disposable, noDisposable} from '../../coordinator/runtime/disposable.ts';
import {describeError} from '../../coordinator/runtime/errors.ts';
import type {PageFeed} from '../feed/pageFeed.ts';

/** Events read at once, and held at most while the end is followed. */
const WINDOW = 300;
const MAX_HELD = 1500;

export class TranscriptWindow implements Disposable {
  events: readonly TranscriptEvent[] = [];
  /** Number of the first event that is held. */
  firstSeq = 1;
  ended = false;
  failure: string | undefined;
  /** The beginning was read, or nothing was yet. */
  isLoading = true;
  private following: Disposable = noDisposable;
  private disposed = false;
  private reading = false;

  constructor(
    private readonly feed: PageFeed,
    readonly attemptId: string,
    private readonly onChange: () => void,
  ) {
    void this.begin();
  }

  /** Reads what is before. Resolves when it is there. */
  async readEarlier(): Promise<void> {
    if (this.firstSeq === 1 || this.reading) return;
    this.reading = true;
    try {
      const fromSeq = Math.max(1, this.firstSeq - WINDOW);
      const limit = this.firstSeq - fromSeq;
      const {events, firstSeq} = await this.read(fromSeq, limit);
      if (this.disposed) return;
      this.events = [...events, ...this.events];
      this.firstSeq = firstSeq;
    } catch (error) {
      this.failure = describeError(error);
    } finally {
      this.reading = false;
    }
    this.onChange();
  }

  /** Lets go of the oldest while nobody reads them. */
  trim(): void {
    const over = this.events.length - MAX_HELD;
    if (over <= WINDOW) return;
    this.events = this.events.slice(over);
    this.firstSeq += over;
  }

  dispose(): void {
    this.disposed = true;
    this.following.dispose();
  }

  /** From the end: a transcript may be long. */
  private async begin(): Promise<void> {
    let fromSeq = 1;
    try {
      const {lastSeq} = await this.read(1, 1);
      fromSeq = Math.max(1, lastSeq - WINDOW + 1);
    } catch (error) {
      this.failure = describeError(error);
    }
    if (this.disposed) return;
    this.firstSeq = fromSeq;
    this.following = this.feed.follow(
      {kind: 'transcript', attemptId: this.attemptId, fromSeq},
      (event, fresh) => {
        if (event.kind === 'failed') this.failure = event.message;
        if (event.kind !== 'transcript') return;
        this.isLoading = false;
        this.failure = undefined;
        const next = this.firstSeq + this.events.length;
        // A new generation tells again what it began with; a jump is a gap that cannot be read.
        if (fresh || event.firstSeq !== next) {
          const kept = fresh
            ? this.events.slice(0, Math.max(0, event.firstSeq - this.firstSeq))
            : this.events;
          this.events = [...kept, ...event.events];
        } else this.events = [...this.events, ...event.events];
        this.ended = event.ended;
        this.onChange();
      },
    );
    this.onChange();
  }

  private read(fromSeq: number, limit: number): Promise<z.output<typeof WindowAnswer>> {
    const params = {attemptId: this.attemptId, fromSeq, limit};
    return this.feed.query(WindowAnswer, {kind: 'transcript', params});
  }
}
