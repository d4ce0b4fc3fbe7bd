/** The composition root: one coordinator made of its parts, started in order and stopped in reverse. */
import {blobsOf, plansIn} from './artifacts/textArtifacts.ts';
import {ClusterWays} from './cluster/clusterWays.ts';
import {CoordinatorDirectory} from './cluster/coordinatorDirectory.ts';
import {LOCAL_AGENT, LOCAL_USER} from './cluster/sharedTokens.ts';
import type {Coordinator, CoordinatorOptions} from './coordinatorOptions.ts';
import {DataDirectory} from './dataDirectory.ts';
import {Approvals} from './effects/approvals.ts';
import {AttemptEffects} from './effects/attemptEffects.ts';
import {Fences} from './effects/fences.ts';
import {LiveAttempts} from './effects/liveAttempts.ts';
import {PathReports} from './effects/pathReports.ts';
import {UsageReports} from './effects/usageReports.ts';
import {clusterRequests} from './handlers/clusterRequests.ts';
import {CoordinatorArtifacts} from './handlers/coordinatorArtifacts.ts';
import {memoryPast} from './handlers/memoryPast.ts';
import {openStore} from './handlers/openStore.ts';
import {serveAgents} from './handlers/serveAgents.ts';
import {serveClients} from './handlers/serveClients.ts';
import {serveCluster} from './handlers/serveCluster.ts';
import {serveMemory} from './handlers/serveMemory.ts';
import type {Services} from './handlers/services.ts';
import {watchHealth} from './handlers/watchHealth.ts';
import {SessionHistory} from './history/sessionHistory.ts';
import {Hub} from './hub/hub.ts';
import {MCPXProtocol} from './hub/mcpxProtocol.ts';
import {pageFiles, webFolder} from './hub/pageFiles.ts';
import {WatchService} from './hub/watch/watchService.ts';
import {SharedMemory} from './memory/sharedMemory.ts';
import {AccountPauses} from './pool/accountPauses.ts';
import {AgentDirectory} from './pool/agentDirectory.ts';
import {AgentRegistry} from './pool/agentRegistry.ts';
import {DEFAULT_TENANT} from './protocol/ids.ts';
import {every} from './runtime/clock.ts';
import {DisposableStore} from './runtime/disposable.ts';
import {AuditLog} from './security/audit.ts';
import {type ClusterAuthority, openClusterAuthority} from './security/clusterAuthority.ts';
import {checkListenAddress} from './security/listenPolicy.ts';
import type {Principal} from './security/principal.ts';
import {ServerTls} from './security/serverTls.ts';
import {TokenExpiry} from './security/tokenExpiry.ts';
import {TokenRegistry, withFixedTokens} from './security/tokenRegistry.ts';
import type {Store} from './store/store.ts';
import {Lead} from './tasks/lead.ts';
import type {LeadDuty} from './tasks/leadDuty.ts';
import {TranscriptService} from './transcripts/transcriptService.ts';
import {VERSION} from './version.ts';

const HOUSEKEEPING_MS = 3_600_000;

/** Rejects with `config` (address, settings), `conflict` (another process has the directory), `corrupt` or `incompatible`. */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const {clock, random, logger} = options;
  checkListenAddress(options.address.host, options.tls);
  const data = await DataDirectory.open(options.directory, random);
  const started: (() => Promise<void> | void)[] = [];
  const unwind = async (): Promise<void> => {
    for (const stop of started.reverse()) await stop();
  };
  try {
    const authority = options.tls ? await openClusterAuthority({directory: data.root, clock}) : undefined;
    const {store, control} = await openStore(options, data, authority, started);
    started.push(() => store.close());
    const coordinators = new CoordinatorDirectory({
      ...{store, clock, random, logger, version: VERSION, id: data.identity.coordinator},
      tokens: {client: data.identity.clientToken, agent: data.identity.agentToken},
      node: options.cluster?.node,
      shared: options.cluster !== undefined || options.etcd !== undefined,
    });
    started.push(() => coordinators.stop());
    await coordinators.start();
    const parts = await assemble(options, data, store, authority, coordinators);
    started.push(() => parts.stop());
    parts.services.hub.addRoute(clusterRequests({control, audit: parts.audit, logger}));
    const address = await listen(parts.services.hub, options, data);
    started.push(() => parts.services.hub.stop({graceMs: 0}));
    const {dial} = options;
    for (const url of dial?.urls ?? [])
      parts.owned.add(parts.services.hub.dial({url, token: dial?.token ?? '', ca: dial?.ca}));
    parts.services.lead.start();
    started.push(() => parts.services.lead.stop());
    const url = `${options.tls ? 'wss' : 'ws'}://${urlHost(options, address.host)}:${address.port}`;
    parts.setUrl(url);
    await coordinators.announce({url, ca: authority?.cert});
    return running(data, parts, authority, url);
  } catch (error) {
    await unwind();
    throw error;
  }
}

interface Parts {
  readonly services: Services;
  readonly audit: AuditLog;
  readonly owned: DisposableStore;
  setUrl(url: string): void;
  stop(): Promise<void>;
}

/** What every part is made from. */
interface Ground {
  readonly options: CoordinatorOptions;
  readonly data: DataDirectory;
  readonly store: Store;
  readonly authority: ClusterAuthority | undefined;
  readonly artifacts: CoordinatorArtifacts;
  readonly tokens: TokenRegistry;
  readonly audit: AuditLog;
  readonly coordinators: CoordinatorDirectory;
  readonly owned: DisposableStore;
}

const TENANT = DEFAULT_TENANT;

async function assemble(
  options: CoordinatorOptions,
  data: DataDirectory,
  store: Store,
  authority: ClusterAuthority | undefined,
  coordinators: CoordinatorDirectory,
): Promise<Parts> {
  const {clock, random, logger, settings} = options;
  const artifacts = await CoordinatorArtifacts.open({
    ...{folder: data.artifactFolder, tenant: TENANT, store, coordinators, clock, random, settings},
    logger: logger.with({part: 'artifacts'}),
    node: options.cluster?.node,
  });
  const owned = new DisposableStore();
  owned.add(artifacts);
  const audit = new AuditLog({store, tenant: TENANT, clock, logger, writerId: data.identity.coordinator});
  const tokens = new TokenRegistry(store, {clock, random, logger, audit});
  const ground: Ground = {options, data, store, authority, artifacts, tokens, audit, coordinators, owned};
  const hub = await makeHub(ground);
  let url = '';
  const services = makeServices(ground, hub, () => url);
  const {attempts, agents, approvals, registry, usage, transcripts, history, memory} = services;
  const ringSettings = {ringRevisions: settings.watchRing};
  const watches = owned.add(new WatchService(store, {clock, logger, settings: ringSettings}));
  serveAgents(services);
  serveClients(services, owned);
  serveMemory(services);
  serveCluster(services);
  watches.register(hub);
  await Promise.all([attempts.start(), agents.start(), watches.start(), memory.start()]);
  void history.journal.start();
  await approvals.start();
  await registry.adopt();
  keepHouse(ground, services);
  return {
    services,
    audit,
    owned,
    setUrl: text => {
      url = text;
    },
    async stop() {
      await Promise.all([registry.stop(), usage.stop(), transcripts.stop(), approvals.stop()]);
      await history.journal.stop();
      owned.dispose();
    },
  };
}

/** The door: TLS, tokens, limits, and the artifacts behind the same door. */
async function makeHub(ground: Ground): Promise<Hub> {
  const {options, data, store, authority, artifacts, tokens, coordinators, owned} = ground;
  const {clock, random, logger, settings, publicNames} = options;
  const {coordinator, clientToken, agentToken} = data.identity;
  const fixed = new Map<string, Principal>([
    [clientToken, LOCAL_USER],
    [agentToken, LOCAL_AGENT],
  ]);
  const tls = authority && owned.add(await ServerTls.open({authority, names: publicNames, clock, logger}));
  const hub = new Hub({
    coordinator,
    version: VERSION,
    authenticate: withFixedTokens(fixed, async token => coordinators.verify(token) ?? tokens.verify(token)),
    clock,
    random,
    logger: logger.with({part: 'hub'}),
    pages: pageFiles(webFolder(import.meta.url)),
    publicNames,
    settings: {
      maxFrameBytes: settings.maxFrameBytes,
      maxConnections: settings.maxConnections,
      maxConnectionsPerPrincipal: settings.maxConnectionsPerToken,
      pingIntervalMs: settings.pingIntervalMs,
      pongTimeoutMs: settings.pongTimeoutMs,
    },
    tls: tls?.material,
    authority: authority && (() => authority.cert),
    degraded: () => store.status().degraded,
  });
  if (tls) owned.add(tls.onRenewed(material => hub.renewTls(material)));
  for (const route of artifacts.routes()) hub.addRoute(route);
  return hub;
}

function makeServices(ground: Ground, hub: Hub, url: () => string): Services {
  const {options, data, store, authority, artifacts, tokens, audit, coordinators, owned} = ground;
  const {clock, logger, settings} = options;
  const {coordinator} = data.identity;
  const common = {store, tenant: TENANT, clock, logger};
  const attempts = owned.add(new LiveAttempts(common));
  const fences = owned.add(new Fences(common));
  const usage = owned.add(new UsageReports({fences, attempts, clock, logger}));
  const paths = owned.add(new PathReports({fences, attempts, clock, logger}));
  const blobs = blobsOf(artifacts.tenant(TENANT));
  const transcripts = owned.add(
    new TranscriptService({fences, attempts, blobs, usage, paths, clock, logger}),
  );
  const flushTranscript = (attemptId: string) => transcripts.flush(attemptId);
  const agents = owned.add(new AgentDirectory({...common, attempts}));
  const pool = {...common, coordinatorId: coordinator, directory: agents, audit};
  const history = new SessionHistory({
    ...common,
    blobs,
    principal: `coordinator:${coordinator}`,
    settings: {
      sealIntervalMs: settings.historySealMs,
      maxLagRevisions: Math.max(1, Math.floor(settings.historyRevisions / 4)),
    },
  });
  const expiry = new TokenExpiry({tokens, tenant: TENANT, clock, logger, periodMs: HOUSEKEEPING_MS});
  return {
    store,
    hub,
    protocol: new MCPXProtocol({
      channel: hub.agentChannel(TENANT),
      dispatch: (call, caller) => hub.dispatch(call, caller),
      principal: {id: `coordinator:${coordinator}`, tenant: TENANT, role: 'coordinator'},
    }),
    lead: makeLead(ground, hub, [history.journal, expiry]),
    agents,
    registry: owned.add(new AgentRegistry({...pool, settings: {leaseSeconds: settings.leaseSeconds}})),
    pauses: new AccountPauses({...common, directory: agents}),
    effects: new AttemptEffects({fences, clock, logger, flushTranscript}),
    memory: owned.add(
      new SharedMemory({
        ...{fences, attempts, tenant: TENANT, clock, audit, logger},
        instanceId: coordinator,
        readPast: memoryPast(history),
      }),
    ),
    approvals: owned.add(new Approvals({fences, attempts, audit, clock, logger})),
    usage,
    transcripts,
    history,
    attempts,
    tokens,
    coordinators,
    ways: owned.add(
      new ClusterWays({
        ...{...common, coordinator, hub, agents, attempts, random: options.random},
        ...{directory: coordinators, version: VERSION, maxFrameBytes: settings.maxFrameBytes},
      }),
    ),
    identity: {coordinator, startedAt: clock.wallNow(), authorityPin: authority?.pin, url},
  };
}

/** `duties` are what one coordinator of the cluster does; whatever else is in this file each does for what is its own: disk, sockets, agents. */
function makeLead(
  {options, data, store, artifacts, audit}: Ground,
  hub: Hub,
  duties: readonly LeadDuty[],
): Lead {
  const {clock, random, logger, settings} = options;
  const {dailyBudgetUsd} = settings;
  return new Lead({
    store,
    channel: hub.agentChannel(TENANT),
    plans: plansIn(artifacts),
    auditedTxn: (txn, {principal, ...entry}) =>
      audit.auditedTxn(txn, {
        ...entry,
        principal: {id: principal, tenant: entry.tenant, role: 'coordinator'},
      }),
    clock,
    random,
    logger: logger.with({part: 'lead'}),
    coordinator: data.identity.coordinator,
    settings: {
      lossGraceMs: settings.lossGraceMs,
      keepSessions: settings.keepSessions,
      keepSessionsMs: settings.keepSessionsMs,
      retentionMs: settings.retentionMs,
      ...(dailyBudgetUsd === undefined ? {} : {fleetBudgetUsdPerDay: dailyBudgetUsd}),
    },
    duties,
  });
}

/** What goes on beside the commands. */
function keepHouse({options, artifacts, owned}: Ground, services: Services): void {
  const {clock, logger, settings} = options;
  const {hub, registry, tokens, history} = services;
  owned.add(registry.onRemoved(agentId => hub.dismissAgent(agentId)));
  owned.add(tokens.onRevoked(TENANT, id => hub.disconnect(granted => granted.id === id)));
  owned.add(watchHealth(services, clock, settings.healthCheckMs));
  artifacts.keepWhole();
  const clean = (): void => {
    artifacts
      .clean(history)
      .catch((error: unknown) => logger.warn('housekeeping failed; it is tried again', {error}));
  };
  owned.add(every(clock, HOUSEKEEPING_MS, clean));
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
  data: DataDirectory,
  parts: Parts,
  authority: ClusterAuthority | undefined,
  url: string,
): Coordinator {
  const {services} = parts;
  const {store, hub, lead, coordinators} = services;
  const {coordinator, clientToken, agentToken} = data.identity;
  return {
    id: coordinator,
    url,
    clientToken,
    agentToken,
    authority: authority?.cert,
    protocol: services.protocol,
    memory: services.memory,
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
      await Promise.all([lead.stop(), coordinators.stop()]);
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
