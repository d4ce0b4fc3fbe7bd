/** The composition root: one coordinator made of its parts, started in order and stopped in reverse. */
import {artifactRequests} from './artifacts/artifactRequests.ts';
import {ArtifactStore} from './artifacts/artifactStore.ts';
import {blobsOf, plansIn} from './artifacts/textArtifacts.ts';
import type {Settings} from './config.ts';
import {DataDirectory} from './dataDirectory.ts';
import {Approvals} from './effects/approvals.ts';
import {AttemptEffects} from './effects/attemptEffects.ts';
import {Fences} from './effects/fences.ts';
import {LiveAttempts} from './effects/liveAttempts.ts';
import {UsageReports} from './effects/usageReports.ts';
import {serveAgents} from './handlers/serveAgents.ts';
import {serveClients} from './handlers/serveClients.ts';
import {watchHealth} from './handlers/watchHealth.ts';
import {Hub} from './hub/hub.ts';
import {MCPXProtocol} from './hub/mcpxProtocol.ts';
import {WatchService} from './hub/watch/watchService.ts';
import {FencedMemory} from './memory/fencedMemory.ts';
import type {Logger} from './observability/logger.ts';
import {AccountPauses} from './pool/accountPauses.ts';
import {AgentDirectory} from './pool/agentDirectory.ts';
import {AgentRegistry} from './pool/agentRegistry.ts';
import {DEFAULT_TENANT} from './protocol/ids.ts';
import {type Clock, every} from './runtime/clock.ts';
import {DisposableStore} from './runtime/disposable.ts';
import type {Random} from './runtime/random.ts';
import {AuditLog} from './security/audit.ts';
import {type ClusterAuthority, openClusterAuthority} from './security/clusterAuthority.ts';
import {checkListenAddress} from './security/listenPolicy.ts';
import type {Principal} from './security/principal.ts';
import {ServerTls} from './security/serverTls.ts';
import {TokenRegistry, withFixedTokens} from './security/tokenRegistry.ts';
import {openEmbeddedStore} from './store/embedded/embeddedStore.ts';
import type {Store} from './store/store.ts';
import {Lead} from './tasks/lead.ts';
import {TranscriptService} from './transcripts/transcriptService.ts';
import {VERSION} from './version.ts';

export interface CoordinatorOptions {
  readonly directory: string;
  /** Port 0 takes the one of last time, or a free one that is kept. */
  readonly address: {readonly host: string; readonly port: number};
  readonly tls: boolean;
  readonly publicNames: readonly string[];
  /** Agents that listen, and the token that they want to see. */
  readonly dial?: {
    readonly urls: readonly string[];
    readonly token: string;
    readonly ca?: string | undefined;
  };
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Coordinator {
  readonly id: string;
  /** `ws(s)://host:port` for clients and agents. */
  readonly url: string;
  /** Full rights for this machine's user. */
  readonly clientToken: string;
  readonly agentToken: string;
  /** PEM, when there is TLS. */
  readonly authority: string | undefined;
  /** Commands to instances, for who embeds a coordinator. */
  readonly protocol: MCPXProtocol;
  busyness(): {clients: number; unfinishedSessions: number};
  /** The store cannot go on: nothing is acknowledged any more. */
  onFailed(listener: (error: Error) => void): void;
  stop(graceMs: number): Promise<void>;
}

/** Everything that handlers of commands need. */
export interface Services {
  readonly store: Store;
  readonly hub: Hub;
  /** Commands to instances, and messages that came another way than a socket. */
  readonly protocol: MCPXProtocol;
  readonly lead: Lead;
  readonly agents: AgentDirectory;
  readonly registry: AgentRegistry;
  readonly pauses: AccountPauses;
  readonly effects: AttemptEffects;
  readonly memory: FencedMemory;
  readonly approvals: Approvals;
  readonly usage: UsageReports;
  readonly transcripts: TranscriptService;
  readonly attempts: LiveAttempts;
  readonly tokens: TokenRegistry;
  readonly identity: {
    readonly coordinator: string;
    readonly startedAt: number;
    readonly authorityPin: string | undefined;
    url(): string;
  };
}

const HOUSEKEEPING_MS = 3_600_000;

/** Rejects with `config` (address, settings), `conflict` (another process has the directory), `corrupt` or `incompatible`. */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const {clock, random, logger, settings} = options;
  checkListenAddress(options.address.host, options.tls);
  const data = await DataDirectory.open(options.directory, random);
  const started: (() => Promise<void> | void)[] = [];
  const unwind = async (): Promise<void> => {
    for (const stop of started.reverse()) await stop();
  };
  try {
    const store = await openEmbeddedStore({
      directory: data.storeFolder,
      clock,
      random,
      logger: logger.with({part: 'store'}),
      settings: {
        segmentBytes: settings.segmentBytes,
        snapshotEntries: settings.snapshotEntries,
        snapshotLogBytes: settings.snapshotBytes,
        historyRevisions: settings.historyRevisions,
      },
    });
    started.push(() => store.close());
    const authority = options.tls ? await openClusterAuthority({directory: data.root, clock}) : undefined;
    const parts = await assemble(options, data, store, authority);
    started.push(() => parts.stop());
    const address = await listen(parts.services.hub, options, data);
    started.push(() => parts.services.hub.stop({graceMs: 0}));
    const {dial} = options;
    for (const url of dial?.urls ?? [])
      parts.owned.add(parts.services.hub.dial({url, token: dial?.token ?? '', ca: dial?.ca}));
    parts.services.lead.start();
    started.push(() => parts.services.lead.stop());
    return running(options, data, parts, authority, address);
  } catch (error) {
    await unwind();
    throw error;
  }
}

interface Parts {
  readonly services: Services;
  readonly owned: DisposableStore;
  setUrl(url: string): void;
  stop(): Promise<void>;
}

async function assemble(
  options: CoordinatorOptions,
  data: DataDirectory,
  store: Store,
  authority: ClusterAuthority | undefined,
): Promise<Parts> {
  const {clock, random, logger, settings} = options;
  const {coordinator, clientToken, agentToken} = data.identity;
  const tenant = DEFAULT_TENANT;
  const owned = new DisposableStore();
  const common = {store, tenant, clock, logger};
  const artifacts = await ArtifactStore.open({
    folder: data.artifactFolder,
    clock,
    random,
    logger,
    limits: {maxArtifactBytes: settings.maxArtifactBytes},
  });
  const audit = new AuditLog({...common, writerId: coordinator});
  const tokens = new TokenRegistry(store, {clock, random, logger});
  const fixed = new Map<string, Principal>([
    [clientToken, {id: 'client:local', tenant, role: 'coordinator'}],
    [agentToken, {id: 'agent:local', tenant, role: 'agent'}],
  ]);
  const tls =
    authority && owned.add(await ServerTls.open({authority, names: options.publicNames, clock, logger}));
  const hub = new Hub({
    coordinator,
    version: VERSION,
    authenticate: withFixedTokens(fixed, token => tokens.verify(token)),
    clock,
    random,
    logger: logger.with({part: 'hub'}),
    publicNames: options.publicNames,
    settings: {
      maxFrameBytes: settings.maxFrameBytes,
      maxConnections: settings.maxConnections,
      pingIntervalMs: settings.pingIntervalMs,
      pongTimeoutMs: settings.pongTimeoutMs,
    },
    tls: tls?.material,
    authority: authority && (() => authority.cert),
    degraded: () => store.status().degraded,
  });
  if (tls) owned.add(tls.onRenewed(material => hub.renewTls(material)));
  hub.addRoute((request, response, principal) =>
    artifactRequests(
      artifacts,
      (_request, access) =>
        access.tenant === principal.tenant
          ? {kind: 'allowed'}
          : {kind: 'denied', status: 403, message: "another tenant's artifacts"},
      logger,
    )(request, response),
  );
  const attempts = owned.add(new LiveAttempts(common));
  const fences = owned.add(new Fences(common));
  const usage = owned.add(new UsageReports({fences, attempts, clock, logger}));
  const transcripts = owned.add(
    new TranscriptService({fences, attempts, blobs: blobsOf(artifacts.tenant(tenant)), usage, clock, logger}),
  );
  const effects = new AttemptEffects({
    fences,
    clock,
    logger,
    flushTranscript: attemptId => transcripts.flush(attemptId),
  });
  const directory = owned.add(new AgentDirectory({...common, attempts}));
  const registry = owned.add(
    new AgentRegistry({
      ...common,
      coordinatorId: coordinator,
      directory,
      audit,
      settings: {leaseSeconds: settings.leaseSeconds},
    }),
  );
  const approvals = owned.add(new Approvals({fences, attempts, audit, clock, logger}));
  const watches = owned.add(
    new WatchService(store, {clock, logger, settings: {ringRevisions: settings.watchRing}}),
  );
  const lead = new Lead({
    store,
    channel: hub.agentChannel(tenant),
    plans: plansIn(artifacts),
    auditedTxn: (txn, {principal, ...entry}) =>
      audit.auditedTxn(txn, {
        ...entry,
        principal: {id: principal, tenant: entry.tenant, role: 'coordinator'},
      }),
    clock,
    random,
    logger: logger.with({part: 'lead'}),
    coordinator,
    settings: {
      lossGraceMs: settings.lossGraceMs,
      keepSessions: settings.keepSessions,
      keepSessionsMs: settings.keepSessionsMs,
      retentionMs: settings.retentionMs,
      ...(settings.dailyBudgetUsd === undefined ? {} : {fleetBudgetUsdPerDay: settings.dailyBudgetUsd}),
    },
  });
  let url = '';
  const services: Services = {
    store,
    hub,
    protocol: new MCPXProtocol({
      channel: hub.agentChannel(tenant),
      dispatch: (call, caller) => hub.dispatch(call, caller),
      principal: {id: `coordinator:${coordinator}`, tenant, role: 'coordinator'},
    }),
    lead,
    agents: directory,
    registry,
    pauses: new AccountPauses({...common, directory}),
    effects,
    memory: new FencedMemory({fences, attempts, tenant, clock}),
    approvals,
    usage,
    transcripts,
    attempts,
    tokens,
    identity: {coordinator, startedAt: clock.wallNow(), authorityPin: authority?.pin, url: () => url},
  };
  serveAgents(services);
  owned.add(registry.onRemoved(agentId => hub.dismissAgent(agentId)));
  owned.add(tokens.onRevoked(tenant, id => hub.disconnect(granted => granted.id === id)));
  owned.add(watchHealth(services, clock, settings.healthCheckMs));
  serveClients(services, owned);
  watches.register(hub);
  await Promise.all([attempts.start(), directory.start(), watches.start()]);
  await approvals.start();
  await registry.adopt();
  owned.add(
    every(
      clock,
      HOUSEKEEPING_MS,
      () =>
        void Promise.all([artifacts.dropStaleUploads(), tokens.removeExpired(tenant)]).catch(
          (error: unknown) => logger.warn('housekeeping failed; it is tried again', {error}),
        ),
    ),
  );
  return {
    services,
    owned,
    setUrl: text => {
      url = text;
    },
    async stop() {
      await Promise.all([registry.stop(), usage.stop(), transcripts.stop(), approvals.stop()]);
      owned.dispose();
    },
  };
}

/** The kept port first: agents come back to it. When somebody else has it, a new one is taken and kept. */
async function listen(
  hub: Hub,
  {address, logger}: CoordinatorOptions,
  data: DataDirectory,
): Promise<{host: string; port: number}> {
  const kept = address.port === 0 ? data.identity.port : undefined;
  if (kept !== undefined) {
    try {
      return await hub.listen({host: address.host, port: kept});
    } catch (error) {
      logger.warn('the port of last time is taken; agents have to be told of the new one', {
        port: kept,
        error,
      });
    }
  }
  const bound = await hub.listen(address);
  if (address.port === 0) await data.keepPort(bound.port);
  return bound;
}

function running(
  options: CoordinatorOptions,
  data: DataDirectory,
  parts: Parts,
  authority: ClusterAuthority | undefined,
  address: {host: string; port: number},
): Coordinator {
  const {services} = parts;
  const {store, hub, lead} = services;
  const {coordinator, clientToken, agentToken} = data.identity;
  const url = `${options.tls ? 'wss' : 'ws'}://${urlHost(options, address.host)}:${address.port}`;
  parts.setUrl(url);
  return {
    id: coordinator,
    url,
    clientToken,
    agentToken,
    authority: authority?.cert,
    protocol: services.protocol,
    busyness() {
      const status = lead.status();
      return {clients: hub.clientCount, unfinishedSessions: status.kind === 'leading' ? status.sessions : 1};
    },
    onFailed(listener) {
      store.watch('sys/', {}, message => {
        if (message.kind === 'closed' && message.error) listener(message.error);
      });
    },
    async stop(graceMs) {
      await lead.stop();
      await hub.stop({graceMs});
      await parts.stop();
      await store.close();
    },
  };
}

/** A name that other machines can use where there is one; a wildcard address is none. */
function urlHost({publicNames}: CoordinatorOptions, host: string): string {
  const [name] = publicNames;
  const chosen = name ?? (host === '0.0.0.0' || host === '::' ? 'localhost' : host);
  return chosen.includes(':') ? `[${chosen}]` : chosen;
}
