/** The servers behind the hub: one upstream for each that is registered, kept as they are as long as their definition does not change. */

import type {Variables} from '../discovery/servers/expandVariables.ts';
import type {Logger} from '../observability/logger.ts';
import type {ServerDefinition} from '../protocol/model/server.ts';
import {atMost, type Clock} from '../runtime/clock.ts';
import {Emitter} from '../runtime/emitter.ts';
import type {Random} from '../runtime/random.ts';
import type {CatalogChange} from './catalogs.ts';
import type {GatewaySettings} from './gatewaySettings.ts';
import type {CredentialStore} from './oauth/credentialStore.ts';
import {PendingCalls} from './pendingCalls.ts';
import {ProcessBudget} from './processBudget.ts';
import type {ProcessLauncher} from './serverProcess.ts';
import type {ResourceUpdate} from './subscriptions.ts';
import {Upstream} from './upstream.ts';

export interface GatewayOptions {
  readonly settings: GatewaySettings;
  readonly launcher: ProcessLauncher;
  readonly variables: Variables;
  readonly baseEnv: Readonly<Record<string, string>>;
  readonly credentials: CredentialStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export type GatewayChange =
  | {readonly kind: 'servers'}
  | {readonly kind: 'catalog'; readonly server: string; readonly change: CatalogChange}
  | {readonly kind: 'resource'; readonly server: string; readonly update: ResourceUpdate};

/** What introspection says that a client can do: servers show what they have for such clients. */
export const EVERYTHING = {sampling: {}, elicitation: {form: {}, url: {}}, roots: {}};

/** A changed server's calls in work may end within this. */
const DRAIN_MS = 10_000;

export class Gateway {
  readonly pending: PendingCalls;
  readonly budget: ProcessBudget;
  private readonly upstreams = new Map<string, Upstream>();
  private readonly retiring = new Set<Promise<void>>();
  private readonly changes = new Emitter<GatewayChange>();
  private stopped = false;

  readonly onChange = this.changes.event;

  constructor(readonly options: GatewayOptions) {
    const {clock, random, settings} = options;
    this.pending = new PendingCalls({
      ...{clock, random, maxPending: settings.maxPending, maxPendingPerClient: settings.maxPendingPerClient},
      expiryMs: settings.pendingExpiryMs,
    });
    this.budget = new ProcessBudget(settings, () => this.endLeastMissed(), clock);
  }

  /** In order of their names. */
  get all(): readonly Upstream[] {
    return [...this.upstreams.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): Upstream | undefined {
    return this.upstreams.get(name);
  }

  /** From now on these are the servers. Whoever has not changed goes on undisturbed. */
  apply(definitions: readonly ServerDefinition[]): void {
    if (this.stopped) return;
    const wanted = new Map(definitions.map(definition => [definition.name, definition]));
    let changed = false;
    for (const [name, upstream] of this.upstreams) {
      const next = wanted.get(name);
      if (same(upstream.definition, next)) continue;
      changed = true;
      if (next && same(withoutAccess(upstream.definition), withoutAccess(next))) {
        upstream.readmit(next.access);
        continue;
      }
      this.upstreams.delete(name);
      this.retire(upstream);
    }
    for (const [name, definition] of wanted) {
      if (this.upstreams.has(name)) continue;
      this.upstreams.set(name, this.begin(definition));
      changed = true;
    }
    if (changed) this.changes.emit({kind: 'servers'});
  }

  /** Connects anew and reads what they offer, whatever was known. */
  refresh(name: string): void {
    const upstream = this.upstreams.get(name);
    if (!upstream) return;
    const {definition} = upstream;
    this.retire(upstream);
    this.upstreams.set(name, this.begin(definition));
    this.changes.emit({kind: 'servers'});
  }

  release(clientKey: string): void {
    this.pending.forget(clientKey);
    for (const upstream of this.upstreams.values()) upstream.release(clientKey);
  }

  /** A server that is not registered, for introspection; its owner stops it. */
  probe(definition: ServerDefinition): Upstream {
    const {settings, launcher, variables, baseEnv, credentials, clock, random} = this.options;
    const logger = this.options.logger.with({server: definition.name});
    const {budget, pending} = this;
    return new Upstream({
      ...{
        definition,
        settings,
        launcher,
        variables,
        baseEnv,
        credentials,
        clock,
        random,
        logger,
        budget,
        pending,
      },
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.pending.stop();
    const upstreams = [...this.upstreams.values()];
    this.upstreams.clear();
    await Promise.all([...upstreams.map(upstream => upstream.stop()), ...this.retiring]);
    await this.options.launcher.stop();
    this.changes.dispose();
  }

  private begin(definition: ServerDefinition): Upstream {
    const upstream = this.probe(definition);
    const server = definition.name;
    upstream.catalogs.onChange(change => this.changes.emit({kind: 'catalog', server, change}));
    upstream.subscriptions.onUpdate(update => this.changes.emit({kind: 'resource', server, update}));
    upstream.catalogs.read(EVERYTHING).catch(() => undefined);
    return upstream;
  }

  private retire(upstream: Upstream): void {
    const {clock} = this.options;
    const gone = atMost(clock, DRAIN_MS, upstream.idle())
      .then(() => upstream.stop())
      .finally(() => this.retiring.delete(gone));
    this.retiring.add(gone);
  }

  private endLeastMissed(): boolean {
    const [first] = [...this.upstreams.values()]
      .flatMap(({legs}) => (legs.leastWorth === undefined ? [] : [{legs, worth: legs.leastWorth}]))
      .sort((a, b) => a.worth - b.worth);
    return first !== undefined && first.legs.reap(0, 1) > 0;
  }
}

function withoutAccess({access: _, ...definition}: ServerDefinition): Omit<ServerDefinition, 'access'> {
  return definition;
}

function same(a: object, b: object | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
