/** Reads of shared memory: one key at a level or a revision, lists by pattern, and the versions that a key had. */
import type {
  ConsistencyLevel,
  MemoryEntry,
  MemoryGet,
  MemoryGetResult,
  MemoryHistory,
  MemoryHistoryResult,
  MemoryList,
  MemoryListed,
  MemoryVersion,
} from '../protocol/commands/memory.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {compilePattern} from '../protocol/keyPattern.ts';
import {MemoryDeletion} from '../protocol/model/memory.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {Principal} from '../security/principal.ts';
import {found, storedRecord} from '../store/records.ts';
import type {KeyValue, Store} from '../store/store.ts';
import type {MemoryCache} from './memoryCache.ts';
import type {MemoryScope} from './memoryScope.ts';
import {storedMemory} from './memoryValue.ts';

/** A value of the past beyond what the store remembers, such as from the session's journal; `unknown` when that does not know either. */
export type ReadPast = (
  at: {readonly sessionId: string; readonly key: string; readonly revision: number},
  principal: Principal,
) => Promise<Pick<MemoryGetResult, 'record' | 'version'> | 'unknown'>;

export interface MemoryReadsOptions {
  readonly scope: MemoryScope;
  readonly cache: MemoryCache;
  readonly readPast?: ReadPast | undefined;
}

/** Keys that one page of a list looks at: a pattern may fit few of them. */
const MAX_LOOKED_AT = 10_000;
const MAX_PAGE_BYTES = 2 * 1024 * 1024;

export class MemoryReads {
  private readonly scope: MemoryScope;
  private readonly store: Store;

  constructor(private readonly options: MemoryReadsOptions) {
    this.scope = options.scope;
    this.store = options.scope.store;
  }

  /** Errors: `forbidden`, `invalidParams` (no such level), `unavailable` (the store is not there, or not that far yet). */
  async get(params: MemoryGet, principal: Principal): Promise<MemoryGetResult> {
    const {sessionId, key, level = 'strong', atRevision} = params;
    await this.scope.checkReader(sessionId, principal);
    if (atRevision !== undefined) return this.getPast({sessionId, key, revision: atRevision}, principal);
    return this.read(this.scope.keys.memoryKey(sessionId, key), level);
  }

  /** In the order of keys. Errors: `forbidden`. */
  async list(params: MemoryList, principal: Principal): Promise<MemoryListed> {
    const {sessionId, pattern, atRevision, limit} = params;
    await this.scope.checkReader(sessionId, principal);
    const prefix = this.scope.keys.memory(sessionId);
    const {matches, prefix: fixed} = pattern === undefined ? ALL : compilePattern(pattern);
    const after = params.after === undefined ? undefined : `${prefix}${params.after}`;
    let range: {kvs: readonly KeyValue[]; revision: number; more: boolean};
    try {
      range = await this.store.range(`${prefix}${fixed}`, {
        limit: MAX_LOOKED_AT,
        ...(after !== undefined && {after}),
        ...(atRevision !== undefined && {atRevision}),
      });
    } catch (error) {
      if (!isCoordinatorError(error, 'notFound') || atRevision === undefined) throw error;
      return {entries: [], revision: atRevision, compacted: this.store.status().compactRevision};
    }
    const {kvs, revision, more} = range;
    const entries: MemoryEntry[] = [];
    let bytes = 0;
    for (const [at, kv] of kvs.entries()) {
      const key = kv.key.slice(prefix.length);
      if (matches(key)) {
        const {value: record, version, modRevision} = storedMemory(kv);
        entries.push({key, record, version, modRevision});
        bytes += kv.value.length;
      }
      const last = at === kvs.length - 1 && !more;
      if (!last && (entries.length >= limit || bytes >= MAX_PAGE_BYTES || at === kvs.length - 1))
        return {entries, revision, next: key};
    }
    return {entries, revision};
  }

  /** Newest first. What was compacted is said, and so is where. Errors: `forbidden`. */
  async history(params: MemoryHistory, principal: Principal): Promise<MemoryHistoryResult> {
    const {sessionId, key, limit} = params;
    await this.scope.checkReader(sessionId, principal);
    const {keys} = this.scope;
    const [valueKey, deletionKey] = [keys.memoryKey(sessionId, key), keys.memoryDeletion(sessionId, key)];
    const versions: MemoryVersion[] = [];
    let at = params.before === undefined ? await this.present() : params.before - 1;
    try {
      while (at >= 1 && versions.length < limit) {
        const version = await this.versionAt(valueKey, deletionKey, at);
        if (!version) return {versions};
        if (version.kind !== 'damaged') versions.push(version);
        at = version.revision - 1;
      }
    } catch (error) {
      if (!isCoordinatorError(error, 'notFound')) throw error;
      return {versions, compacted: this.store.status().compactRevision};
    }
    return at >= 1 ? {versions, next: at + 1} : {versions};
  }

  private async read(key: string, level: ConsistencyLevel): Promise<MemoryGetResult> {
    checkLevel(level);
    const {cache} = this.options;
    const known = cache.get(key);
    if (known) {
      const ageMs = cache.ageOf(known);
      if (satisfies(level, known.revision, ageMs)) return {...answer(known.kv, known.revision), ageMs};
    }
    return (await this.readHere(key, level)) ?? this.readStrongly(key, level);
  }

  /** What the store shows here without asking the others, where it is proven to be as new as the level wants it. */
  private async readHere(key: string, level: ConsistencyLevel): Promise<MemoryGetResult | undefined> {
    if (level === 'strong') return undefined;
    const {cache} = this.options;
    const askedAt = cache.now();
    const here = this.store.staleness();
    if (!satisfies(level, here.revision, here.ageMs)) return undefined;
    const {kvs, revision} = await this.answered(
      level,
      this.store.range(key, {limit: 1, consistency: 'local'}),
    );
    const kv = kvs[0]?.key === key ? kvs[0] : undefined;
    if (!kv && level === 'eventual') return undefined;
    const shownAt = askedAt - here.ageMs;
    cache.confirm(key, kv, revision, shownAt);
    const ageMs = Math.max(0, cache.now() - shownAt);
    return satisfies(level, revision, ageMs) ? {...answer(kv, revision), ageMs} : undefined;
  }

  /** Linearizable, and so as new as any level wants it. */
  private async readStrongly(key: string, level: ConsistencyLevel): Promise<MemoryGetResult> {
    const {cache} = this.options;
    const askedAt = cache.now();
    const {responses, revision} = await this.answered(level, this.store.txn({then: [{kind: 'get', key}]}));
    const kv = found(responses[0]);
    if (typeof level === 'object' && 'session' in level && revision < level.session)
      throw new ProtocolError(
        'unavailable',
        `the store is at revision ${revision}, before ${level.session}`,
        {revision},
      );
    cache.confirm(key, kv, revision, askedAt);
    return {...answer(kv, revision), ageMs: 0};
  }

  /** Says to who may have been content with less what there is here, when the store does not answer. */
  private async answered<T>(level: ConsistencyLevel, asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } catch (error) {
      if (typeof level !== 'object' || !isCoordinatorError(error, 'unavailable')) throw error;
      const {revision, ageMs} = this.store.staleness();
      const wanted = 'session' in level ? `revision ${level.session}` : `at most ${level.bounded} ms`;
      throw new ProtocolError(
        'unavailable',
        `what is known here is at revision ${revision} and ${Math.round(ageMs)} ms old, ${wanted} was asked for: ${error.message}`,
        {revision},
      );
    }
  }

  private async getPast(
    at: {sessionId: string; key: string; revision: number},
    principal: Principal,
  ): Promise<MemoryGetResult> {
    const {revision} = at;
    const {memoryKey} = this.scope.keys;
    try {
      const kv = await this.store.get(memoryKey(at.sessionId, at.key), {atRevision: revision});
      return answer(kv, revision);
    } catch (error) {
      if (!isCoordinatorError(error, 'notFound')) throw error;
    }
    const past = (await this.options.readPast?.(at, principal)) ?? 'unknown';
    if (past !== 'unknown') return {...past, revision};
    return {version: 0, revision, compacted: this.store.status().compactRevision};
  }

  private async present(): Promise<number> {
    const {revision} = await this.store.txn({then: [{kind: 'get', key: this.scope.keys.memoryPolicy}]});
    return revision;
  }

  /** The last change of the key up to `atRevision`; undefined: it was never there. */
  private async versionAt(
    valueKey: string,
    deletionKey: string,
    atRevision: number,
  ): Promise<MemoryVersion | {kind: 'damaged'; revision: number} | undefined> {
    const kv = await this.store.get(valueKey, {atRevision});
    if (kv) {
      const {version, modRevision: revision} = kv;
      try {
        return {kind: 'put', revision, version, record: storedMemory(kv).value};
      } catch (error) {
        // It is left out, so that what was before it can be found.
        if (!isCoordinatorError(error, 'corrupt')) throw error;
        return {kind: 'damaged', revision};
      }
    }
    const gone = await this.store.get(deletionKey, {atRevision});
    if (!gone) return undefined;
    const {value: deletion, modRevision: revision} = storedRecord(MemoryDeletion, gone);
    return {kind: 'delete', revision, deletion};
  }
}

const ALL = {prefix: '', matches: () => true};

function answer(kv: KeyValue | undefined, revision: number): MemoryGetResult {
  if (!kv) return {version: 0, revision};
  const {value: record, version, modRevision} = storedMemory(kv);
  return {record, version, revision, modRevision};
}

/** Callers inside this process may not have parsed their level. */
function checkLevel(level: ConsistencyLevel): void {
  satisfies(level, 0, 0);
}

function satisfies(level: ConsistencyLevel, revision: number, ageMs: number): boolean {
  if (level === 'strong') return false;
  if (level === 'eventual') return true;
  if (typeof level === 'object' && 'session' in level) return revision >= level.session;
  if (typeof level === 'object' && 'bounded' in level) return ageMs <= level.bounded;
  throw new ProtocolError('invalidParams', `${JSON.stringify(level)} is not a level of consistency`);
}
