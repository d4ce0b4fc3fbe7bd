/** The composition root: one coordinator made of its parts, started in order and stopped in reverse. */
import {plansIn} from './artifacts/textArtifacts.ts';
import {AttemptTokens} from './cluster/attemptTokens.ts';
import {ClusterSecret} from './cluster/clusterSecret.ts';
import {CoordinatorDirectory} from './cluster/coordinatorDirectory.ts';
import {LOCAL_AGENT, LOCAL_USER} from './cluster/sharedTokens.ts';
import type {Coordinator, CoordinatorOptions} from './coordinatorOptions.ts';
import {DataDirectory} from './dataDirectory.ts';
import {Fences} from './effects/fences.ts';
import {clusterRequests} from './handlers/clusterRequests.ts';
import {CoordinatorArtifacts} from './handlers/coordinatorArtifacts.ts';
import type {Ground} from './handlers/ground.ts';
import {hubSurfaces} from './handlers/hubSurfaces.ts';
import {makeServices} from './handlers/makeServices.ts';
import {openStore} from './handlers/openStore.ts';
import {serveAgents} from './handlers/serveAgents.ts';
import {serveClients} from './handlers/serveClients.ts';
import {serveCluster} from './handlers/serveCluster.ts';
import {followServers, makeGatewayServices, serveGateway} from './handlers/serveGateway.ts';
import {serveLogins} from './handlers/serveLogins.ts';
import {serveMcp} from './handlers/serveMcp.ts';
import {serveMemory} from './handlers/serveMemory.ts';
import {servePool} from './handlers/servePool.ts';
import type {Services} from './handlers/services.ts';
import {openStrategyModule} from './handlers/strategyModule.ts';
import {watchHealth} from './handlers/watchHealth.ts';
import {Hub} from './hub/hub.ts';
import {pageFiles, webFolder} from './hub/pageFiles.ts';
import {WatchService} from './hub/watch/watchService.ts';
import type {McpEndpoint} from './mcp/mcpEndpoint.ts';
import {DEFAULT_TENANT} from './protocol/ids.ts';
import {atMost, type Clock, every} from './runtime/clock.ts';
import {DisposableStore} from './runtime/disposable.ts';
import {AuditLog} from './security/audit.ts';
import {type ClusterAuthority, openClusterAuthority} from './security/clusterAuthority.ts';
import {checkListenAddress} from './security/listenPolicy.ts';
import type {Principal} from './security/principal.ts';
import {ServerTls} from './security/serverTls.ts';
import {TokenRegistry, withFixedTokens} from './security/tokenRegistry.ts';
import type {Store} from './store/store.ts';
import {VERSION} from './version.ts';

const HOUSEKEEPING_MS = 3_600_000;

/** A store without a majority is not waited for longer: what the others are told at parting their leases tell them too. */
const PARTING_MS = 5000;

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
    const strategies = await openStrategyModules(options, started);
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
    await parts.services.dialled.start();
    parts.services.lead.start();
    started.push(() => parts.services.lead.stop());
    const url = `${options.tls ? 'wss' : 'ws'}://${urlHost(options, address.host)}:${address.port}`;
    parts.setUrl(url);
    parts.services.discovery.start(url);
    await coordinators.announce({url, ca: authority?.cert});
    const coordinator = running(data, parts, authority, url, clock);
    const stop = async (graceMs: number): Promise<void> => {
      await coordinator.stop(graceMs);
      await strategies();
    };
    return {...coordinator, stop};
  } catch (error) {
    await unwind();
    throw error;
  }
}

/** Strategies of the user's own are known before there is a session that may name them. */
async function openStrategyModules(
  {strategyModules = [], settings, clock, logger}: CoordinatorOptions,
  started: (() => Promise<void> | void)[],
): Promise<() => Promise<void>> {
  const ends: (() => Promise<void>)[] = [];
  const end = async (): Promise<void> => {
    for (const each of ends.splice(0)) await each();
  };
  started.push(end);
  for (const file of strategyModules)
    ends.push(await openStrategyModule({file, clock, logger, timeoutMs: settings.strategyTimeoutMs}));
  return end;
}

interface Parts {
  readonly services: Services;
  readonly mcp: McpEndpoint;
  readonly audit: AuditLog;
  readonly owned: DisposableStore;
  setUrl(url: string): void;
  stop(): Promise<void>;
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
  const fences = owned.add(new Fences({store, tenant: TENANT, clock, logger}));
  const attemptTokens = new AttemptTokens({
    fences,
    tenant: TENANT,
    secret: () => ClusterSecret.open(store, data.identity.coordinator, random),
  });
  const ground: Ground = {
    ...{options, data, store, authority, artifacts, tokens, attemptTokens},
    ...{fences, audit, coordinators, owned},
  };
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
  servePool(services, settings);
  const servers = makeGatewayServices({
    ...{store, tenant: TENANT, audit, clock, random, logger, settings, attempts, owned},
    ...{folder: data.root, surroundings: options.pool},
  });
  serveGateway(services, servers);
  serveLogins(services, servers);
  const readPlan = (sha256: string) => plansIn(artifacts).get(TENANT, sha256);
  const surfaces = hubSurfaces(services, servers.surface, {readPlan, clock, random, logger, owned});
  const mcp = serveMcp(services, {...options, surfaces, tenant: TENANT, owned});
  watches.register(hub);
  await Promise.all([attempts.start(), agents.start(), watches.start(), memory.start()]);
  void history.journal.start();
  await approvals.start();
  await registry.adopt();
  const {coordinator} = data.identity;
  await followServers(servers, {
    ...{files: options.serverFiles ?? [], coordinator, tenant: TENANT, clock, logger, owned},
  });
  keepHouse(ground, services);
  return {
    services,
    mcp,
    audit,
    owned,
    setUrl: text => {
      url = text;
    },
    async stop() {
      await Promise.all([registry.stop(), usage.stop(), transcripts.stop(), approvals.stop()]);
      await Promise.all([history.journal.stop(), servers.gateway.stop()]);
      owned.dispose();
    },
  };
}

/** The door: TLS, tokens, limits, and the artifacts behind the same door. */
async function makeHub(ground: Ground): Promise<Hub> {
  const {options, data, store, authority, artifacts, tokens, attemptTokens, coordinators, owned} = ground;
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
    authenticate: withFixedTokens(
      fixed,
      async token =>
        (await attemptTokens.verify(token)) ?? coordinators.verify(token) ?? tokens.verify(token),
    ),
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

/** What goes on beside the commands. */
function keepHouse({options, artifacts, owned}: Ground, services: Services): void {
  const {clock, logger, settings} = options;
  const {hub, registry, dialled, tokens, history} = services;
  owned.add(registry.onRemoved(agentId => hub.dismissAgent(agentId)));
  owned.add(registry.onRemoved(agentId => void dialled.forget(agentId)));
  owned.add(tokens.onRevoked(TENANT, id => hub.disconnect(granted => granted.id === id)));
  owned.add(
    watchHealth(services, clock, {periodMs: settings.healthCheckMs, timeoutMs: settings.healthTimeoutMs}),
  );
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
  clock: Clock,
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
      const clients = hub.clientCount + parts.mcp.clientCount;
      return {clients, unfinishedSessions: status.kind === 'leading' ? status.sessions : 1};
    },
    onFailed(listener) {
      store.watch('sys/', {}, message => {
        if (message.kind === 'closed' && message.error) listener(message.error);
      });
    },
    async stop(graceMs) {
      await atMost(clock, PARTING_MS, Promise.all([lead.stop(), coordinators.stop()]));
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
