/**
 * Multicast DNS: says on the local network where we are, and hears where others are, as `_mcpx._tcp`. It carries names and addresses, no secret;
 * what is heard may be anybody's invention.
 */
import os from 'node:os';
import multicastDns from 'multicast-dns';
import type {Logger} from '../observability/logger.ts';
import {type Clock, every} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {describeError} from '../runtime/errors.ts';
import {SERVICE_TYPE, type ServiceAnnouncement, serviceAnswers, servicesIn} from './multicastRecords.ts';
import type {ServiceRegistry} from './serviceRegistry.ts';

export interface MulticastOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Address of the only interface to use; default: all. */
  readonly interface?: string | undefined;
  /** Default 5353. */
  readonly port?: number | undefined;
}

/** How long others may believe an announcement, in seconds. */
export const TTL_SECONDS = 120;
const ANNOUNCE_MS = 45_000;
const BROWSE_MS = 30_000;

export class Multicast implements Disposable {
  private readonly socket: ReturnType<typeof multicastDns>;
  private readonly owned = new DisposableStore();
  private readonly announced = new Map<string, ServiceAnnouncement>();
  private readonly goodbyes: Promise<void>[] = [];

  constructor(private readonly options: MulticastOptions) {
    const {logger, port} = options;
    this.socket = multicastDns({
      ...(options.interface === undefined ? {} : {interface: options.interface}),
      // Bound to one address a socket hears nothing that goes to the group.
      bind: '0.0.0.0',
      ...(port === undefined ? {} : {port}),
    });
    // A machine without a network still works.
    const note = (error: unknown): void =>
      logger.warn('multicast DNS does not work here', {error: describeError(error)});
    this.socket.on('error', note);
    this.socket.on('warning', error =>
      logger.debug('a packet of multicast DNS is left out', {error: describeError(error)}),
    );
    this.socket.on('query', ({questions}) => {
      if (questions.some(({name}) => name === SERVICE_TYPE))
        for (const service of this.announced.values()) void this.say(service, TTL_SECONDS);
    });
  }

  /** Until the result is disposed, when it says goodbye. */
  announce(service: ServiceAnnouncement): Disposable {
    this.announced.set(service.id, service);
    void this.say(service, TTL_SECONDS);
    const again = every(this.options.clock, ANNOUNCE_MS, () => void this.say(service, TTL_SECONDS));
    return this.owned.add({
      dispose: () => {
        again.dispose();
        if (this.announced.get(service.id) !== service) return;
        this.announced.delete(service.id);
        this.goodbyes.push(this.say(service, 0));
      },
    });
  }

  /** Asks now and then, and puts whoever answers or announces itself into the registry. */
  browse(registry: ServiceRegistry): Disposable {
    const hear = (packet: multicastDns.ResponsePacket, from: {readonly address: string}): void => {
      for (const {service, ttlSeconds} of servicesIn(
        [...packet.answers, ...packet.additionals],
        from.address,
      )) {
        if (this.announced.has(service.id)) continue;
        if (ttlSeconds === 0) registry.gone(service);
        else registry.found(service, Math.min(ttlSeconds, 3600) * 1000);
      }
    };
    const ask = (): void => this.socket.query(SERVICE_TYPE, 'PTR');
    this.socket.on('response', hear);
    const asking = every(this.options.clock, BROWSE_MS, ask);
    ask();
    return this.owned.add({
      dispose: () => {
        asking.dispose();
        this.socket.off('response', hear);
      },
    });
  }

  /** Resolves when the goodbyes are sent. */
  async close(): Promise<void> {
    this.owned.dispose();
    await Promise.all(this.goodbyes);
    await new Promise<void>(resolve => this.socket.destroy(resolve));
  }

  dispose(): void {
    void this.close();
  }

  /** Resolves when it is on its way, or cannot be. */
  private say(service: ServiceAnnouncement, ttlSeconds: number): Promise<void> {
    const answers = serviceAnswers(service, ownAddresses(this.options.interface), ttlSeconds);
    return new Promise(resolve => this.socket.respond(answers, () => resolve()));
  }
}

function ownAddresses(only: string | undefined): string[] {
  if (only !== undefined) return [only];
  return Object.values(os.networkInterfaces()).flatMap(addresses =>
    (addresses ?? []).flatMap(({family, address, internal}) =>
      family === 'IPv4' && !internal ? [address] : [],
    ),
  );
}
