/** The server certificate of a coordinator: signed by the cluster's authority for the names it is reached by, and renewed long before it ends. */
import type {Logger} from '../observability/logger.ts';
import {type Clock, every} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Emitter, type Event} from '../runtime/emitter.ts';
import {createServerCertificate, isCurrent, type KeyedCertificate} from './certificates.ts';

export interface ServerTlsOptions {
  readonly authority: KeyedCertificate;
  /** Host names and IP addresses; loopback is always among them. */
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly validDays?: number;
  readonly renewDaysBefore?: number;
}

const VALID_DAYS = 90;
const RENEW_DAYS_BEFORE = 30;
const CHECK_MS = 3_600_000;
const DAY_MS = 86_400_000;
const LOOPBACK = ['localhost', '127.0.0.1', '::1'];

export class ServerTls implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly renewals = new Emitter<KeyedCertificate>();
  private readonly names: readonly string[];

  readonly onRenewed: Event<KeyedCertificate> = this.renewals.event;

  private constructor(
    private readonly options: ServerTlsOptions,
    private current: KeyedCertificate,
  ) {
    this.names = allNames(options);
    this.lifetime.add(every(options.clock, CHECK_MS, () => void this.renewWhenDue()));
  }

  static async open(options: ServerTlsOptions): Promise<ServerTls> {
    return new ServerTls(options, await issue(options));
  }

  get material(): KeyedCertificate {
    return this.current;
  }

  dispose(): void {
    this.lifetime.dispose();
    this.renewals.dispose();
  }

  private async renewWhenDue(): Promise<void> {
    const {authority, clock, logger, renewDaysBefore = RENEW_DAYS_BEFORE} = this.options;
    const until = clock.wallNow() + renewDaysBefore * DAY_MS;
    if (isCurrent(this.current.cert, authority.cert, this.names, until)) return;
    try {
      this.current = await issue(this.options);
      logger.info('the server certificate was renewed', {names: this.names});
      this.renewals.emit(this.current);
    } catch (error) {
      // The next check tries again, long before the old one ends.
      logger.error('the server certificate could not be renewed', {error});
    }
  }
}

function allNames(options: ServerTlsOptions): string[] {
  return [...new Set([...options.names, ...LOOPBACK])];
}

function issue(options: ServerTlsOptions): Promise<KeyedCertificate> {
  return createServerCertificate(options.authority, allNames(options), {
    wallNow: options.clock.wallNow(),
    validDays: options.validDays ?? VALID_DAYS,
  });
}
