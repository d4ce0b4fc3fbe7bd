/** How a verb finds who is near: multicast DNS on the local network, SRV records of DNS. Addresses only; whom to trust is the pin's to say. */
import {lookUpServices} from '../../discovery/dnsServices.ts';
import type {FoundService} from '../../discovery/foundService.ts';
import {mayBeShownTokens} from '../../discovery/foundService.ts';
import {Multicast} from '../../discovery/multicast.ts';
import {ServiceRegistry} from '../../discovery/serviceRegistry.ts';
import {type Logger, silentLogger} from '../../observability/logger.ts';
import {delay, systemClock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {fetchAuthority} from '../../security/authorityPin.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** As MCPX_MULTICAST_INTERFACE and MCPX_MULTICAST_PORT want it. */
export function openMulticast(env: Environment, logger: Logger): Multicast {
  const port = env['MCPX_MULTICAST_PORT'];
  return new Multicast({
    clock: systemClock,
    logger,
    interface: env['MCPX_MULTICAST_INTERFACE'],
    port: port === undefined ? undefined : Number(port),
  });
}

/** Who answers on the local network within `ms`, or until `enough` says so. */
export async function listenAround(
  env: Environment,
  ms: number,
  enough: (found: readonly FoundService[]) => boolean = () => false,
): Promise<FoundService[]> {
  const registry = new ServiceRegistry(systemClock);
  const multicast = openMulticast(env, silentLogger);
  const over = new AbortController();
  registry.onChange(() => {
    if (enough(registry.all())) over.abort();
  });
  multicast.browse(registry);
  try {
    await delay(systemClock, ms, over.signal).catch(() => undefined);
    return registry.all();
  } finally {
    await multicast.close();
    registry.dispose();
  }
}

const PATIENCE_MS = 5000;
/** Once one has answered, others get so long. */
const OTHERS_MS = 300;
const DNS = /^dns:([^@]+)(?:@(.+))?$/;

/** Whether an argument of `--join` is to be found first. */
export function isToBeFound(join: string): boolean {
  return join === 'auto' || DNS.test(join);
}

/**
 * The addresses of coordinators for `auto` or `dns:NAME[@SERVER]`, those alone to which a token may be shown: whose authority the pin names, or
 * that are on this machine. Errors: `unavailable`, `unauthorized`.
 */
export async function findCoordinators(
  join: string,
  pin: string | undefined,
  env: Environment,
): Promise<readonly string[]> {
  const [, name = '', server] = DNS.exec(join) ?? [];
  const found =
    name === '' ? await coordinatorsAround(env) : await lookUpServices({name, kind: 'coordinator', server});
  if (found.length === 0)
    throw new CoordinatorError('unavailable', 'no coordinator was found on the local network', {
      hint: 'Start it with --announce, or give its address to --join.',
    });
  const trusted: string[] = [];
  for (const {url} of found) if (await isTrusted(url, pin)) trusted.push(url);
  if (trusted.length > 0) return trusted;
  throw new CoordinatorError(
    'unauthorized',
    `what was found is nobody to show a token to: ${found.map(({url}) => url).join(', ')}`,
    {hint: 'Give --ca-pin, as the join command of "mcpx token create" has it.'},
  );
}

async function coordinatorsAround(env: Environment): Promise<FoundService[]> {
  const isCoordinator = ({kind}: FoundService): boolean => kind === 'coordinator';
  const first = await listenAround(env, PATIENCE_MS, found => found.some(isCoordinator));
  if (!first.some(isCoordinator)) return [];
  const more = await listenAround(env, OTHERS_MS);
  const urls = new Map([...first, ...more].filter(isCoordinator).map(service => [service.url, service]));
  return [...urls.values()];
}

async function isTrusted(url: string, pin: string | undefined): Promise<boolean> {
  if (!mayBeShownTokens(url, pin !== undefined)) return false;
  if (!url.startsWith('wss:') || pin === undefined) return true;
  return fetchAuthority(url, pin).then(
    () => true,
    () => false,
  );
}
