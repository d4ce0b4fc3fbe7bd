/** What the window's pages are fed from, whichever coordinator it is connected to: watches that they share. */
import type {FeedSource} from '../../coordinator/client/feed/publisher.ts';
import {SharedViews} from '../../coordinator/client/feed/sharedViews.ts';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {type Disposable, DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../coordinator/runtime/emitter.ts';
import type {CoordinatorLink} from '../connection/coordinatorLink.ts';
import type {Fleet} from '../fleet/fleet.ts';

export class LinkSource implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly changes = this.lifetime.add(new Emitter<FeedSource | undefined>());
  private client: McpxClient | undefined;
  private source: (FeedSource & {readonly views: SharedViews}) | undefined;

  readonly onChange: Event<FeedSource | undefined> = this.changes.event;

  constructor(
    private readonly link: CoordinatorLink,
    private readonly fleet: Fleet,
  ) {
    this.lifetime.add(link.onState(() => this.follow()));
    this.follow();
  }

  /** Undefined without a coordinator. */
  get current(): FeedSource | undefined {
    return this.source;
  }

  dispose(): void {
    this.source?.views.dispose();
    this.lifetime.dispose();
  }

  private follow(): void {
    const {client} = this.link;
    if (client === this.client) return;
    const before = this.source;
    this.client = client;
    this.source = client && {client, views: new SharedViews(client), plans: this.fleet.plans};
    this.changes.emit(this.source);
    before?.views.dispose();
  }
}
