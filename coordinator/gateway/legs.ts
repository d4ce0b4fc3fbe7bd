/**
 * The connections to one server, over all its replicas: one for each client where the server keeps state, else a few that are lent to one call
 * at a time as long as there are enough. Idle ones are ended; what ends by itself is opened again by whoever needs it next.
 */
import type {ClientCapabilities} from '@modelcontextprotocol/client';
import {backoffMs} from '../bridge/backoff.ts';
import {expandEndpoint, type Variables} from '../discovery/servers/expandVariables.ts';
import type {Logger} from '../observability/logger.ts';
import type {ServerDefinition, ServerEndpoint} from '../protocol/model/server.ts';
import type {Clock} from '../runtime/clock.ts';
import {Emitter} from '../runtime/emitter.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../runtime/errors.ts';
import type {Random} from '../runtime/random.ts';
import type {GatewaySettings} from './gatewaySettings.ts';
import {type Leg, legCapabilities} from './leg.ts';
import {authorizationOf, type EndpointAuthorization, withoutSecretsOf} from './oauth/authorization.ts';
import type {Challenge} from './oauth/challenge.ts';
import type {CredentialStore} from './oauth/credentialStore.ts';
import {scopeFault, scopeRefusal} from './oauth/scopeFault.ts';
import {openLeg} from './openLeg.ts';
import type {ProcessBudget} from './processBudget.ts';
import {Replica} from './replica.ts';
import type {ProcessLauncher} from './serverProcess.ts';

export interface LegsOptions {
  readonly definition: ServerDefinition;
  readonly settings: GatewaySettings;
  readonly budget: ProcessBudget;
  readonly launcher: ProcessLauncher;
  /** Fills in ${VAR}. */
  readonly variables: Variables;
  /** What every process finds in its environment. */
  readonly baseEnv: Readonly<Record<string, string>>;
  /** Of logins at servers that want OAuth. */
  readonly credentials: CredentialStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Whose a connection is: one client's, or everybody's with these capabilities. */
export interface LegOwner {
  readonly clientKey?: string | undefined;
  readonly capabilities: ClientCapabilities;
}

export interface OpenedLeg {
  readonly leg: Leg;
  readonly owner: LegOwner;
  readonly replica: Replica;
}

const DEFAULT_POOL = {http: 32, sse: 8, stdio: 1} as const;

const LONG_MS = 1e12;

export class Legs {
  readonly replicas: readonly Replica[];
  /** By client, and by what it can do: in the newer protocol each request says that anew. */
  private readonly own = new Map<string, Map<string, Promise<OpenedLeg>>>();
  private readonly pools = new Map<string, {legs: Set<OpenedLeg>; opening: number}>();
  private readonly all = new Set<OpenedLeg>();
  private readonly stopped = new AbortController();
  private readonly opens = new Emitter<OpenedLeg>();
  /** Undefined until the first connection has told. */
  private keepsState: boolean | undefined;
  /** Whether each request says what its client can do, so that one connection is for all. */
  private isToldPerRequest: boolean | undefined;

  /** Every connection, when it is there. */
  readonly onOpened = this.opens.event;

  constructor(private readonly options: LegsOptions) {
    const {definition, clock, random, settings} = options;
    this.replicas = [definition.endpoint, ...definition.replicas].map(
      endpoint => new Replica(endpoint, clock, random, settings),
    );
    if (definition.shared !== undefined) this.keepsState = !definition.shared;
  }

  /** Whether each client gets a connection of its own. */
  get perClient(): boolean {
    return this.keepsState ?? true;
  }

  get open(): readonly OpenedLeg[] {
    return [...this.all];
  }

  get processes(): number {
    return [...this.all].filter(({leg}) => leg.pid !== undefined).length;
  }

  /** Milliseconds until some replica may be tried; 0: now. */
  get pauseMs(): number {
    return Math.min(...this.replicas.map(({pauseMs}) => pauseMs));
  }

  /** Milliseconds until something is asked again that has failed so often in a row. */
  pauseAfter(failures: number): number {
    const {settings, random} = this.options;
    return backoffMs(settings.backoff, failures, random);
  }

  /** Clients for which connections may be the same, as far as what they can do goes. */
  profileOf(capabilities: ClientCapabilities): string {
    return JSON.stringify(this.declared(capabilities));
  }

  /** For a client's call. Rejects with `unavailable`, `limit` or `closed`. */
  lend(clientKey: string, capabilities: ClientCapabilities): Promise<OpenedLeg> {
    return this.perClient ? this.ofClient(clientKey, capabilities) : this.fromPool(capabilities);
  }

  /** For the lists that all clients with these capabilities see. */
  async forLists(capabilities: ClientCapabilities): Promise<OpenedLeg> {
    if (this.keepsState === false) return this.fromPool(capabilities);
    const opened = await this.connect({capabilities}, this.keepsState);
    if (!this.perClient) join(this.pool(capabilities).legs, opened);
    return opened;
  }

  release(clientKey: string): void {
    const openings = this.own.get(clientKey);
    this.own.delete(clientKey);
    for (const opening of openings?.values() ?? [])
      void opening.then(({leg}) => leg.close('its client has gone')).catch(() => undefined);
  }

  /** Ends those that were idle for `idleMs`; false when there was none. */
  reap(idleMs: number, most = Number.POSITIVE_INFINITY): number {
    const now = this.options.clock.now();
    const idle = [...this.all]
      .filter(({leg}) => leg.busy === 0 && leg.subscribed === 0 && now - leg.usedAt >= idleMs)
      .sort((a, b) => worthOf(a) - worthOf(b))
      .slice(0, most);
    for (const {leg} of idle) void leg.close('it was idle');
    return idle.length;
  }

  /** The less it is, the less is lost with the process that would be missed least; undefined where all are in use. */
  get leastWorth(): number | undefined {
    const idle = this.open.filter(({leg}) => leg.pid !== undefined && leg.busy === 0 && leg.subscribed === 0);
    return idle.length === 0 ? undefined : Math.min(...idle.map(worthOf));
  }

  async stop(): Promise<void> {
    this.stopped.abort(new CoordinatorError('closed', 'the server is being taken away'));
    await Promise.all([...this.all].map(({leg}) => leg.close('the hub ends it')));
    this.opens.dispose();
  }

  private ofClient(clientKey: string, capabilities: ClientCapabilities): Promise<OpenedLeg> {
    const openings = this.own.get(clientKey) ?? new Map<string, Promise<OpenedLeg>>();
    this.own.set(clientKey, openings);
    const profile = this.profileOf(capabilities);
    const known = openings.get(profile);
    if (known) return known;
    const opening = this.connect({clientKey, capabilities}, this.keepsState);
    openings.set(profile, opening);
    const isKept = (): boolean => this.own.get(clientKey) === openings && openings.get(profile) === opening;
    const forget = (): void => {
      if (openings.get(profile) === opening) openings.delete(profile);
      if (openings.size === 0 && this.own.get(clientKey) === openings) this.own.delete(clientKey);
    };
    opening.then(({leg}) => {
      if (leg.open) leg.onEnded(forget);
      else forget();
      // Its client went while it was being opened.
      if (!isKept()) void leg.close('its client has gone');
    }, forget);
    return opening;
  }

  private async fromPool(capabilities: ClientCapabilities): Promise<OpenedLeg> {
    const pool = this.pool(capabilities);
    const best = leastBusy(pool.legs);
    const usable = this.usable();
    const most = Math.max(1, this.poolSize() * usable.length);
    const connected = new Set([...pool.legs].map(({replica}) => replica));
    const missing = usable.some(replica => !connected.has(replica) && replica.opening === 0);
    if (best && !missing && (best.leg.busy === 0 || pool.legs.size + pool.opening >= most)) {
      best.replica.served++;
      return best;
    }
    pool.opening++;
    try {
      const opened = await this.connect({capabilities}, false);
      join(pool.legs, opened);
      return opened;
    } catch (error) {
      // One more would have been better; another one is there.
      const other = leastBusy(pool.legs);
      if (other) return other;
      throw error;
    } finally {
      pool.opening--;
    }
  }

  private pool(capabilities: ClientCapabilities) {
    const profile = this.isToldPerRequest ? '' : this.profileOf(capabilities);
    const known = this.pools.get(profile);
    if (known) return known;
    const pool = {legs: new Set<OpenedLeg>(), opening: 0};
    this.pools.set(profile, pool);
    return pool;
  }

  /** What is said of clients. Of a server that they were told to share nobody can be asked: nothing says whom it means. */
  private declared(capabilities: ClientCapabilities): ClientCapabilities {
    return this.options.definition.shared === true ? {} : legCapabilities(capabilities);
  }

  private poolSize(): number {
    const {definition} = this.options;
    return definition.pool ?? DEFAULT_POOL[definition.endpoint.type];
  }

  /** Tries each replica that may be tried, the least busy first. */
  private async connect(owner: LegOwner, exclusive: boolean | undefined): Promise<OpenedLeg> {
    const errors: string[] = [];
    let unauthorized: unknown;
    for (const replica of this.usable()) {
      try {
        return await this.openOn(replica, owner, exclusive);
      } catch (thrown) {
        this.stopped.signal.throwIfAborted();
        const error = this.explained(thrown);
        if (error instanceof CoordinatorError && error.code === 'limit') throw error;
        const reason = this.withoutSecrets(describeError(error));
        replica.failed(new Error(reason));
        errors.push(reason);
        if (isCoordinatorError(error, 'unauthorized')) unauthorized = error;
      }
    }
    if (unauthorized !== undefined && errors.length === 1) throw unauthorized;
    const {definition} = this.options;
    const waiting = this.replicas.map(({lastError}) => lastError).filter(error => error !== undefined);
    throw new CoordinatorError(
      'unavailable',
      `the server ${definition.name} cannot be reached: ${(errors.length > 0 ? errors : waiting).join('; ')}`,
      {hint: `It is tried again in ${Math.ceil(this.pauseMs / 1000)} s, or by mcpx servers refresh.`},
    );
  }

  /** Somebody has to log in before it can be used. */
  get needsLogin(): boolean {
    return this.replicas.some(({authorization}) => authorization?.needsLogin);
  }

  /** What the server said last when it refused somebody who was not logged in. */
  get challenge(): Challenge | undefined {
    return this.replicas[0]?.authorization?.challenge;
  }

  /** What wants more scope says so in the words of a person. */
  explained(error: unknown): unknown {
    const refusal = scopeRefusal(error);
    return refusal ? scopeFault(this.options.definition, refusal) : error;
  }

  /** Servers may repeat what they were shown. */
  withoutSecrets(text: string): string {
    return this.replicas.reduce((said, {authorization}) => withoutSecretsOf(authorization, said), text);
  }

  private authorize(replica: Replica, endpoint: ServerEndpoint): EndpointAuthorization | undefined {
    if (endpoint.type === 'stdio') return undefined;
    const {definition, credentials, clock, logger} = this.options;
    const isReplica = replica !== this.replicas[0];
    replica.authorization ??= authorizationOf({
      ...{server: definition.name, endpoint, isReplica, credentials, clock, logger},
    });
    return replica.authorization;
  }

  private usable(): Replica[] {
    return this.replicas
      .filter(({pauseMs}) => pauseMs === 0)
      .sort((a, b) => a.busy - b.busy || a.served - b.served);
  }

  private async openOn(
    replica: Replica,
    owner: LegOwner,
    exclusive: boolean | undefined,
  ): Promise<OpenedLeg> {
    const {definition, settings, budget, launcher, variables, baseEnv, clock, logger} = this.options;
    const endpoint = expandEndpoint(replica.endpoint, variables);
    const authorization = this.authorize(replica, endpoint);
    const share = endpoint.type === 'stdio' ? await budget.take() : undefined;
    replica.opening++;
    let leg: Leg;
    try {
      leg = await budget.start(() =>
        openLeg({
          ...{endpoint, authorization, baseEnv, launcher, exclusive, clock, logger},
          maxHeapMb: definition.maxHeapMb,
          capabilities: this.declared(owner.capabilities),
          era: definition.era ?? 'auto',
          prior: replica.prior,
          startTimeoutMs: definition.startTimeoutMs ?? settings.startTimeoutMs,
          graceMs: settings.graceMs,
          signal: this.stopped.signal,
        }),
      );
    } catch (error) {
      share?.gone();
      throw error;
    } finally {
      replica.opening--;
    }
    void leg.settled.then(() => share?.opened());
    leg.onEnded(() => share?.leave());
    void leg.gone.then(() => share?.gone());
    replica.served++;
    const opened = {leg, owner, replica};
    const since = clock.now();
    replica.opened(leg);
    this.all.add(opened);
    leg.onEnded(({reason, byItself}) => {
      this.all.delete(opened);
      if (byItself) {
        replica.lost(reason, clock.now() - since);
        logger.warn('an MCP server ended a connection', {server: definition.name, reason});
      }
    });
    this.keepsState ??= leg.keepsState;
    this.isToldPerRequest = leg.era === 'modern' && this.isToldPerRequest !== false;
    this.opens.emit(opened);
    return opened;
  }
}

function join(legs: Set<OpenedLeg>, opened: OpenedLeg): void {
  if (!opened.leg.open) return;
  legs.add(opened);
  opened.leg.onEnded(() => legs.delete(opened));
}

/** What only tells what there is has no state that would be lost; else what was used last is kept longest. */
function worthOf({leg, owner}: OpenedLeg): number {
  return owner.clientKey === undefined ? leg.usedAt - LONG_MS : leg.usedAt;
}

/** Of those that have as little to do, one of the place that has served least. */
function leastBusy(legs: ReadonlySet<OpenedLeg>): OpenedLeg | undefined {
  let best: OpenedLeg | undefined;
  for (const opened of legs) if (opened.leg.open && (!best || isFreer(opened, best))) best = opened;
  return best;
}

function isFreer(a: OpenedLeg, b: OpenedLeg): boolean {
  return a.leg.busy === b.leg.busy ? a.replica.served < b.replica.served : a.leg.busy < b.leg.busy;
}
