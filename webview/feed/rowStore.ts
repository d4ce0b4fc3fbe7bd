/** The rows of one topic as the page knows them, by their keys. */
import type {FeedEvent, Topic} from '../../coordinator/client/feed/topics.ts';
import {rowKey} from '../../coordinator/client/viewWatch.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import type {PageFeed} from './pageFeed.ts';

/** Keys of the rows that came, changed or went; `all` after a snapshot. */
export type Dirty = ReadonlySet<string> | 'all';

export class RowStore implements Disposable {
  private rowsByKey = new Map<string, Row>();
  private at: number | undefined;
  private trouble: string | undefined;
  private readonly following: Disposable;

  constructor(
    feed: PageFeed,
    topic: Topic,
    private readonly onChange: (dirty: Dirty) => void,
  ) {
    this.following = feed.follow(topic, event => this.take(event));
  }

  get rows(): ReadonlyMap<string, Row> {
    return this.rowsByKey;
  }

  /** Where the rows stand; undefined until the first snapshot. */
  get revision(): number | undefined {
    return this.at;
  }

  /** Why there are none yet. */
  get failure(): string | undefined {
    return this.trouble;
  }

  dispose(): void {
    this.following.dispose();
  }

  private take(event: FeedEvent): void {
    if (event.kind === 'rows') {
      this.rowsByKey = new Map(event.rows.map(row => [rowKey(row), row]));
      this.at = event.revision;
      this.trouble = undefined;
      this.onChange('all');
    } else if (event.kind === 'changes') {
      for (const row of event.upserts) this.rowsByKey.set(rowKey(row), row);
      for (const gone of event.deletes) this.rowsByKey.delete(rowKey(gone));
      this.at = event.revision;
      this.onChange(new Set([...event.upserts, ...event.deletes].map(rowKey)));
    } else if (event.kind === 'failed') {
      this.trouble = event.message;
      this.onChange(new Set());
    }
  }
}
