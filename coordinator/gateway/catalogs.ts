/**
 * What a server offers, as each client sees it: read once for all clients that can do the same, and read again for a client whose own connection
 * has told of a change. What is known is answered at once; a server that is down takes nothing from others.
 */
import type {ClientCapabilities} from '@modelcontextprotocol/client';
import type {SurfaceCaller, SurfaceChange} from '../mcp/surface.ts';
import type {Logger} from '../observability/logger.ts';
import {atMost, type Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../runtime/errors.ts';
import {
  type Catalog,
  type CatalogReading,
  type CatalogRequest,
  kindOf,
  LIST_KINDS,
  type ListFault,
  type ListKind,
  readCatalog,
  wholeFault,
} from './catalog.ts';
import type {GatewaySettings} from './gatewaySettings.ts';
import type {Legs, OpenedLeg} from './legs.ts';

export interface CatalogChange {
  readonly change: SurfaceChange;
  /** Of clients that can do this; undefined: of one client. */
  readonly profile?: string;
  readonly clientKey?: string;
}

interface Shown {
  readonly capabilities: ClientCapabilities;
  catalog: Catalog | undefined;
  /** Of lists that could not be read; the catalog has what was known of them. */
  faults: readonly ListFault[];
  /** How often in a row some list could not be read. */
  failures: number;
  /** Where changes come from; undefined while there is none. */
  opened: OpenedLeg | undefined;
  loading: Promise<void> | undefined;
  /** It was waited for once in vain. */
  late: boolean;
  usedAt: number;
  readAt: number;
}

export interface CatalogsOptions {
  readonly legs: Legs;
  /** As many processes run as may. */
  readonly full: () => boolean;
  readonly settings: GatewaySettings;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Kinds of clients that are kept apart; the one that asked least lately is read anew when it asks again. */
const MAX_PROFILES = 8;
const LOOK_AGAIN_MS = 60_000;
export class Catalogs implements Disposable {
  private readonly shown = new Map<string, Shown>();
  private readonly own = new Map<string, Catalog>();
  private readonly changes = new Emitter<CatalogChange>();
  private readonly owned = new DisposableStore();
  private readonly stopped = new AbortController();
  private readonly retrying = new Set<Shown>();
  lastError: string | undefined;
  /** That was because of who is logged in there, or is not. */
  needsLogin = false;

  readonly onChange = this.changes.event;

  constructor(private readonly options: CatalogsOptions) {
    this.owned.add(options.legs.onOpened(opened => this.follow(opened)));
  }

  /** What the caller sees; undefined when the server has not told in time, or cannot be reached. Never rejects. */
  async of(caller: Pick<SurfaceCaller, 'clientKey' | 'capabilities'>): Promise<Catalog | undefined> {
    const own = this.own.get(caller.clientKey);
    if (own) return own;
    const shown = this.entry(caller.capabilities);
    const known = shown.opened?.leg.open ? shown.catalog : undefined;
    if (known) {
      shown.opened?.leg.touch();
      this.lookAgain(shown);
      return known;
    }
    const loading = this.load(shown);
    // What was known before is better than a pause; changes are announced.
    if (shown.catalog || !loading) return shown.catalog;
    const {clock, settings} = this.options;
    if (!shown.late)
      await atMost(
        clock,
        settings.listWaitMs,
        loading.catch(() => undefined),
      );
    shown.late = shown.catalog === undefined;
    return shown.catalog;
  }

  /** What is known by now, of any client. */
  get known(): Catalog | undefined {
    return this.someShown?.catalog;
  }

  /** Of the same: what could not be listed, and is asked for again. */
  get faults(): readonly ListFault[] {
    return this.someShown?.faults ?? [];
  }

  /** Reads what a server offers to clients that can do this; rejects when it cannot be reached. */
  async read(capabilities: ClientCapabilities): Promise<Catalog | undefined> {
    const shown = this.entry(capabilities);
    if (!shown.opened?.leg.open) await this.load(shown);
    return shown.catalog;
  }

  release(clientKey: string): void {
    this.own.delete(clientKey);
  }

  dispose(): void {
    this.stopped.abort(new CoordinatorError('closed', 'the server is being taken away'));
    this.owned.dispose();
    this.changes.dispose();
    this.shown.clear();
    this.own.clear();
  }

  private get someShown(): Shown | undefined {
    return [...this.shown.values()].find(({catalog}) => catalog);
  }

  private entry(capabilities: ClientCapabilities): Shown {
    const profile = this.options.legs.profileOf(capabilities);
    const now = this.options.clock.now();
    const known = this.shown.get(profile);
    if (known) {
      known.usedAt = now;
      return known;
    }
    if (this.shown.size >= MAX_PROFILES) this.forgetOldest();
    const shown: Shown = {
      capabilities,
      catalog: undefined,
      faults: [],
      failures: 0,
      opened: undefined,
      loading: undefined,
      late: false,
      usedAt: now,
      readAt: now,
    };
    this.shown.set(profile, shown);
    return shown;
  }

  private forgetOldest(): void {
    const [oldest] = [...this.shown].sort(([, a], [, b]) => a.usedAt - b.usedAt);
    if (!oldest) return;
    this.shown.delete(oldest[0]);
    if (this.options.legs.perClient) void oldest[1].opened?.leg.close('nobody like that asks any more');
  }

  /** Undefined while the server is left alone after a failure. */
  private load(shown: Shown): Promise<void> | undefined {
    if (shown.loading) return shown.loading;
    const {legs, logger} = this.options;
    if (legs.pauseMs > 0) {
      this.retryLater(shown);
      return undefined;
    }
    shown.loading = this.readShown(shown)
      .catch((thrown: unknown) => {
        const error = legs.explained(thrown);
        this.needsLogin = isCoordinatorError(error, 'unauthorized');
        const reason = this.explain(error);
        // It is tried again and again: what is new is said.
        if (reason !== this.lastError) logger.warn('an MCP server does not tell what it offers', {reason});
        this.lastError = reason;
        this.retryLater(shown);
        throw error;
      })
      .finally(() => {
        shown.loading = undefined;
      });
    shown.loading.catch(() => undefined);
    return shown.loading;
  }

  private async readShown(shown: Shown): Promise<void> {
    const {legs, logger, clock} = this.options;
    const opened = await legs.forLists(shown.capabilities);
    try {
      await opened.leg.listen().catch((error: unknown) => logger.debug('it tells no changes', {error}));
      const before = shown.catalog;
      const reading = await this.ask(opened, shown.capabilities, LIST_KINDS, shown);
      const fault = wholeFault(opened.leg, reading);
      if (fault) throw fault.error;
      const fresh = opened.leg.open;
      shown.opened = fresh ? opened : undefined;
      const isOther = this.take(shown, reading);
      this.lastError = undefined;
      this.needsLogin = false;
      if (isOther && (before || shown.late)) this.tell(shown, LIST_KINDS);
      shown.late = false;
      shown.readAt = clock.now();
      this.retryLists(shown);
    } catch (error) {
      void opened.leg.close('it does not tell what it offers');
      if (!legs.perClient || opened.leg.open) opened.replica.failed(error);
      throw error;
    } finally {
      opened.leg.settle();
    }
  }

  /** As long as a server may take that is asked for what it offers. */
  private async ask(
    {leg}: OpenedLeg,
    capabilities: ClientCapabilities,
    kinds: readonly ListKind[],
    known: Partial<CatalogReading>,
  ): Promise<CatalogReading> {
    const {clock, settings, logger} = this.options;
    const attempt = new AbortController();
    const ending = leg.onEnded(() => attempt.abort(new CoordinatorError('closed', 'its connection ended')));
    const timer = clock.schedule(settings.startTimeoutMs, () =>
      attempt.abort(new CoordinatorError('timeout', 'it did not list what it offers in time')),
    );
    const request: CatalogRequest = {
      ...{leg: leg.as(capabilities), kinds, logger},
      known: () => known,
      signal: AbortSignal.any([attempt.signal, this.stopped.signal]),
      explain: error => this.explain(error),
    };
    try {
      return await readCatalog(request);
    } finally {
      timer.dispose();
      ending.dispose();
    }
  }

  /** For people. */
  private explain(error: unknown): string {
    const {legs} = this.options;
    return legs.withoutSecrets(describeError(legs.explained(error)));
  }

  /** True when it offers something else than before. */
  private take(shown: Shown, {catalog, faults}: CatalogReading): boolean {
    // They are tried again and again: what is new is said.
    for (const {list, reason} of faults)
      if (!shown.faults.some(known => known.list === list && known.reason === reason))
        this.options.logger.warn('an MCP server does not list what it says that it has', {list, reason});
    shown.faults = faults;
    if (faults.length === 0) shown.failures = 0;
    const isOther = !shown.catalog || !sameCatalog(shown.catalog, catalog);
    if (isOther) shown.catalog = catalog;
    return isOther;
  }

  /** What a server that tells no changes offers is read again now and then, and what could not be read, beside whoever asks. */
  private lookAgain(shown: Shown): void {
    const {opened, readAt, faults} = shown;
    const {clock} = this.options;
    if (faults.length > 0) this.retryLists(shown);
    if (!opened || shown.loading || clock.now() - readAt < LOOK_AGAIN_MS) return;
    const {tools, prompts, resources} = opened.leg.capabilities;
    if ([tools, prompts, resources].every(part => !part || part.listChanged)) return;
    shown.readAt = clock.now();
    this.readAgain(shown, LIST_KINDS);
  }

  private readAgain(shown: Shown, kinds: readonly ListKind[]): void {
    const {opened} = shown;
    if (!opened?.leg.open || shown.loading) return;
    const {logger} = this.options;
    shown.loading = this.ask(opened, shown.capabilities, kinds, shown)
      .then(reading => {
        if (this.take(shown, reading)) this.tell(shown, kinds);
      })
      .catch((error: unknown) => logger.debug('a list could not be read again', {error}))
      .finally(() => {
        shown.loading = undefined;
        this.retryLists(shown);
      });
  }

  /** Once, when the server may be tried again; as long as somebody asked for it lately. */
  private retryLater(shown: Shown): void {
    const {legs} = this.options;
    this.retry(shown, Math.max(50, legs.pauseMs), () => {
      if (!shown.opened?.leg.open) void this.load(shown)?.catch(() => undefined);
    });
  }

  /** As `retryLater`, for lists that were not given on a connection that gives others. */
  private retryLists(shown: Shown): void {
    if (shown.faults.length === 0 || this.retrying.has(shown)) return;
    this.retry(shown, this.options.legs.pauseAfter(++shown.failures), () => {
      if (shown.loading) this.retryLists(shown);
      else this.readAgain(shown, [...new Set(shown.faults.map(({list}) => kindOf(list)))]);
    });
  }

  private retry(shown: Shown, delayMs: number, again: () => void): void {
    const {clock, settings} = this.options;
    if (this.owned.isDisposed || clock.now() - shown.usedAt > settings.idleMs) return;
    if (this.retrying.has(shown)) return;
    this.retrying.add(shown);
    const timer = clock.schedule(
      delayMs,
      () => {
        this.retrying.delete(shown);
        this.owned.delete(timer);
        again();
      },
      {background: true},
    );
    this.owned.add(timer);
  }

  private follow(opened: OpenedLeg): void {
    const {leg, owner} = opened;
    leg.onChange(change => {
      if (change.kind === 'resource') return;
      void this.changed(opened, change.kind).catch((error: unknown) =>
        this.options.logger.warn('a changed list could not be read', {error}),
      );
    });
    leg.onEnded(({byItself}) => {
      if (owner.clientKey !== undefined) {
        // A fresh connection begins with what everybody sees.
        if (this.own.delete(owner.clientKey)) this.tellClient(owner.clientKey, LIST_KINDS);
        return;
      }
      for (const shown of this.shown.values()) {
        if (shown.opened !== opened) continue;
        shown.opened = undefined;
        if (byItself) this.retryLater(shown);
      }
    });
  }

  private async changed(opened: OpenedLeg, kind: ListKind): Promise<void> {
    const {leg, owner} = opened;
    const {clientKey, capabilities} = owner;
    if (clientKey !== undefined) {
      const catalog = this.own.get(clientKey) ?? (await this.of({clientKey, capabilities}));
      if (!catalog) return;
      const reading = await this.ask(opened, capabilities, [kind], {catalog});
      const [fault] = reading.faults;
      if (fault) throw fault.error;
      if (!leg.open) return;
      this.own.set(clientKey, reading.catalog);
      this.tellClient(clientKey, [kind]);
      return;
    }
    for (const shown of this.shown.values()) {
      if (shown.opened?.leg !== leg || !shown.catalog) continue;
      this.take(shown, await this.ask(opened, shown.capabilities, [kind], shown));
      this.tell(shown, [kind]);
      this.retryLists(shown);
    }
  }

  private tell({capabilities}: Shown, kinds: readonly ListKind[]): void {
    for (const kind of kinds)
      this.changes.emit({change: {kind}, profile: this.options.legs.profileOf(capabilities)});
  }

  private tellClient(clientKey: string, kinds: readonly ListKind[]): void {
    for (const kind of kinds) this.changes.emit({change: {kind}, clientKey});
  }
}

function sameCatalog(a: Catalog, b: Catalog): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
