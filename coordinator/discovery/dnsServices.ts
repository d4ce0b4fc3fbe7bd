/** Services by SRV records of DNS, such as `_mcpx._tcp.example.org`: asked now and then, in the order that the records want. */

import type {SrvRecord} from 'node:dns';
import {Resolver} from 'node:dns/promises';
import type {Logger} from '../observability/logger.ts';
import {type Clock, every} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import {CoordinatorError, describeError} from '../runtime/errors.ts';
import {type FoundService, isLoopback, type ServiceKind, serviceUrl} from './foundService.ts';
import type {ServiceRegistry} from './serviceRegistry.ts';

export interface DnsLookup {
  /** Such as `_mcpx._tcp.example.org`. */
  readonly name: string;
  readonly kind: ServiceKind;
  /** `address[:port]` of the resolver to ask; default: the system's. */
  readonly server?: string | undefined;
}

const TIMEOUT_MS = 5000;
/** Lookups that may fail before what they found is forgotten. */
const MISSES = 3;

/** Errors: `unavailable`. */
export async function lookUpServices({name, kind, server}: DnsLookup): Promise<FoundService[]> {
  const resolver = new Resolver({timeout: TIMEOUT_MS, tries: 2});
  if (server !== undefined) resolver.setServers([server]);
  let records: SrvRecord[];
  try {
    records = await resolver.resolveSrv(name);
  } catch (cause) {
    throw new CoordinatorError('unavailable', `${name} has no SRV records that could be read`, {cause});
  }
  // The lowest priority first; among equals the one that is to get most.
  const sorted = [...records].sort((a, b) => a.priority - b.priority || b.weight - a.weight);
  return sorted.flatMap(record => {
    const plain = serviceUrl(false, record.name, record.port);
    // Nobody but this machine is served without TLS.
    const url = plain !== undefined && isLoopback(plain) ? plain : serviceUrl(true, record.name, record.port);
    return url === undefined
      ? []
      : [{kind, id: `${record.name}:${record.port}`, url, source: 'dns' as const}];
  });
}

/** Looks now and every `intervalMs`; what is not in the records any more, or was not confirmed for long, is forgotten. */
export function followDns(
  lookup: DnsLookup,
  registry: ServiceRegistry,
  {clock, logger, intervalMs}: {readonly clock: Clock; readonly logger: Logger; readonly intervalMs: number},
): Disposable {
  let before: readonly FoundService[] = [];
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      const found = await lookUpServices(lookup);
      for (const service of found) registry.found(service, MISSES * intervalMs);
      const ids = new Set(found.map(({id}) => id));
      for (const service of before) if (!ids.has(service.id)) registry.gone(service);
      before = found;
    } catch (error) {
      logger.warn('a lookup of services failed', {name: lookup.name, error: describeError(error)});
    } finally {
      looking = false;
    }
  };
  void look();
  return every(clock, intervalMs, () => void look());
}
