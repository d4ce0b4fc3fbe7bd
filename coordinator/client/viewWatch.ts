/**
 * A mirror of one view: its rows, kept up to date over any number of connections. After a cut it resumes from its cursor; when the hub cannot,
 * the rows are replaced by a new snapshot, and listeners are told that this is one.
 */
import type {Peer} from '../bridge/peer.ts';
import type {Logger} from '../observability/logger.ts';
import type {Cursor, Row, ViewSelector, WatchEvent} from '../protocol/commands/watch.ts';
import {isProtocolError} from '../protocol/errors.ts';
import {assert} from '../runtime/assert.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import {Emitter, type Event} from '../runtime/emitter.ts';

/** `rows` are up to date when listeners run. */
export type ViewUpdate =
  /** All rows are new: the first snapshot, or one after a gap that could not be resumed over (`reset`). */
  | {readonly kind: 'snapshot'; readonly cursor: Cursor; readonly reset: boolean}
  | {
      readonly kind: 'changes';
      readonly cursor: Cursor;
      readonly upserts: readonly Row[];
      readonly deletes: readonly {readonly kind: string; readonly id: string}[];
    }
  /** The view cannot be watched at present; it is tried again. */
  | {readonly kind: 'failed'; readonly error: Error};

export interface ViewWatchOptions {
  readonly selector: ViewSelector;
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Pause before a watch that the hub refused is tried again. */
  readonly retryMs: number;
  readonly onDispose: () => void;
}

/** Under which a row is kept. */
export function rowKey(row: {readonly kind: string; readonly id: string}): string {
  return `${row.kind}/${row.id}`;
}

export class ViewWatch implements Disposable {
  private mirror = new Map<string, Row>();
  /** Rows of a snapshot that is still arriving. */
  private arriving: Map<string, Row> | undefined;
  private at: Cursor | undefined;
  private peer: Peer | undefined;
  private opening = 0;
  /** The hub answered the present opening; until then its events wait. */
  private opened: 'snapshot' | 'resumed' | 'reset' | undefined;
  private early: WatchEvent[] = [];
  private lastSeq = 0;
  private timer: Disposable = noDisposable;
  private disposed = false;
  private readonly updates = new Emitter<ViewUpdate>();

  readonly onUpdate: Event<ViewUpdate> = this.updates.event;

  constructor(private readonly options: ViewWatchOptions) {}

  /** By `rowKey`. */
  get rows(): ReadonlyMap<string, Row> {
    return this.mirror;
  }

  /** Where the rows stand; undefined before the first snapshot is whole. */
  get cursor(): Cursor | undefined {
    return this.at;
  }

  get selector(): ViewSelector {
    return this.options.selector;
  }

  /** Watches over `peer` from now on; undefined: the connection is gone. */
  attach(peer: Peer | undefined): void {
    this.peer = peer;
    this.opening += 1;
    this.opened = undefined;
    this.early = [];
    this.timer.dispose();
    if (peer && !this.disposed) void this.open(peer, this.opening);
  }

  /** The name of the present opening: events of earlier ones are not ours any more. */
  get watchId(): string {
    return `${this.options.name}-${this.opening}`;
  }

  deliver(message: WatchEvent): void {
    if (this.disposed || message.watchId !== this.watchId) return;
    if (this.opened) this.apply(message);
    else this.early.push(message);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.timer.dispose();
    this.updates.dispose();
    this.options.onDispose();
    this.closeAtHub();
  }

  private closeAtHub(): void {
    this.peer?.request('mcpx.watch.close', {watchId: this.watchId}).catch((error: unknown) => {
      // A connection that is going takes its watches along.
      this.options.logger.debug('a watch was not closed', {error});
    });
  }

  private async open(peer: Peer, opening: number): Promise<void> {
    const {selector} = this.options;
    this.arriving = undefined;
    this.lastSeq = 0;
    try {
      const from = this.at;
      const answer = await peer.request('mcpx.watch.open', {watchId: this.watchId, selector, from});
      if (this.opening !== opening || this.disposed) return;
      this.opened = answer.kind;
      if (answer.kind !== 'resumed') this.arriving = new Map();
      const early = this.early;
      this.early = [];
      for (const message of early) this.deliver(message);
    } catch (error) {
      if (this.opening !== opening || this.disposed) return;
      assert(error instanceof Error, 'requests reject with errors');
      this.updates.emit({kind: 'failed', error});
      // A cut brings a new connection, and with it a new opening.
      if (isProtocolError(error, 'unavailable') && this.peer !== peer) return;
      this.timer = this.options.clock.schedule(this.options.retryMs, () => this.attach(this.peer));
    }
  }

  private apply({seq, event}: WatchEvent): void {
    this.lastSeq += 1;
    if (seq !== this.lastSeq || event.kind === 'reset') {
      const why = event.kind === 'reset' ? event.reason : `event ${seq} after ${this.lastSeq - 1}`;
      this.options.logger.debug('a watch is opened anew', {view: this.options.selector.view, why});
      if (event.kind !== 'reset') this.closeAtHub();
      this.attach(this.peer);
    } else if (event.kind === 'rows') {
      this.takeRows(event);
    } else {
      for (const row of event.upserts) this.mirror.set(rowKey(row), row);
      for (const gone of event.deletes) this.mirror.delete(rowKey(gone));
      this.at = event.cursor;
      this.updates.emit(event);
    }
  }

  private takeRows(event: Extract<WatchEvent['event'], {kind: 'rows'}>): void {
    const rows = this.arriving ?? new Map<string, Row>();
    for (const row of event.rows) rows.set(rowKey(row), row);
    this.arriving = rows;
    if (!event.complete) return;
    this.arriving = undefined;
    this.mirror = rows;
    this.at = event.cursor;
    this.updates.emit({kind: 'snapshot', cursor: event.cursor, reset: this.opened === 'reset'});
  }
}
