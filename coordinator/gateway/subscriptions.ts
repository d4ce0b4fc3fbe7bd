/** Who is subscribed to which resource of a server, and through which connection; they last when a connection does not. */
import type {ClientCapabilities} from '@modelcontextprotocol/client';
import type {Logger} from '../observability/logger.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore, toDisposable} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {Leg} from './leg.ts';
import type {Legs} from './legs.ts';

export interface SubscriptionsOptions {
  readonly legs: Legs;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Subscription {
  readonly clientKey: string;
  readonly capabilities: ClientCapabilities;
  readonly uri: string;
  readonly shown: string;
  leg: Leg | undefined;
}

export interface ResourceUpdate {
  readonly clientKey: string;
  readonly uri: string;
  /** What the hub calls it. */
  readonly shown: string;
}

/** Where a new connection cannot be had yet. */
const RETRY_MS = 5000;

export class Subscriptions implements Disposable {
  private readonly all = new Set<Subscription>();
  private readonly updates = new Emitter<ResourceUpdate>();
  private readonly owned = new DisposableStore();

  readonly onUpdate = this.updates.event;

  constructor(private readonly options: SubscriptionsOptions) {
    this.owned.add(
      options.legs.onOpened(({leg}) => {
        leg.onChange(change => change.kind === 'resource' && this.updated(leg, change.uri));
        leg.onEnded(() => this.lost(leg));
      }),
    );
  }

  /** Rejects where the server cannot be reached or refuses. */
  async add(
    clientKey: string,
    capabilities: ClientCapabilities,
    uri: string,
    shown = uri,
  ): Promise<Disposable> {
    const subscription: Subscription = {clientKey, capabilities, uri, shown, leg: undefined};
    this.all.add(subscription);
    try {
      await this.connect(subscription);
    } catch (error) {
      this.all.delete(subscription);
      throw error;
    }
    return toDisposable(() => this.remove(subscription));
  }

  release(clientKey: string): void {
    for (const subscription of [...this.all])
      if (subscription.clientKey === clientKey) this.remove(subscription);
  }

  dispose(): void {
    this.owned.dispose();
    this.updates.dispose();
    this.all.clear();
  }

  private async connect(subscription: Subscription): Promise<void> {
    const {clientKey, capabilities, uri} = subscription;
    const {leg} = await this.options.legs.lend(clientKey, capabilities);
    subscription.leg = leg;
    await leg.subscribe(uri);
    if (!this.all.has(subscription)) await leg.unsubscribe(uri);
  }

  private remove(subscription: Subscription): void {
    if (!this.all.delete(subscription)) return;
    const {leg, uri} = subscription;
    leg
      ?.unsubscribe(uri)
      .catch((error: unknown) => this.options.logger.debug('still subscribed', {uri, error}));
  }

  private updated(leg: Leg, uri: string): void {
    // A part of what is subscribed to may be what has changed.
    const told = [...this.all].filter(
      other => other.leg === leg && (other.uri === uri || uri.startsWith(other.uri)),
    );
    for (const {clientKey, uri: asked, shown} of told) this.updates.emit({clientKey, uri: asked, shown});
  }

  /** Whatever changed meanwhile was not heard: everybody looks again. */
  private lost(leg: Leg): void {
    for (const subscription of this.all) {
      if (subscription.leg !== leg) continue;
      subscription.leg = undefined;
      this.again(subscription);
    }
  }

  private again(subscription: Subscription): void {
    if (this.owned.isDisposed || !this.all.has(subscription)) return;
    const {clock, logger} = this.options;
    this.connect(subscription)
      .then(() => this.updates.emit(subscription))
      .catch((error: unknown) => {
        if (isCoordinatorError(error, 'closed')) return;
        logger.debug('a subscription is tried again', {uri: subscription.uri, error});
        this.owned.add(clock.schedule(RETRY_MS, () => this.again(subscription), {background: true}));
      });
  }
}
