/** The shared memory of a tenant on one coordinator: its services, made and started together. */
import type {Logger} from '../observability/logger.ts';
import type {
  MemoryDelete,
  MemoryDeleteResult,
  MemoryGet,
  MemoryGetResult,
  MemoryHistory,
  MemoryHistoryResult,
  MemoryList,
  MemoryListed,
  MemoryPolicy,
  MemoryPolicyResult,
  MemoryPut,
  MemoryPutResult,
  MemoryResolve,
  MemoryResolved,
  MemoryTxn,
  MemoryTxnResult,
  StateSynced,
} from '../protocol/commands/memory.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {AuditLog} from '../security/audit.ts';
import type {Principal} from '../security/principal.ts';
import {ConflictResolver} from './conflict/conflictResolver.ts';
import {ConflictChoices} from './conflictChoices.ts';
import {ConflictPolicies} from './conflictPolicies.ts';
import {FencedMemory} from './fencedMemory.ts';
import {MemoryCache} from './memoryCache.ts';
import {MemoryExpiry} from './memoryExpiry.ts';
import {MemoryFeed} from './memoryFeed.ts';
import {MemoryReads, type ReadPast} from './memoryReads.ts';
import {MemoryScope, type MemoryScopeOptions} from './memoryScope.ts';
import {MemorySubscriptions} from './memorySubscriptions.ts';
import {MemorySync, type ReplicaState} from './memorySync.ts';
import {OfflineMerge} from './offlineMerge.ts';

export interface SharedMemoryOptions extends MemoryScopeOptions {
  readonly audit: Pick<AuditLog, 'auditedTxn'>;
  readonly logger: Logger;
  readonly readPast?: ReadPast | undefined;
}

export class SharedMemory implements Disposable {
  readonly resolver: ConflictResolver;
  readonly subscriptions: MemorySubscriptions;
  readonly scope: MemoryScope;
  private readonly owned = new DisposableStore();
  private readonly feed: MemoryFeed;
  private readonly expiry: MemoryExpiry;
  private readonly policies: ConflictPolicies;
  private readonly writes: FencedMemory;
  private readonly reads: MemoryReads;
  private readonly replicas: MemorySync;
  private readonly choices: ConflictChoices;

  constructor(options: SharedMemoryOptions) {
    const {audit, logger, readPast} = options;
    this.scope = new MemoryScope(options);
    const {scope} = this;
    const {store, keys, clock, instanceId} = scope;
    const prefix = `${keys.base}memory/`;
    this.feed = this.owned.add(new MemoryFeed({store, prefix, clock, logger}));
    const {feed} = this;
    const cache = this.owned.add(new MemoryCache(feed, clock));
    this.expiry = this.owned.add(
      new MemoryExpiry({store, keys, feed, clock, logger, coordinator: instanceId}),
    );
    this.policies = this.owned.add(new ConflictPolicies({scope, audit, logger}));
    this.subscriptions = this.owned.add(new MemorySubscriptions(scope, logger));
    this.resolver = new ConflictResolver(({sessionId, key}) => this.policies.ruleFor(sessionId, key));
    this.writes = new FencedMemory(scope);
    this.reads = new MemoryReads({scope, cache, readPast});
    this.replicas = new MemorySync(scope, new OfflineMerge(scope, this.resolver));
    this.choices = new ConflictChoices(scope, audit);
  }

  /** Rejects as the store does. */
  async start(): Promise<void> {
    await Promise.all([this.expiry.start(), this.policies.start()]);
    await this.feed.start();
  }

  dispose(): void {
    this.owned.dispose();
  }

  /** `changeId` is kept with the value. */
  put(params: MemoryPut, principal: Principal, changeId?: string): Promise<MemoryPutResult> {
    return this.writes.put(params, principal, changeId);
  }

  delete(params: MemoryDelete, principal: Principal, changeId?: string): Promise<MemoryDeleteResult> {
    return this.writes.delete(params, principal, changeId);
  }

  txn(params: MemoryTxn, principal: Principal): Promise<MemoryTxnResult> {
    return this.writes.txn(params, principal);
  }

  get(params: MemoryGet, principal: Principal): Promise<MemoryGetResult> {
    return this.reads.get(params, principal);
  }

  list(params: MemoryList, principal: Principal): Promise<MemoryListed> {
    return this.reads.list(params, principal);
  }

  history(params: MemoryHistory, principal: Principal): Promise<MemoryHistoryResult> {
    return this.reads.history(params, principal);
  }

  /** Takes the offline writes of an agent, and tells what it has not seen. */
  sync(sessionId: string, replica: ReplicaState, principal: Principal): Promise<StateSynced> {
    return this.replicas.sync(sessionId, replica, principal);
  }

  resolve(params: MemoryResolve, principal: Principal): Promise<MemoryResolved> {
    return this.choices.resolve(params, principal);
  }

  policy(params: MemoryPolicy, principal: Principal): Promise<MemoryPolicyResult> {
    return this.policies.change(params, principal, this.resolver);
  }
}
