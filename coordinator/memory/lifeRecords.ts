/** What values that end have lived, as it is written down beside them: read when a coordinator begins to count, written every now and then. */
import {createHash} from 'node:crypto';
import type {Logger} from '../observability/logger.ts';
import type {TenantKeys} from '../protocol/model/keys.ts';
import {MemoryLife} from '../protocol/model/memory.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {absent, putRecord, type Stored, storedRecord, unchanged} from '../store/records.ts';
import type {KeyValue, Store} from '../store/store.ts';
import type {FeedEvent} from './memoryFeed.ts';

export interface LifeRecordsOptions {
  readonly store: Store;
  readonly keys: TenantKeys;
  readonly coordinator: string;
  readonly logger: Logger;
}

/** Writing more often would cost more than the moment is worth that a value lives too long. */
const LEAST_STEP_MS = 10_000;
/** Of its time to live, at most so many records. */
const STEPS = 8;
/** The coordinators come one after the other, and who comes later finds that it is done. */
const SPREAD = 0.25;

export class LifeRecords {
  /** By the key of the value. */
  private readonly records = new Map<string, Stored<MemoryLife>>();

  constructor(private readonly options: LifeRecordsOptions) {}

  /** Of the value that has changed, the key. */
  take(event: FeedEvent): string | undefined {
    const {keys, logger} = this.options;
    if (event.kind === 'lost') {
      this.records.clear();
      return undefined;
    }
    const name = event.kind === 'put' ? event.kv.key : event.key;
    const key = `${keys.base}memory/${name.slice(keys.allMemoryLives.length)}`;
    this.records.delete(key);
    if (event.kind === 'delete') return key;
    try {
      this.records.set(key, storedRecord(MemoryLife, event.kv));
    } catch (error) {
      logger.error('what a value has lived is unreadable: it is counted anew', {key, error});
    }
    return key;
  }

  keyOf({key}: KeyValue): string {
    const {keys} = this.options;
    return `${keys.allMemoryLives}${key.slice(`${keys.base}memory/`.length)}`;
  }

  /** Of this very version. */
  livedMs({key, modRevision}: KeyValue): number {
    const record = this.records.get(key)?.value;
    return record?.modRevision === modRevision ? record.livedMs : 0;
  }

  /** Time until its life is written down again. */
  stepMs({key}: KeyValue, ttl: number): number {
    const turn = createHash('sha256').update(`${this.options.coordinator} ${key}`).digest().readUInt16BE(0);
    return Math.max(LEAST_STEP_MS, ttl / STEPS) * (1 + (SPREAD * turn) / 0xffff);
  }

  /** Unless another coordinator has, or the value is another by now. Never rejects: the next time will do. */
  async write(kv: KeyValue, livedMs: number, ttl: number): Promise<void> {
    const {store, coordinator, logger} = this.options;
    if (livedMs - this.livedMs(kv) < Math.max(LEAST_STEP_MS, ttl / STEPS) / 2) return;
    const before = this.records.get(kv.key);
    const key = this.keyOf(kv);
    const record: MemoryLife = {
      v: RECORD_VERSION,
      principal: `coordinator:${coordinator}`,
      modRevision: kv.modRevision,
      livedMs: Math.floor(livedMs),
    };
    try {
      await store.txn({
        compare: [unchanged(kv), before ? unchanged(before) : absent(key)],
        then: [putRecord(key, record)],
      });
    } catch (error) {
      logger.debug('what a value has lived could not be written down', {key: kv.key, error});
    }
  }
}
