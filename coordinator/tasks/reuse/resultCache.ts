/**
 * The results that are kept, as records under the digests of their inputs: bounded in number, bytes and age, those that were not used for longest go
 * first. One term of leadership writes them, one step at a time for each tenant; which bounds hold is known from an index in memory.
 */
import type {CacheClear, CacheList, CacheListed} from '../../protocol/commands/cache.ts';
import {CachedResultRecord} from '../../protocol/model/cachedResult.ts';
import {tenantKeys} from '../../protocol/model/keys.ts';
import type {Principal} from '../../security/principal.ts';
import {putRecord, readRecord, type Stored, storedRecord} from '../../store/records.ts';
import type {Op} from '../../store/store.ts';
import {commitAudited} from '../sessions/sessions.ts';
import {leadLost} from '../steps/committer.ts';
import type {AuditEntry, Term} from '../term/term.ts';

/** Records of one page: at most 64 KiB each. */
const PAGE = 64;
const DELETED_AT_ONCE = 100;
/** A record of the store holds 64 KiB. */
const MAX_RECORD_BYTES = 60 * 1024;

interface Kept {
  readonly bytes: number;
  readonly sessionId: string;
  readonly taskId: string;
  usedAt: number;
  /** Since that was last written. */
  uses: number;
}

interface Tenant {
  /** By key. */
  readonly index: Map<string, Kept>;
  bytes: number;
}

export type CacheTerm = Pick<
  Term,
  'store' | 'committer' | 'settings' | 'clock' | 'principal' | 'logger' | 'signal' | 'auditedTxn'
>;

export class ResultCache {
  private readonly tenants = new Map<string, Promise<Tenant>>();
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(private readonly term: CacheTerm) {}

  /** Undefined when there is none. What nobody can read counts as none. */
  async find(tenant: string, key: string): Promise<Stored<CachedResultRecord> | undefined> {
    try {
      return await readRecord(this.term.store, CachedResultRecord, tenantKeys(tenant).cachedResult(key));
    } catch (error) {
      this.term.logger.warn('a kept result cannot be read and is made anew', {tenant, key, error});
      return undefined;
    }
  }

  /** Stores the result, in place of one that is there, and lets others go for it where there are too many. */
  async keep(tenant: string, record: CachedResultRecord): Promise<void> {
    const {cacheResults, cacheBytes} = this.term.settings;
    if (cacheResults <= 0 || record.bytes > cacheBytes) return;
    const {key} = record.reused;
    const put = putRecord(tenantKeys(tenant).cachedResult(key), record);
    if (put.kind === 'put' && Buffer.byteLength(put.value) > MAX_RECORD_BYTES) return;
    await this.inTurn(tenant, async held => {
      if ((await this.term.committer.run([], [put])) === undefined) return;
      forget(held, key);
      held.index.set(key, keptOf(record));
      held.bytes += record.bytes;
      await this.remove(tenant, held, this.surplus(held));
    });
  }

  /** It was taken: it is among the last to go. Written now and then. */
  used(tenant: string, key: string): void {
    void this.inTurn(tenant, async ({index}) => {
      const kept = index.get(key);
      if (!kept) return;
      // The index is in the order of use.
      index.delete(key);
      index.set(key, kept);
      kept.usedAt = this.term.clock.wallNow();
      kept.uses += 1;
    }).catch((error: unknown) => this.failed(tenant, error));
  }

  /** What is too old goes, and what was used is written down. */
  async sweep(tenant: string): Promise<void> {
    await this.inTurn(tenant, async held => {
      const before = this.term.clock.wallNow() - this.term.settings.cacheUnusedMs;
      const old = [...held.index].flatMap(([key, {usedAt}]) => (usedAt < before ? [key] : []));
      await this.remove(tenant, held, [...new Set([...old, ...this.surplus(held)])]);
      for (const [key, kept] of held.index) if (kept.uses > 0) await this.writeUse(tenant, key, kept);
    });
  }

  async list({limit}: CacheList, {tenant}: Principal): Promise<CacheListed> {
    const {cacheResults, cacheBytes} = this.term.settings;
    const {index, bytes} = await this.inTurn(tenant, held => Promise.resolve(held));
    const keys = [...index.keys()].reverse().slice(0, limit);
    const found = await Promise.all(keys.map(key => this.find(tenant, key)));
    const results = found.flatMap(stored => {
      if (!stored) return [];
      const {reused, sessionId, sessionName, taskId, bytes: size, uses} = stored.value;
      const kept = index.get(reused.key);
      return {
        ...{...reused, sessionId, sessionName, taskId, bytes: size},
        usedAt: kept?.usedAt ?? stored.value.usedAt,
        uses: uses + (kept?.uses ?? 0),
      };
    });
    return {results, count: index.size, bytes, maxCount: cacheResults, maxBytes: cacheBytes};
  }

  /** Forgets what meets all that is asked; tasks that were completed from it keep what they have. */
  async clear(
    {keys, sessionId, taskId, unusedMs}: CacheClear,
    principal: Principal,
  ): Promise<{forgotten: number; bytes: number}> {
    const {tenant} = principal;
    const wanted = keys && new Set(keys);
    return this.inTurn(tenant, async held => {
      const before = unusedMs === undefined ? Number.POSITIVE_INFINITY : this.term.clock.wallNow() - unusedMs;
      const chosen = [...held.index].flatMap(([key, kept]) =>
        (wanted?.has(key) ?? true) &&
        (sessionId === undefined || kept.sessionId === sessionId) &&
        (taskId === undefined || kept.taskId === taskId) &&
        kept.usedAt <= before
          ? [key]
          : [],
      );
      const {bytes} = held;
      await this.remove(tenant, held, chosen, {
        tenant,
        principal: principal.id,
        action: 'cache.clear',
        subject: 'kept results',
        detail: {results: chosen.length},
      });
      return {forgotten: chosen.length, bytes: bytes - held.bytes};
    });
  }

  private surplus({index, bytes}: Tenant): string[] {
    const {cacheResults, cacheBytes} = this.term.settings;
    const gone: string[] = [];
    let [count, left] = [index.size, bytes];
    for (const [key, kept] of index) {
      if (count <= cacheResults && left <= cacheBytes) break;
      gone.push(key);
      count -= 1;
      left -= kept.bytes;
    }
    return gone;
  }

  private async remove(
    tenant: string,
    held: Tenant,
    keys: readonly string[],
    audit?: AuditEntry,
  ): Promise<void> {
    const {cachedResult} = tenantKeys(tenant);
    for (let at = 0; at < keys.length; at += DELETED_AT_ONCE) {
      const some = keys.slice(at, at + DELETED_AT_ONCE);
      const ops = some.map((key): Op => ({kind: 'delete', key: cachedResult(key)}));
      const done = audit ? commitAudited(this.term, [], ops, audit) : this.term.committer.run([], ops);
      if ((await done) === undefined) throw leadLost();
      for (const key of some) forget(held, key);
    }
  }

  private async writeUse(tenant: string, key: string, kept: Kept): Promise<void> {
    const stored = await this.find(tenant, key);
    if (!stored) return;
    const {value} = stored;
    const record = {...value, usedAt: kept.usedAt, uses: value.uses + kept.uses};
    if ((await this.term.committer.run([], [putRecord(stored.key, record)])) !== undefined) kept.uses = 0;
  }

  /** One at a time for each tenant, since steps that touch one key must not be under way at once. */
  private inTurn<T>(tenant: string, work: (held: Tenant) => Promise<T>): Promise<T> {
    const before = this.turns.get(tenant) ?? Promise.resolve();
    const result = before.then(async () => work(await this.held(tenant)));
    this.turns.set(
      tenant,
      result.catch(() => undefined),
    );
    return result;
  }

  private held(tenant: string): Promise<Tenant> {
    const known = this.tenants.get(tenant);
    if (known) return known;
    const loading = this.load(tenant);
    this.tenants.set(tenant, loading);
    loading.catch(() => this.tenants.delete(tenant));
    return loading;
  }

  private async load(tenant: string): Promise<Tenant> {
    const found: [string, Kept][] = [];
    const prefix = tenantKeys(tenant).cachedResults;
    let after: string | undefined;
    for (;;) {
      const page = await this.term.store.range(prefix, {limit: PAGE, after});
      for (const kv of page.kvs) {
        try {
          found.push([kv.key.slice(prefix.length), keptOf(storedRecord(CachedResultRecord, kv).value)]);
        } catch (error) {
          this.term.logger.warn('a kept result cannot be read', {key: kv.key, error});
        }
      }
      after = page.kvs.at(-1)?.key;
      if (!page.more || after === undefined) break;
    }
    found.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    return {index: new Map(found), bytes: found.reduce((sum, [, {bytes}]) => sum + bytes, 0)};
  }

  private failed(tenant: string, error: unknown): void {
    this.term.logger.debug('the use of a kept result is not noted', {tenant, error});
  }
}

function keptOf({bytes, sessionId, taskId, usedAt}: CachedResultRecord): Kept {
  return {bytes, sessionId, taskId, usedAt, uses: 0};
}

function forget(held: Tenant, key: string): void {
  held.bytes -= held.index.get(key)?.bytes ?? 0;
  held.index.delete(key);
}
