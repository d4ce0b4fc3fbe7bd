/** The tokens of each coordinator's own user, known to the others by their hashes: whoever fails over keeps his token. */
import {createHash, timingSafeEqual} from 'node:crypto';
import {WatchedRecords} from '../effects/watchedRecords.ts';
import type {Logger} from '../observability/logger.ts';
import {DEFAULT_TENANT} from '../protocol/ids.ts';
import {FixedTokensRecord} from '../protocol/model/facts.ts';
import {SYSTEM_KEYS} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {Principal} from '../security/principal.ts';
import {putRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';

export interface FixedTokens {
  readonly client: string;
  readonly agent: string;
}

export const LOCAL_USER: Principal = {id: 'client:local', tenant: DEFAULT_TENANT, role: 'coordinator'};
export const LOCAL_AGENT: Principal = {id: 'agent:local', tenant: DEFAULT_TENANT, role: 'agent'};

export interface SharedTokensOptions {
  readonly store: Store;
  /** Our coordinator's. */
  readonly id: string;
  readonly tokens: FixedTokens;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SharedTokens implements Disposable {
  private readonly records: WatchedRecords<typeof FixedTokensRecord>;

  constructor(private readonly options: SharedTokensOptions) {
    const {store, clock, logger} = options;
    const prefix = SYSTEM_KEYS.fixedTokens;
    this.records = new WatchedRecords({store, clock, logger, prefix, schema: FixedTokensRecord});
  }

  /** Resolves when ours are known to the others, and theirs here. */
  async start(): Promise<void> {
    const {store, id, tokens} = this.options;
    await this.records.start();
    const key = `${SYSTEM_KEYS.fixedTokens}${id}`;
    const [client, agent] = [hashOf(tokens.client).toString('hex'), hashOf(tokens.agent).toString('hex')];
    const known = this.records.get(key)?.value;
    if (known?.client === client && known.agent === agent) return;
    const record: FixedTokensRecord = {v: RECORD_VERSION, principal: `coordinator:${id}`, client, agent};
    await store.txn({then: [putRecord(key, record)]});
  }

  /** Compares with all of them in any case: the time taken tells nothing. */
  verify(token: string): Principal | undefined {
    const given = hashOf(token);
    let found: Principal | undefined;
    for (const {value} of this.records.all()) {
      if (timingSafeEqual(given, Buffer.from(value.client, 'hex'))) found = LOCAL_USER;
      if (timingSafeEqual(given, Buffer.from(value.agent, 'hex'))) found = LOCAL_AGENT;
    }
    return found;
  }

  dispose(): void {
    this.records.dispose();
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
