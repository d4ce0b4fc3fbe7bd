/** One store watch for all views: turns store events into row changes, keeps the recent ones, and hands each revision on, in order, once. */
import type {Logger} from '../../observability/logger.ts';
import {ALL_TENANTS_PREFIX} from '../../protocol/model/keys.ts';
import type {Clock} from '../../runtime/clock.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {Store, StoreEvent, WatchMessage} from '../../store/store.ts';
import {AgentTable} from './agentTable.ts';
import {ChangeRing, type RingEntry} from './changeRing.ts';
import {parseViewKey, plainChange, type RowChange, SessionChannels} from './rowChange.ts';

export interface FeedSettings {
  readonly ringRevisions: number;
  readonly ringBytes: number;
  /** Pause before the feed starts anew after a failure. */
  readonly restartMs: number;
}

export interface FeedListener {
  onEntry(entry: RingEntry): void;
  /** History was lost: whoever follows starts anew. */
  onReset(reason: string): void;
}

export class ChangeFeed implements Disposable {
  private readonly agents = new AgentTable();
  private readonly names = new SessionChannels();
  private recent: ChangeRing;
  private delivered = 0;
  private watching: Disposable = noDisposable;
  private timer: Disposable = noDisposable;
  private disposed = false;

  constructor(
    private readonly store: Store,
    private readonly services: {readonly clock: Clock; readonly logger: Logger},
    private readonly settings: FeedSettings,
    private readonly listener: FeedListener,
  ) {
    this.recent = new ChangeRing(0, this.limits);
  }

  /** The last revision that was handed on. */
  get revision(): number {
    return this.delivered;
  }

  get ring(): ChangeRing {
    return this.recent;
  }

  /** Begins with the history that the store still has, so that clients resume over a restart of this coordinator. */
  async start(): Promise<void> {
    for (;;) {
      const {revision, compactRevision} = this.store.status();
      const from = Math.max(compactRevision, revision - this.settings.ringRevisions, 0);
      try {
        if (from > 0) await this.agents.load(this.store, from);
        this.follow(from);
        return;
      } catch (error) {
        // Compaction went past it meanwhile.
        if (!isCoordinatorError(error, 'notFound')) throw error;
      }
    }
  }

  dispose(): void {
    this.disposed = true;
    this.watching.dispose();
    this.timer.dispose();
  }

  private get limits(): {revisions: number; bytes: number} {
    return {revisions: this.settings.ringRevisions, bytes: this.settings.ringBytes};
  }

  private follow(from: number): void {
    if (this.disposed) return;
    this.delivered = from;
    this.recent = new ChangeRing(from, this.limits);
    this.watching = this.store.watch(ALL_TENANTS_PREFIX, {fromRevision: from + 1}, message =>
      this.onMessage(message),
    );
  }

  private onMessage(message: WatchMessage): void {
    if (this.disposed) return;
    if (message.kind === 'events') {
      const changes: RowChange[] = [];
      for (const event of message.events) {
        const change = this.changeOf(event);
        if (change) changes.push(change);
      }
      this.delivered = message.revision;
      if (changes.length === 0) return;
      const entry = {revision: message.revision, changes};
      this.recent.append(entry);
      this.listener.onEntry(entry);
      return;
    }
    this.watching.dispose();
    if (message.kind === 'closed' && !message.error) return;
    const reason = message.kind === 'compacted' ? 'the history was compacted' : 'the store was interrupted';
    this.services.logger.warn('the view feed starts anew', {reason});
    this.listener.onReset(reason);
    this.restart();
  }

  private changeOf(event: StoreEvent): RowChange | undefined {
    const at = parseViewKey(event.key);
    if (!at) return undefined;
    const kv = event.kind === 'put' ? event.kv : undefined;
    if (at.family === 'agents' || at.family === 'agentLive') return this.agents.apply(at, kv);
    return plainChange(at, kv, this.names);
  }

  private restart(): void {
    this.start().catch((error: unknown) => {
      if (this.disposed) return;
      this.services.logger.warn('the view feed cannot start', {error});
      this.timer = this.services.clock.schedule(this.settings.restartMs, () => this.restart());
    });
  }
}
