/**
 * Tells one page what it follows: each topic in generations that begin with a snapshot, numbered without a gap. Runs beside the page in a browser,
 * or in the editor for a page of its own. What a page shows of it, and how messages travel, is left to others.
 */
import type {Clock} from '../../runtime/clock.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import type {McpxClient} from '../mcpxClient.ts';
import type {PlanReader} from '../mirror/planReader.ts';
import {followHealth, followPlan, followTranscript} from './otherFeeds.ts';
import {type FeedSink, RowFeed} from './rowFeed.ts';
import type {SharedViews} from './sharedViews.ts';
import type {FeedEvent, FeedMessage, Topic} from './topics.ts';

/** What feeds are made from; pages of one window share it. */
export interface FeedSource {
  readonly client: McpxClient;
  readonly views: SharedViews;
  readonly plans: PlanReader;
}

export interface PublisherOptions {
  readonly clock: Clock;
  /** False, now or later: the message did not arrive. */
  readonly post: (message: FeedMessage) => boolean | PromiseLike<boolean>;
  /** How long changes are gathered, in ms. */
  readonly coalesceMs?: number;
}

const DEFAULT_COALESCE_MS = 30;

interface OpenTopic {
  readonly topic: Topic;
  generation: number;
  seq: number;
  feed: Disposable;
  /** A message of this generation was lost, or the page was hidden: it begins anew when the page is seen again. */
  lost: boolean;
}

export class FeedPublisher implements Disposable {
  private readonly topics = new Map<string, OpenTopic>();
  /** Generations rise over closing and opening again: what is still under way is older. */
  private readonly generations = new Map<string, number>();
  private source: FeedSource | undefined;
  private visible = true;

  constructor(private readonly options: PublisherOptions) {}

  /** Feeds from another coordinator from now on, or, undefined, from none: topics stay open and wait. */
  use(source: FeedSource | undefined): void {
    if (source === this.source) return;
    this.source = source;
    for (const topicId of this.topics.keys()) this.begin(topicId);
  }

  /** Also for a topic that is open: it begins anew. */
  open(topicId: string, topic: Topic): void {
    this.topics.get(topicId)?.feed.dispose();
    this.topics.set(topicId, {topic, generation: 0, seq: 0, feed: noDisposable, lost: false});
    this.begin(topicId);
  }

  close(topicId: string): void {
    this.topics.get(topicId)?.feed.dispose();
    this.topics.delete(topicId);
  }

  /** The page was loaded anew, and has opened nothing yet. */
  closeAll(): void {
    for (const topicId of [...this.topics.keys()]) this.close(topicId);
  }

  /** Nothing is sent to a hidden page; when it is seen again it gets everything anew. */
  setVisible(visible: boolean): void {
    if (visible === this.visible) return;
    this.visible = visible;
    for (const [topicId, open] of this.topics) {
      if (!visible) {
        open.feed.dispose();
        open.feed = noDisposable;
        open.lost = true;
      } else if (open.lost) {
        this.begin(topicId);
      }
    }
  }

  dispose(): void {
    this.closeAll();
    this.source = undefined;
  }

  private begin(topicId: string): void {
    const open = this.topics.get(topicId);
    if (!open) return;
    open.feed.dispose();
    open.feed = noDisposable;
    open.lost = !this.visible;
    open.generation = (this.generations.get(topicId) ?? 0) + 1;
    open.seq = 0;
    this.generations.set(topicId, open.generation);
    if (!this.visible || !this.source) return;
    const {generation} = open;
    const current = (): boolean => this.topics.get(topicId) === open && open.generation === generation;
    const feed = this.follow(this.source, open.topic, {
      emit: event => {
        if (current()) this.send(topicId, open, event);
      },
      restart: () => {
        if (current()) this.begin(topicId);
      },
    });
    // A feed may have begun anew while it was being made.
    if (current()) open.feed = feed;
    else feed.dispose();
  }

  private send(topicId: string, open: OpenTopic, event: FeedEvent): void {
    if (open.lost) return;
    open.seq += 1;
    const {generation, seq} = open;
    const arrived = this.options.post({topicId, generation, seq, event});
    const tell = (ok: boolean): void => {
      if (!ok && open.generation === generation) open.lost = true;
    };
    if (typeof arrived === 'boolean') tell(arrived);
    else arrived.then(tell, () => tell(false));
  }

  private follow(source: FeedSource, topic: Topic, sink: FeedSink): Disposable {
    const {client, views} = source;
    const {clock, coalesceMs = DEFAULT_COALESCE_MS} = this.options;
    const rows = {views, clock, coalesceMs, sink};
    switch (topic.kind) {
      case 'fleet':
        return new RowFeed({
          ...rows,
          selectors: [{view: 'agents'}, {view: 'sessions'}, {view: 'approvals'}],
        });
      case 'session': {
        const {sessionId} = topic;
        const selectors = [{view: 'session', sessionId} as const, {view: 'approvals', sessionId} as const];
        return new RowFeed({...rows, selectors});
      }
      case 'plan':
        return followPlan({...source, clock}, topic.sessionId, sink);
      case 'transcript':
        return followTranscript({client, clock, coalesceMs}, topic, sink);
      case 'health':
        return followHealth({client, clock}, sink);
    }
  }
}
