/** The histories of a tenant's sessions: a journal that writes and a reader, made of their parts. */
import type {Logger} from '../observability/logger.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {tenantKeys} from '../protocol/model/keys.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Principal} from '../security/principal.ts';
import type {Compare, KeyValue, Store} from '../store/store.ts';
import {HistoryJournal} from './historyJournal.ts';
import {HistoryReader} from './historyReader.ts';
import {HistorySealer} from './historySealer.ts';
import {type HistoryBlobs, HistorySegments} from './historySegments.ts';
import {HISTORY_SETTINGS, type HistorySettings} from './historySettings.ts';

export interface SessionHistoryOptions {
  readonly store: Store;
  readonly tenant: string;
  readonly blobs: HistoryBlobs;
  /** Of the records that it writes. */
  readonly principal: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings?: Partial<HistorySettings>;
}

export class SessionHistory {
  readonly journal: HistoryJournal;
  readonly reader: HistoryReader;
  private readonly prefix: string;
  private readonly tenant: string;
  private readonly store: Store;

  constructor(options: SessionHistoryOptions) {
    const {store, tenant, blobs, principal, clock, logger} = options;
    const settings = {...HISTORY_SETTINGS, ...options.settings};
    const keys = tenantKeys(tenant);
    const segments = new HistorySegments(store, keys, blobs, principal);
    const sealerUnder = (fence: Compare) =>
      new HistorySealer({store, keys, segments, principal, logger, settings, fence});
    this.journal = new HistoryJournal({store, keys, sealerUnder, clock, logger, settings});
    this.reader = new HistoryReader({store, keys, segments, journal: this.journal, logger, settings});
    this.prefix = keys.histories;
    this.tenant = tenant;
    this.store = store;
  }

  /** For a caller of this tenant. Throws `notFound` for one of another, who has no session here. */
  readerFor({tenant}: Principal): HistoryReader {
    if (tenant !== this.tenant) throw new ProtocolError('notFound', 'there is no such session');
    return this.reader;
  }

  /**
   * `records`, which are those of one revision, and then what the past names beside them: what the journal holds by that revision, and what is
   * sealed by then. A name that has left the records is in one of them.
   */
  async *namedWith(records: AsyncIterable<KeyValue>): AsyncGenerator<{readonly value: string}> {
    let newest = 0;
    for await (const record of records) {
      newest = Math.max(newest, record.modRevision);
      yield record;
    }
    await this.journal.flush();
    await this.journal.reached(newest);
    for (const {before, after} of this.journal.held())
      for (const value of [before, after]) if (value !== undefined) yield {value};
    const {kvs} = await this.store.range(this.prefix);
    yield* kvs;
  }
}
