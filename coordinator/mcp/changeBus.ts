/** What one stream of `subscriptions/listen` is told: changes of what its caller sees, and of the resources that it named. */
import type {ServerEvent, ServerEventBus} from '@modelcontextprotocol/server';
import type {Logger} from '../observability/logger.ts';
import {type Disposable, DisposableStore, toDisposable} from '../runtime/disposable.ts';
import type {McpSettings} from './mcpSettings.ts';
import type {Surface, SurfaceCaller, SurfaceChange} from './surface.ts';

export interface ChangeBusOptions {
  readonly surface: Surface;
  readonly settings: McpSettings;
  readonly logger: Logger;
}

export class ChangeBus implements ServerEventBus {
  private readonly owned = new DisposableStore();
  private heard = false;
  /** Lists that changed in this turn of the event loop: each is said once. */
  private readonly pending = new Set<SurfaceChange['kind']>();

  constructor(
    private readonly options: ChangeBusOptions,
    private readonly caller: SurfaceCaller,
    onEnd: () => void,
  ) {
    this.owned.add(toDisposable(onEnd));
  }

  publish(): void {
    // The surface is the only source.
  }

  subscribe(listener: (event: ServerEvent) => void): () => void {
    this.heard = true;
    const {surface} = this.options;
    const listening: Disposable = surface.onChange(this.caller, change => this.pass(change, listener));
    this.owned.add(listening);
    return () => this.owned.dispose();
  }

  /** Subscribes to the resources that the request names, and returns the request without those that there are not. */
  async subscribeTo(body: unknown): Promise<unknown> {
    const {surface, settings} = this.options;
    const request = body as {params?: {notifications?: {resourceSubscriptions?: unknown}}};
    const uris = request.params?.notifications?.resourceSubscriptions;
    if (!Array.isArray(uris) || !uris.every(uri => typeof uri === 'string')) return body;
    const known: string[] = [];
    for (const uri of new Set<string>(uris.slice(0, settings.maxSubscriptions))) {
      const subscription = await surface.subscribe(uri, this.caller);
      if (!subscription) continue;
      this.owned.add(subscription);
      known.push(uri);
    }
    const {notifications} = request.params ?? {};
    return {
      ...request,
      params: {...request.params, notifications: {...notifications, resourceSubscriptions: known}},
    };
  }

  /** The request was refused, or wanted nothing. */
  endUnlessHeard(): void {
    if (!this.heard) this.owned.dispose();
  }

  private pass(change: SurfaceChange, listener: (event: ServerEvent) => void): void {
    if (change.kind === 'resource') {
      listener({kind: 'resource_updated', uri: change.uri});
      return;
    }
    const {kind} = change;
    if (this.pending.has(kind)) return;
    this.pending.add(kind);
    queueMicrotask(() => {
      this.pending.delete(kind);
      if (!this.owned.isDisposed) listener({kind: `${kind}_list_changed`});
    });
  }
}
