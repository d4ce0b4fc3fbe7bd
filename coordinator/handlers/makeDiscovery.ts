/** Discovery as the settings of a coordinator want it: what it listens to, whom it dials, and that it says itself where it is. */
import type {Settings} from '../config.ts';
import type {CoordinatorOptions} from '../coordinatorOptions.ts';
import {AgentDiscoveryService} from '../discovery/agentDiscoveryService.ts';
import {followDns} from '../discovery/dnsServices.ts';
import {FoundDials} from '../discovery/foundDials.ts';
import {HealthChecker} from '../discovery/healthChecker.ts';
import {Multicast} from '../discovery/multicast.ts';
import {ServiceRegistry} from '../discovery/serviceRegistry.ts';
import type {Hub} from '../hub/hub.ts';
import type {Logger} from '../observability/logger.ts';
import type {AgentDirectory} from '../pool/agentDirectory.ts';
import type {Discovered} from '../protocol/commands/discovery.ts';
import {DEFAULT_TENANT} from '../protocol/ids.ts';
import type {Clock} from '../runtime/clock.ts';
import type {DisposableStore} from '../runtime/disposable.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {VERSION} from '../version.ts';

export interface DiscoveryGround {
  readonly options: CoordinatorOptions;
  readonly hub: Hub;
  readonly agents: AgentDirectory;
  readonly coordinator: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly owned: DisposableStore;
}

export interface Discovery {
  readonly service: AgentDiscoveryService;
  /** The coordinator listens at `url`: it looks for others from now on, and says where it is. Throws `config`. */
  start(url: string): void;
}

export function makeDiscovery({
  options,
  hub,
  agents,
  coordinator,
  owned,
  ...rest
}: DiscoveryGround): Discovery {
  const {settings, dial} = options;
  const {clock} = rest;
  const logger = rest.logger.with({part: 'discovery'});
  const services = owned.add(new ServiceRegistry(clock));
  const {healthCheckMs: intervalMs, healthTimeoutMs: timeoutMs} = settings;
  const health = owned.add(new HealthChecker({clock, intervalMs, timeoutMs}));
  const service = owned.add(new AgentDiscoveryService({directory: agents, services, health}));
  serve(hub, service);
  return {
    service,
    start(url) {
      owned.add(
        new FoundDials({
          ...{services, directory: agents, logger, token: dial?.token ?? '', ca: dial?.ca},
          dial: target => hub.dial({...target, tenant: DEFAULT_TENANT}),
        }),
      );
      for (const at of [...(dial?.urls ?? []), ...staticAddresses(settings, dial?.token)]) {
        owned.add(hub.dial({url: at, token: dial?.token ?? '', ca: dial?.ca}));
        services.found({kind: 'agent', id: new URL(at).host, url: at, source: 'static'}, undefined);
      }
      if (settings.discoveryDns !== '') {
        const lookup = {
          name: settings.discoveryDns,
          kind: 'agent' as const,
          server: settings.discoveryDnsServer || undefined,
        };
        owned.add(followDns(lookup, services, {clock, logger, intervalMs: settings.discoveryDnsMs}));
      }
      if (settings.multicast === 'off') return;
      const {multicastInterface, multicastPort: port} = settings;
      const multicast = owned.add(
        new Multicast({clock, logger, port, interface: multicastInterface || undefined}),
      );
      multicast.browse(services);
      multicast.announce({kind: 'coordinator', id: coordinator, url, version: VERSION});
    },
  };
}

function staticAddresses({discoveryStatic}: Settings, token: string | undefined): string[] {
  const all = discoveryStatic.split(/[\s,]+/).filter(Boolean);
  if (all.length > 0 && !token)
    throw new CoordinatorError('config', 'discoveryStatic needs the token that the agents want to see', {
      hint: 'Set MCPX_DIAL_TOKEN to it.',
    });
  for (const url of all)
    if (!/^wss?:\/\//.test(url) || !URL.canParse(url))
      throw new CoordinatorError('config', `discoveryStatic: "${url}" is not a ws:// or wss:// address`);
  return all;
}

/** Give every handler before the hub listens. */
function serve(hub: Hub, service: AgentDiscoveryService): void {
  hub.handle('mcpx.agent.discover', criteria => {
    const found = service
      .found()
      .map(({service: {kind, id, url, source, version}, health}): Discovered['found'][number] => ({
        ...{kind, id, url, source, version},
        health: health.kind,
        ...(health.kind === 'unhealthy' ? {detail: health.reason} : {}),
      }));
    return Promise.resolve({agents: service.discoverAgents(criteria), found});
  });
  hub.handle('mcpx.agent.announce', ({instance, ttlMs}) => {
    service.announceService(instance, ttlMs);
    return Promise.resolve({});
  });
}
