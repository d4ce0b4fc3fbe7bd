/** One open watch of one client: numbers its events and stops, rather than buffering, when the client does not keep up. */
import type {ViewSelector} from '../../protocol/commands/watch.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import type {Outbox} from '../caller.ts';
import {bookmarkText, type EncodedEvent, type EventPlace, eventFrame, resetText} from './watchFrames.ts';

export class Watcher implements Disposable {
  /** Everything up to this revision has been told. */
  position: number;
  /** Its snapshot has been sent: changes may follow. */
  live = false;
  readonly lifetime = new DisposableStore();
  private seq = 0;

  constructor(
    readonly key: string,
    readonly watchId: string,
    readonly channel: string,
    readonly selector: ViewSelector,
    readonly outbox: Outbox,
    private readonly maxBacklog: number,
    position: number,
  ) {
    this.position = position;
  }

  get isEnded(): boolean {
    return this.lifetime.isDisposed;
  }

  get isBackedUp(): boolean {
    return this.outbox.backlog > this.maxBacklog;
  }

  /** Tells the events beyond its position; false when the client has to read first. */
  tell(events: Iterable<EncodedEvent>): boolean {
    for (const {revision, text} of events) {
      if (revision <= this.position) continue;
      if (this.isBackedUp) return false;
      this.send(text);
      this.position = revision;
    }
    return true;
  }

  /** Its place of an event at `revision` that its connection is told; undefined when it is behind that already. */
  placeOf(revision: number): EventPlace | undefined {
    if (this.isEnded || revision <= this.position) return undefined;
    this.position = revision;
    this.seq += 1;
    return {watchId: this.watchId, seq: this.seq};
  }

  bookmark(cursor: {store: string; revision: number}): void {
    if (this.isBackedUp) return;
    this.send(bookmarkText(cursor));
    this.position = cursor.revision;
  }

  sendRows(text: string): void {
    this.send(text);
  }

  /** The last thing it says. */
  reset(reason: string): void {
    this.send(resetText(reason));
    this.dispose();
  }

  /** Resolves when the client has read what it was sent, or the watch has ended. */
  async drained(): Promise<void> {
    if (!this.isBackedUp || this.isEnded) return;
    await new Promise<void>(resolve => {
      this.outbox.onceDrained(resolve);
      this.lifetime.add({dispose: resolve});
    });
  }

  dispose(): void {
    this.lifetime.dispose();
  }

  private send(text: string): void {
    if (this.isEnded) return;
    this.seq += 1;
    this.outbox.send(eventFrame({watchId: this.watchId, seq: this.seq}, text));
  }
}
