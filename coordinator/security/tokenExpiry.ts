/** Deletes tokens that have run out, now and then, where the lead is: one clock decides for the whole cluster. */
import type {Logger} from '../observability/logger.ts';
import {type Clock, every} from '../runtime/clock.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import type {Compare} from '../store/store.ts';
import type {TokenRegistry} from './tokenRegistry.ts';

export interface TokenExpiryOptions {
  readonly tokens: Pick<TokenRegistry, 'removeExpired'>;
  readonly tenant: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly periodMs: number;
}

export class TokenExpiry {
  private timer: Disposable = noDisposable;

  constructor(private readonly options: TokenExpiryOptions) {}

  /** `fence` holds while this coordinator leads. */
  begin(fence: Compare): void {
    const {tokens, tenant, clock, logger, periodMs} = this.options;
    this.end();
    this.timer = every(clock, periodMs, () => {
      tokens.removeExpired(tenant, fence).catch((error: unknown) => {
        logger.warn('tokens that have run out are not deleted yet', {error});
      });
    });
  }

  end(): void {
    this.timer.dispose();
    this.timer = noDisposable;
  }
}
