/** The page's side of its host: topics without a gap, and questions that are always settled. */
import type * as z from 'zod';
import type {FeedQuery} from '../../coordinator/client/feed/queries.ts';
import type {FeedEvent, FeedMessage, Topic} from '../../coordinator/client/feed/topics.ts';
import {type Disposable, toDisposable} from '../../coordinator/runtime/disposable.ts';
import type {PageHost} from '../host/pageHost.ts';
import type {FromPage, PageAction, ToPage} from '../messages.ts';

export type Outcome = Extract<ToPage, {kind: 'answered'}>['outcome'];
/** `fresh`: the first event of a generation; what was known of the topic before is void. */
export type TopicListener = (event: FeedEvent, fresh: boolean) => void;

interface Followed {
  readonly topic: Topic;
  readonly listener: TopicListener;
  generation: number;
  seq: number;
  /** The generation of which something is missing. */
  lost?: number;
}

/** Given by a host that sends a plan before it runs. */
export const DRAFT_TOPIC = 'draft';

export class PageFeed {
  private readonly topics = new Map<string, Followed>();
  private readonly pending = new Map<number, (outcome: Outcome) => void>();
  private readonly drafts = new Set<TopicListener>();
  private opened = 0;
  private asked = 0;

  constructor(private readonly host: PageHost) {
    host.onMessage(message => this.take(message));
  }

  /** Calls back with a snapshot, then every change in order, until disposed. */
  follow(topic: Topic, listener: TopicListener): Disposable {
    const topicId = `t${++this.opened}`;
    this.topics.set(topicId, {topic, listener, generation: 0, seq: 0});
    this.host.send({kind: 'open', topicId, topic});
    return toDisposable(() => {
      this.topics.delete(topicId);
      this.host.send({kind: 'close', topicId});
    });
  }

  /** Plans that have not run: the host sends them unasked. */
  followDraft(listener: TopicListener): Disposable {
    this.drafts.add(listener);
    return toDisposable(() => this.drafts.delete(listener));
  }

  /** Always resolves: a host that goes fails what it was asked. */
  act(action: PageAction): Promise<Outcome> {
    return this.ask(id => ({kind: 'action', id, action}));
  }

  /** Rejects with what the host says. The answer is checked here: it came from another process. */
  async query<T extends z.ZodType>(schema: T, query: FeedQuery): Promise<z.output<T>> {
    const outcome = await this.ask(id => ({kind: 'query', id, query}));
    if (outcome.kind === 'done') return schema.parse(outcome.value);
    throw new Error(outcome.kind === 'failed' ? outcome.message : 'cancelled');
  }

  private ask(message: (id: number) => FromPage): Promise<Outcome> {
    const id = ++this.asked;
    return new Promise(resolve => {
      this.pending.set(id, resolve);
      this.host.send(message(id));
    });
  }

  private take(message: ToPage): void {
    if (message.kind === 'feed') this.deliver(message.message);
    else if (message.kind === 'answered') {
      const settle = this.pending.get(message.id);
      this.pending.delete(message.id);
      settle?.(message.outcome);
    } else if (message.kind === 'hello') this.startAnew();
  }

  /** The host knows nothing of what it was told before. */
  private startAnew(): void {
    for (const settle of this.pending.values())
      settle({kind: 'failed', message: 'The window was loaded anew; whether it was done is not known.'});
    this.pending.clear();
    for (const [topicId, {topic}] of this.topics) this.host.send({kind: 'open', topicId, topic});
  }

  private deliver({topicId, generation, seq, event}: FeedMessage): void {
    if (topicId === DRAFT_TOPIC) {
      for (const listener of this.drafts) listener(event, true);
      return;
    }
    const followed = this.topics.get(topicId);
    if (!followed || generation < followed.generation || generation === followed.lost) return;
    const fresh = generation > followed.generation;
    if (seq !== (fresh ? 1 : followed.seq + 1)) {
      // Something was lost: what is late of this generation is passed over until the next one begins.
      followed.lost = generation;
      this.host.send({kind: 'open', topicId, topic: followed.topic});
      return;
    }
    followed.generation = generation;
    followed.seq = seq;
    followed.listener(event, fresh);
  }
}
