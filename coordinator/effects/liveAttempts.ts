/** The attempts whose fences stand, as this coordinator knows: by id and by agent. A transaction has the last word. */
import type {Logger} from '../observability/logger.ts';
import type {Fence} from '../protocol/ids.ts';
import {AttemptLive} from '../protocol/model/attempt.ts';
import {type TenantKeys, tenantKeys} from '../protocol/model/keys.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import type {Store} from '../store/store.ts';
import {type RecordChange, WatchedRecords} from './watchedRecords.ts';

export interface LiveAttempt {
  readonly attemptId: string;
  readonly agentId: string;
  readonly agentIncarnation: string;
  /** Create revision of the live key: the fence's revision. */
  readonly revision: number;
}

/** What everything needs that watches records of one tenant. */
export interface TenantRecordsOptions {
  readonly store: Store;
  readonly tenant: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class LiveAttempts implements Disposable {
  private readonly keys: TenantKeys;
  private readonly lives: WatchedRecords<typeof AttemptLive>;
  private readonly byAgent = new Map<string, Set<string>>();
  private readonly gone = new Emitter<LiveAttempt>();
  private readonly counts = new Emitter<string>();
  private readonly owned = new DisposableStore();

  /** The fence of an attempt fell. */
  readonly onGone = this.gone.event;
  /** The number of live attempts of this agent changed. */
  readonly onAgentLoad = this.counts.event;

  constructor({tenant, ...parts}: TenantRecordsOptions) {
    this.keys = tenantKeys(tenant);
    this.lives = this.owned.add(new WatchedRecords({...parts, schema: AttemptLive, prefix: this.keys.lives}));
    this.owned.add(this.gone);
    this.owned.add(this.counts);
    this.lives.onChange(change => this.changed(change));
  }

  start(): Promise<void> {
    return this.lives.start();
  }

  get(attemptId: string): LiveAttempt | undefined {
    const record = this.lives.get(this.keys.live(attemptId));
    return record && this.attempt(record);
  }

  /** Whether the fence stood at the newest revision that this coordinator has seen. */
  holds(fence: Fence): boolean {
    return this.lives.get(this.keys.live(fence.attempt))?.createRevision === fence.revision;
  }

  runningOn(agentId: string): number {
    return this.byAgent.get(agentId)?.size ?? 0;
  }

  attemptsOn(agentId: string): LiveAttempt[] {
    const attempts: LiveAttempt[] = [];
    for (const attemptId of this.byAgent.get(agentId) ?? []) {
      const attempt = this.get(attemptId);
      if (attempt) attempts.push(attempt);
    }
    return attempts;
  }

  dispose(): void {
    this.owned.dispose();
    this.byAgent.clear();
  }

  private changed({now, before}: RecordChange<AttemptLive>): void {
    // A key that was deleted and made again between two looks is a new fence: the old one fell.
    const same = now && before && now.createRevision === before.createRevision;
    if (before && !same) {
      const attempt = this.attempt(before);
      this.count(attempt, -1);
      this.gone.emit(attempt);
    }
    if (now && !same) this.count(this.attempt(now), 1);
  }

  private count(attempt: LiveAttempt, by: 1 | -1): void {
    const attempts = this.byAgent.get(attempt.agentId) ?? new Set();
    if (by > 0) this.byAgent.set(attempt.agentId, attempts.add(attempt.attemptId));
    else attempts.delete(attempt.attemptId);
    if (attempts.size === 0) this.byAgent.delete(attempt.agentId);
    this.counts.emit(attempt.agentId);
  }

  private attempt(record: {key: string; value: AttemptLive; createRevision: number}): LiveAttempt {
    const {agentId, agentIncarnation} = record.value;
    return {
      attemptId: record.key.slice(this.keys.lives.length),
      agentId,
      agentIncarnation,
      revision: record.createRevision,
    };
  }
}
