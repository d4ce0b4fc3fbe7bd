/** Reads of a store in an etcd: one key, long ranges in pages at one revision, and what of the past can be read at all. */
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {KeyValue, RangeOptions, RangeResult, ReadOptions} from '../store.ts';
import type {EtcdCalls} from './calls.ts';
import type {KeyRange, KeySpace} from './keySpace.ts';
import {keyValueOf, keyValuesOf} from './records.ts';

export interface ReadsParts {
  readonly calls: EtcdCalls;
  readonly space: KeySpace;
  readonly pageKeys: number;
  /** The newest revision that anybody here has seen. */
  readonly known: () => number;
}

interface Page {
  readonly range: KeyRange;
  readonly limit: number;
  readonly atRevision: number | undefined;
  readonly descending: boolean;
  readonly local: boolean;
}

export class EtcdReads {
  /** Reads below it are refused: the store's own mark, or where etcd was compacted as far as that was noticed. */
  private compacted = 0;

  constructor(private readonly parts: ReadsParts) {}

  get compactRevision(): number {
    return this.compacted;
  }

  /** The store's history ends there, whatever etcd keeps. */
  forget(revision: number): void {
    this.compacted = Math.max(this.compacted, revision);
  }

  async get(key: string, {atRevision, consistency}: ReadOptions): Promise<KeyValue | undefined> {
    const name = this.parts.space.key(key);
    const {kvs} = await this.read(atRevision, () =>
      this.request({key: name, revision: atRevision ?? 0}, consistency === 'local'),
    );
    return kvs[0] && keyValueOf(kvs[0], key);
  }

  async range(prefix: string, options: RangeOptions): Promise<RangeResult> {
    const {atRevision} = options;
    for (;;) {
      try {
        return await this.read(atRevision, () => this.pages(prefix, options));
      } catch (error) {
        // Without a revision of the caller's, pages behind the first read at one that etcd may have been compacted beyond meanwhile.
        if (atRevision !== undefined || !isCoordinatorError(error, 'notFound')) throw error;
      }
    }
  }

  async count(atRevision: number): Promise<number> {
    const {calls, space} = this.parts;
    const request = {...space.range(''), revision: atRevision, count_only: true};
    const {count} = await calls.read((client, options) => client.kv.range(request, options));
    return Number(count);
  }

  /** Finds out where etcd's own compaction is, which it tells nobody: the first revision that it can read. */
  async findCompaction(): Promise<void> {
    const {calls, space} = this.parts;
    const newest = await calls.read((client, options) =>
      client.kv.range({key: space.incarnation, count_only: true}, options),
    );
    let unreadable = Math.max(0, this.compacted - 1);
    let readable = Number(newest.header.revision);
    if (await this.isReadable(unreadable + 1)) return;
    while (readable - unreadable > 1) {
      const middle = Math.floor((readable + unreadable) / 2);
      if (await this.isReadable(middle)) readable = middle;
      else unreadable = middle;
    }
    this.forget(readable);
  }

  private async isReadable(revision: number): Promise<boolean> {
    const {calls, space} = this.parts;
    const request = {key: space.incarnation, count_only: true, revision};
    try {
      await calls.read((client, options) => client.kv.range(request, options));
      return true;
    } catch (error) {
      if (isCoordinatorError(error, 'notFound')) return false;
      throw error;
    }
  }

  /** Refuses what the store has forgotten, and tells a revision that etcd has forgotten from one that is yet to come. */
  private async read<T>(atRevision: number | undefined, run: () => Promise<T>): Promise<T> {
    if (atRevision !== undefined && atRevision < this.compacted) throw this.forgotten(atRevision);
    try {
      return await run();
    } catch (error) {
      if (!isCoordinatorError(error, 'notFound') || atRevision === undefined) throw error;
      await this.findCompaction();
      if (atRevision < this.compacted) throw this.forgotten(atRevision);
      throw new CoordinatorError(
        'unavailable',
        `revision ${atRevision} is not here yet, the newest is ${this.parts.known()}`,
      );
    }
  }

  private forgotten(revision: number): CoordinatorError {
    return new CoordinatorError(
      'notFound',
      `revision ${revision} was compacted, the oldest is ${this.compacted}`,
    );
  }

  private async pages(prefix: string, options: RangeOptions): Promise<RangeResult> {
    const {space, pageKeys} = this.parts;
    const {after, atRevision, consistency, limit = Number.POSITIVE_INFINITY, order = 'ascending'} = options;
    const kvs: KeyValue[] = [];
    let cursor = after;
    let revision = atRevision;
    for (;;) {
      const page = await this.page({
        range: cursor === undefined ? space.range(prefix) : space.rest(prefix, cursor, order),
        limit: Math.min(pageKeys, limit - kvs.length),
        atRevision: revision,
        descending: order === 'descending',
        local: consistency === 'local',
      });
      revision ??= Number(page.header.revision);
      for (const kv of keyValuesOf(page.kvs, space)) kvs.push(kv);
      if (!page.more || kvs.length >= limit) return {kvs, revision, more: page.more};
      cursor = kvs.at(-1)?.key;
    }
  }

  private page({range, limit, atRevision, descending, local}: Page) {
    const sort = descending ? ({sort_order: 'Descend', sort_target: 'Key'} as const) : {};
    return this.request({...range, ...sort, limit, revision: atRevision ?? 0}, local);
  }

  /** A member may be behind: a local read never shows less than what was seen here before. */
  private async request(request: RangeRequest, local: boolean) {
    const {calls, known} = this.parts;
    // At a revision that it has not reached yet it could answer nothing at all.
    if (local && request.revision === 0) {
      const least = known();
      const answer = await calls.read(
        (client, options) => client.kv.range({...request, serializable: true}, options),
        true,
      );
      if (Number(answer.header.revision) >= least) return answer;
    }
    return calls.read((client, options) => client.kv.range(request, options));
  }
}

interface RangeRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  readonly limit?: number;
  readonly revision: number;
  readonly sort_order?: 'Descend';
  readonly sort_target?: 'Key';
}
