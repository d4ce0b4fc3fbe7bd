/** One of the places where a server runs: whether it can be used, and if not, when it is tried again. */
import type {PriorDiscovery} from '@modelcontextprotocol/client';
import {backoffMs} from '../bridge/backoff.ts';
import type {ServerEndpoint} from '../protocol/model/server.ts';
import type {Clock} from '../runtime/clock.ts';
import {describeError} from '../runtime/errors.ts';
import type {Random} from '../runtime/random.ts';
import type {GatewaySettings} from './gatewaySettings.ts';
import type {Leg} from './leg.ts';
import type {EndpointAuthorization} from './oauth/authorization.ts';

/** A connection that ends sooner than this counts as a failure of its server. */
const STEADY_MS = 10_000;

export class Replica {
  readonly legs = new Set<Leg>();
  /** Which era it speaks, as found out before. */
  prior: PriorDiscovery | undefined;
  lastError: string | undefined;
  /** Undefined until it was tried, and where the headers of the registration are all there is. */
  authorization: EndpointAuthorization | undefined;
  /** Connections that are being opened. */
  opening = 0;
  /** Calls and connections that it was chosen for. */
  served = 0;
  private failures = 0;
  private retryAt = 0;

  constructor(
    readonly endpoint: ServerEndpoint,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly settings: GatewaySettings,
  ) {}

  /** How long it is left alone; 0: it may be tried. */
  get pauseMs(): number {
    return Math.max(0, this.retryAt - this.clock.now());
  }

  get busy(): number {
    return [...this.legs].reduce((sum, leg) => sum + leg.busy, this.opening);
  }

  opened(leg: Leg): void {
    const since = this.clock.now();
    this.legs.add(leg);
    this.lastError = undefined;
    this.prior =
      leg.era === 'legacy' ? {kind: 'legacy'} : leg.discover && {kind: 'modern', discover: leg.discover};
    leg.onEnded(() => {
      this.legs.delete(leg);
      if (this.clock.now() - since >= STEADY_MS) this.failures = 0;
    });
  }

  /** A connection failed, or ended by itself soon after it was opened. */
  failed(error: unknown): void {
    // What was remembered may be why.
    this.prior = undefined;
    this.lastError = describeError(error);
    this.failures++;
    this.retryAt = this.clock.now() + backoffMs(this.settings.backoff, this.failures, this.random);
  }

  lost(reason: string, ageMs: number): void {
    if (ageMs < STEADY_MS) this.failed(new Error(reason));
    else this.lastError = reason;
  }

  /** A person wants it tried now. */
  forgive(): void {
    this.failures = 0;
    this.retryAt = 0;
  }
}
