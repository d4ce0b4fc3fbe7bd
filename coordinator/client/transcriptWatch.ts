/** Follows one attempt's transcript: every event in order, once; what notifications leave out is read. */
import type {Peer} from '../bridge/peer.ts';
import type {Logger} from '../observability/logger.ts';
import type {TranscriptEvent} from '../protocol/transcript.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import {Emitter, type Event} from '../runtime/emitter.ts';

export interface TranscriptChunk {
  /** Sequence number of the first event. */
  readonly firstSeq: number;
  readonly events: readonly TranscriptEvent[];
}

export interface TranscriptWatchOptions {
  readonly attemptId: string;
  /** First event wanted; default 1. */
  readonly fromSeq?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly retryMs: number;
  /** The owner tells the hub, unless it follows the transcript otherwise. */
  readonly onDispose: () => void;
}

/** Events of one read. */
const WINDOW = 500;

export class TranscriptWatch implements Disposable {
  private next: number;
  private peer: Peer | undefined;
  private reading = false;
  /** Something may be beyond what was read. */
  private behind = false;
  private ended = false;
  private timer: Disposable = noDisposable;
  private disposed = false;
  private readonly chunks = new Emitter<TranscriptChunk>();
  private readonly ends = new Emitter<void>();

  readonly onEvents: Event<TranscriptChunk> = this.chunks.event;
  /** The transcript is complete: nothing follows. */
  readonly onEnd: Event<void> = this.ends.event;

  constructor(private readonly options: TranscriptWatchOptions) {
    this.next = options.fromSeq ?? 1;
  }

  get attemptId(): string {
    return this.options.attemptId;
  }

  /** Sequence number of the next event that listeners will get. */
  get nextSeq(): number {
    return this.next;
  }

  attach(peer: Peer | undefined): void {
    this.peer = peer;
    this.timer.dispose();
    if (!peer || this.disposed || this.ended) return;
    peer
      .request('mcpx.transcript.follow', {attemptId: this.attemptId, follow: true})
      .catch((error: unknown) => this.failed(peer, error));
    this.catchUp();
  }

  deliver({firstSeq, events}: TranscriptChunk): void {
    if (this.disposed) return;
    if (firstSeq > this.next || this.reading) this.catchUp();
    else this.take(firstSeq, events);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.timer.dispose();
    this.chunks.dispose();
    this.ends.dispose();
    this.options.onDispose();
  }

  private catchUp(): void {
    this.behind = true;
    if (!this.reading && this.peer) void this.read(this.peer);
  }

  private async read(peer: Peer): Promise<void> {
    this.reading = true;
    try {
      while (this.behind && this.peer === peer && !this.disposed) {
        this.behind = false;
        const window = await peer.request('mcpx.transcript.read', {
          attemptId: this.attemptId,
          fromSeq: this.next,
          limit: WINDOW,
        });
        if (this.disposed) return;
        this.take(window.firstSeq, window.events);
        if (this.next <= window.lastSeq) this.behind = window.events.length > 0;
        else if (window.ended) this.end();
      }
    } catch (error) {
      this.behind = true;
      this.failed(peer, error);
    } finally {
      this.reading = false;
    }
    // Another connection came while this one was being read.
    if (this.behind && this.peer && this.peer !== peer) this.catchUp();
  }

  private take(firstSeq: number, events: readonly TranscriptEvent[]): void {
    // What is beyond a gap that cannot be read either is still told: the sequence number shows the jump.
    const known = Math.max(0, this.next - firstSeq);
    const fresh = events.slice(known);
    if (fresh.length === 0) return;
    const from = firstSeq + known;
    this.next = from + fresh.length;
    this.chunks.emit({firstSeq: from, events: fresh});
    // Whether that was all, only a read can tell.
    const last = fresh.at(-1);
    if (last?.kind === 'state' && last.state === 'ended') this.catchUp();
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.ends.emit();
  }

  private failed(peer: Peer, error: unknown): void {
    this.options.logger.debug('a transcript cannot be read', {attemptId: this.attemptId, error});
    if (this.peer !== peer || this.disposed) return;
    this.timer.dispose();
    this.timer = this.options.clock.schedule(this.options.retryMs, () => this.attach(this.peer));
  }
}
