/** The sealed part of journals: segment records in the store, each naming a gzipped artifact of lines. When to seal, and what, is left to others. */
import {promisify} from 'node:util';
import {type constants, gunzip, gzip} from 'node:zlib';
import {parseViewKey, sessionRow, type ViewKey} from '../hub/watch/rowChange.ts';
import {HistorySegment, MAX_LISTED_DIGESTS} from '../protocol/model/history.ts';
import type {TenantKeys} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {assert} from '../runtime/assert.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {putRecord, storedRecord} from '../store/records.ts';
import type {KeyValue, Op, Store} from '../store/store.ts';
import {changeLines, type HistoryChange, parseChangeLines, pastArtifacts} from './historyChange.ts';
import type {SealedPart} from './sessionBuffer.ts';

/** Keeps artifacts; `put` resolves once one is as durable as a record that names it has to be. */
export interface HistoryBlobs {
  put(bytes: Uint8Array): Promise<{readonly sha256: string; readonly bytes: number}>;
  /** Rejects with `notFound`. */
  get(sha256: string): Promise<Uint8Array>;
}

const PAGE = 500;
const RECORDS_PAGE = 32;
const MAX_LOADED = 2;
/** Rows repeat themselves so much that the fastest level is nearly as good as the best. */
const GZIP_LEVEL: typeof constants.Z_BEST_SPEED = 1;

const compress = promisify(gzip);
const expand = promisify(gunzip);

export class HistorySegments {
  /** The pages of a reader come from few segments, which do not change. */
  private readonly loaded = new Map<string, readonly HistoryChange[]>();

  constructor(
    private readonly store: Store,
    private readonly keys: TenantKeys,
    private readonly blobs: HistoryBlobs,
    private readonly principal: string,
  ) {}

  /** How far the journal of a session is sealed. */
  async sealedPart(sessionId: string): Promise<SealedPart> {
    let lastRevision = 0;
    let bytesSinceRows = 0;
    for await (const segment of this.before(sessionId)) {
      lastRevision = Math.max(lastRevision, segment.lastRevision);
      if (segment.kind === 'rows') return {lastRevision, bytesSinceRows, rowBytes: segment.textBytes};
      bytesSinceRows += segment.textBytes;
    }
    return {lastRevision, bytesSinceRows, rowBytes: 0};
  }

  /** Stores changes; the operation that it resolves to is what seals them. */
  async changes(sessionId: string, changes: readonly HistoryChange[]): Promise<{op: Op; textBytes: number}> {
    const [first] = changes;
    const last = changes.at(-1);
    assert(first && last, 'a segment has changes');
    const text = changeLines(changes);
    const {digests, lists} = pastArtifacts(changes);
    return this.segment(sessionId, text, {
      kind: 'changes',
      firstRevision: first.revision,
      lastRevision: last.revision,
      lastAt: last.at,
      lines: changes.length,
      ...(await this.listed(digests, lists)),
    });
  }

  /** Stores all rows of a session as they were. Rejects with `notFound` when the store has forgotten that revision. */
  async rows(
    sessionId: string,
    revision: number,
    at: number,
    gapAfter?: number,
  ): Promise<{op: Op; textBytes: number}> {
    const changes: HistoryChange[] = [];
    for await (const kv of this.storedRows(sessionId, revision)) {
      const change = changeOf(parseViewKey(kv.key), kv, undefined, revision, at);
      if (change) changes.push(change);
    }
    return this.segment(sessionId, changeLines(changes), {
      kind: 'rows',
      firstRevision: revision,
      lastRevision: revision,
      lastAt: at,
      lines: changes.length,
      ...(gapAfter === undefined ? {} : {gapAfter}),
    });
  }

  /** The stored rows of a session at one revision, in pages: others get their turn. */
  async *storedRows(sessionId: string, atRevision: number): AsyncGenerator<KeyValue> {
    const {keys, store} = this;
    const session = await store.get(keys.session(sessionId), {atRevision});
    if (session) yield session;
    for (const prefix of [
      keys.tasks(sessionId),
      keys.attempts(sessionId),
      keys.refs(sessionId),
      keys.refusals(sessionId),
      keys.approvals(sessionId),
      keys.memory(sessionId),
      keys.memoryConflicts(sessionId),
    ]) {
      for (let after: string | undefined; ; ) {
        const {kvs, more} = await store.range(prefix, {atRevision, limit: PAGE, ...(after && {after})});
        yield* kvs;
        after = kvs.at(-1)?.key;
        if (!more) break;
      }
    }
  }

  /** Segments that end at or before `revision`, newest first. */
  async *before(sessionId: string, revision = Number.MAX_SAFE_INTEGER): AsyncGenerator<HistorySegment> {
    yield* this.range(sessionId, this.keys.historySegment(sessionId, 'changes', revision + 1), 'descending');
  }

  /** Segments that end at or after `revision`, oldest first. */
  async *from(sessionId: string, revision: number): AsyncGenerator<HistorySegment> {
    yield* this.range(
      sessionId,
      this.keys.historySegment(sessionId, 'rows', Math.max(0, revision - 1)),
      'ascending',
    );
  }

  /** Errors: `corrupt`, `notFound`. */
  async load({artifact}: HistorySegment): Promise<readonly HistoryChange[]> {
    const known = this.loaded.get(artifact);
    if (known) return known;
    const bytes = await this.blobs.get(artifact);
    try {
      const changes = parseChangeLines((await expand(bytes)).toString('utf8'));
      this.loaded.set(artifact, changes);
      for (const oldest of this.loaded.keys()) {
        if (this.loaded.size <= MAX_LOADED) break;
        this.loaded.delete(oldest);
      }
      return changes;
    } catch (error) {
      throw new CoordinatorError('corrupt', `the journal ${artifact} cannot be read`, {cause: error});
    }
  }

  private async *range(
    sessionId: string,
    start: string,
    order: 'ascending' | 'descending',
  ): AsyncGenerator<HistorySegment> {
    let after = start;
    for (;;) {
      const page = await this.store.range(this.keys.history(sessionId), {after, order, limit: RECORDS_PAGE});
      for (const kv of page.kvs) {
        yield storedRecord(HistorySegment, kv).value;
        after = kv.key;
      }
      if (!page.more) return;
    }
  }

  private async segment(
    sessionId: string,
    text: string,
    about: Omit<HistorySegment, 'v' | 'principal' | 'artifact' | 'bytes' | 'textBytes'> &
      Pick<HistorySegment, 'kind' | 'lastRevision'>,
  ): Promise<{op: Op; textBytes: number}> {
    const blob = await this.blobs.put(await compress(text, {level: GZIP_LEVEL}));
    const record = {
      v: RECORD_VERSION,
      principal: this.principal,
      artifact: blob.sha256,
      bytes: blob.bytes,
      textBytes: text.length,
      ...about,
    };
    const key = this.keys.historySegment(sessionId, about.kind, about.lastRevision);
    return {op: putRecord(key, record), textBytes: text.length};
  }

  private async listed(
    digests: readonly string[],
    lists: readonly string[],
  ): Promise<Pick<HistorySegment, 'past' | 'pastLists'>> {
    const pastLists = lists.map(bundleList => ({bundleList}));
    if (digests.length <= MAX_LISTED_DIGESTS) {
      return {
        ...(digests.length > 0 && {past: [...digests]}),
        ...(pastLists.length > 0 && {pastLists}),
      };
    }
    const {sha256} = await this.blobs.put(Buffer.from(JSON.stringify(digests)));
    return {pastLists: [...pastLists, {bundleList: sha256}]};
  }
}

/** What an event of the store says of a session's rows; undefined when nothing. */
export function changeOf(
  view: ViewKey | undefined,
  kv: KeyValue | undefined,
  previous: KeyValue | undefined,
  revision: number,
  at: number,
): HistoryChange | undefined {
  const row = view && sessionRow(view);
  if (!row) return undefined;
  const {kind, id} = row;
  return {revision, at, kind, id, version: kv?.version ?? 0, before: previous?.value, after: kv?.value};
}
