/** Watches of one client that several topics share: opened for the first, closed after the last. */
import type {ViewSelector} from '../../protocol/commands/watch.ts';
import {type Disposable, toDisposable} from '../../runtime/disposable.ts';
import type {McpxClient} from '../mcpxClient.ts';
import type {ViewWatch} from '../viewWatch.ts';

export interface HeldView extends Disposable {
  readonly watch: ViewWatch;
}

export class SharedViews implements Disposable {
  private readonly held = new Map<string, {readonly watch: ViewWatch; users: number}>();

  constructor(private readonly client: McpxClient) {}

  /** How many views are watched. */
  get size(): number {
    return this.held.size;
  }

  hold(selector: ViewSelector): HeldView {
    const name = JSON.stringify(selector);
    const shared = this.held.get(name) ?? {watch: this.client.watch(selector), users: 0};
    this.held.set(name, shared);
    shared.users += 1;
    const {dispose} = toDisposable(() => {
      shared.users -= 1;
      if (shared.users > 0) return;
      this.held.delete(name);
      shared.watch.dispose();
    });
    return {watch: shared.watch, dispose};
  }

  dispose(): void {
    for (const {watch} of this.held.values()) watch.dispose();
    this.held.clear();
  }
}
