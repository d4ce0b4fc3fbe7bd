/**
 * The MCP servers behind the coordinator, over whichever connection this window has. That one is registered or removed is told by a watch; how
 * they do is asked for while somebody looks.
 */
import type {ViewWatch} from '../../coordinator/client/viewWatch.ts';
import type {Logger} from '../../coordinator/observability/logger.ts';
import type {MCPServerInfo} from '../../coordinator/protocol/commands/server.ts';
import {type Clock, every} from '../../coordinator/runtime/clock.ts';
import {type Disposable, DisposableStore, noDisposable} from '../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../coordinator/runtime/emitter.ts';
import {describeError} from '../../coordinator/runtime/errors.ts';
import type {CoordinatorLink} from '../connection/coordinatorLink.ts';
import type {ServerSource} from '../views/model/serverRows.ts';
import type {Fleet} from './fleet.ts';

/** Between two questions how servers do. */
const ASK_MS = 3000;

export interface ServersOptions {
  readonly fleet: Pick<Fleet, 'onChange'>;
  readonly link: Pick<CoordinatorLink, 'client'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Servers implements ServerSource, Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly changes = this.lifetime.add(new Emitter<void>());
  private view: ViewWatch | undefined;
  private known: readonly MCPServerInfo[] | undefined;
  private asking: Promise<void> | undefined;
  /** Something happened while an answer was on its way, which may not say it. */
  private isLate = false;
  private isWatched = false;
  private polling: Disposable = noDisposable;

  readonly onChange: Event<void> = this.changes.event;

  constructor(private readonly options: ServersOptions) {
    this.lifetime.add(
      options.fleet.onChange(({part}) => {
        if (part === 'reset') this.open();
      }),
    );
    this.open();
  }

  /** By name. */
  get all(): readonly MCPServerInfo[] {
    return this.known ?? [];
  }

  whenWhole(): Promise<void> | undefined {
    return this.known || !this.options.link.client ? undefined : this.refresh();
  }

  watched(isWatched: boolean): void {
    this.isWatched = isWatched;
    this.polling.dispose();
    this.polling = isWatched ? every(this.options.clock, ASK_MS, () => void this.refresh()) : noDisposable;
    if (isWatched) void this.refresh();
  }

  /** Resolves when what is known is from after the call, or nobody can tell. */
  refresh(): Promise<void> {
    if (this.asking) {
      this.isLate = true;
      return this.asking;
    }
    const asking = this.ask().finally(() => {
      if (this.asking === asking) this.asking = undefined;
    });
    this.asking = asking;
    return asking;
  }

  dispose(): void {
    this.polling.dispose();
    this.view?.dispose();
    this.lifetime.dispose();
  }

  /** Another coordinator, or none. */
  private open(): void {
    this.view?.dispose();
    const {client} = this.options.link;
    this.view = client?.watch({view: 'servers'}, update => {
      if (update.kind !== 'failed' && this.isWatched) void this.refresh();
    });
    this.asking = undefined;
    this.take(undefined);
  }

  private async ask(): Promise<void> {
    const {link, logger} = this.options;
    do {
      this.isLate = false;
      const {client} = link;
      if (!client) return;
      try {
        const {servers} = await client.request('mcpx.server.list', {});
        // Of a coordinator that was left meanwhile.
        if (client !== link.client) return;
        this.take(servers);
      } catch (error) {
        logger.debug('how MCP servers do is not known', {error: describeError(error)});
        if (client === link.client && !this.known) this.take([]);
      }
    } while (this.isLate);
  }

  private take(rows: readonly MCPServerInfo[] | undefined): void {
    this.known = rows;
    this.changes.emit();
  }
}
