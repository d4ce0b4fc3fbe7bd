/** The shared memory of one session as one principal may use it. Every answer says its revision and its age. */
import type {
  ConsistencyLevel,
  MemoryDeleteResult,
  MemoryEntry,
  MemoryGetResult,
  MemoryHistoryResult,
  MemoryPutResult,
} from '../protocol/commands/memory.ts';
import type {Fence} from '../protocol/ids.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {JsonValue} from '../runtime/json.ts';
import type {Principal} from '../security/principal.ts';
import type {MemoryEvent, SubscribeOptions} from './memorySubscriptions.ts';
import type {SharedMemory} from './sharedMemory.ts';

export interface MemoryUser {
  readonly sessionId: string;
  readonly principal: Principal;
  /** Under which it writes, where it is an attempt. */
  readonly fence?: Fence | undefined;
}

export interface StoreOptions {
  /** The value ends this many ms after the write: maybe later, never earlier. */
  readonly ttl?: number | undefined;
  /** Only over this version; 0: only when there is no such key. */
  readonly ifVersion?: number | undefined;
}

export class DistributedSharedMemory implements Disposable {
  private readonly subscribed = new Set<string>();

  constructor(
    private readonly memory: SharedMemory,
    private readonly user: MemoryUser,
  ) {}

  /** Resolves when the value is committed. Errors: `conflict` (`ifVersion`), `staleFence`, `forbidden`, `notFound`, `tooLarge`. */
  store(key: string, value: JsonValue, {ttl, ifVersion}: StoreOptions = {}): Promise<MemoryPutResult> {
    const {sessionId, principal, fence} = this.user;
    return this.memory.put({sessionId, key, value, fence, ttl, ifVersion}, principal);
  }

  /** Errors: `invalidParams` for a level that does not exist, `unavailable`, `forbidden`. */
  retrieve(key: string, level: ConsistencyLevel = 'eventual'): Promise<MemoryGetResult> {
    const {sessionId, principal} = this.user;
    return this.memory.get({sessionId, key, level}, principal);
  }

  /** As it was; `compacted` says that nobody remembers. */
  retrieveAt(key: string, atRevision: number): Promise<MemoryGetResult> {
    const {sessionId, principal} = this.user;
    return this.memory.get({sessionId, key, atRevision}, principal);
  }

  delete(key: string, {ifVersion}: Pick<StoreOptions, 'ifVersion'> = {}): Promise<MemoryDeleteResult> {
    const {sessionId, principal, fence} = this.user;
    return this.memory.delete({sessionId, key, fence, ifVersion}, principal);
  }

  /** In the order of keys. Default: all of them. */
  async *list(pattern?: string): AsyncGenerator<MemoryEntry> {
    const {sessionId, principal} = this.user;
    for (let after: string | undefined; ; ) {
      const page = await this.memory.list({sessionId, pattern, after, limit: 1000}, principal);
      yield* page.entries;
      after = page.next;
      if (after === undefined) return;
    }
  }

  /** Newest first, a page at a time: `before` is `next` of the one before. */
  history(
    key: string,
    {before, limit = 50}: {before?: number; limit?: number} = {},
  ): Promise<MemoryHistoryResult> {
    const {sessionId, principal} = this.user;
    return this.memory.history({sessionId, key, before, limit}, principal);
  }

  /** Resolves to the id by which it ends. Errors: `forbidden`. */
  async subscribe(
    pattern: string,
    listener: (event: MemoryEvent) => void,
    options: SubscribeOptions = {},
  ): Promise<string> {
    const {sessionId, principal} = this.user;
    await this.memory.scope.checkReader(sessionId, principal);
    const id = this.memory.subscriptions.subscribe(sessionId, pattern, listener, options);
    this.subscribed.add(id);
    return id;
  }

  /** False when there is no such subscription of this user (any more). */
  unsubscribe(id: string): boolean {
    return this.subscribed.delete(id) && this.memory.subscriptions.unsubscribe(id);
  }

  dispose(): void {
    for (const id of this.subscribed) this.memory.subscriptions.unsubscribe(id);
    this.subscribed.clear();
  }
}
