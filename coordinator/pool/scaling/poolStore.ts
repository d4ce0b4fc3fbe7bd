/** The records of the pool in the store: members, what a person wants, what was decided last. Whatever the lead writes compares its fence. */

import {ProtocolError} from '../../protocol/errors.ts';
import {type TenantKeys, tenantKeys} from '../../protocol/model/keys.ts';
import {PoolDecision, PoolMember, PoolTarget} from '../../protocol/model/pool.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {AuditLog} from '../../security/audit.ts';
import type {Principal} from '../../security/principal.ts';
import {absent, putRecord, readRecord, readRecords, type Stored, unchanged} from '../../store/records.ts';
import type {Compare, Store} from '../../store/store.ts';

export interface PoolStoreOptions {
  readonly store: Store;
  readonly tenant: string;
  readonly coordinatorId: string;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

export class PoolStore {
  readonly keys: TenantKeys;

  constructor(private readonly options: PoolStoreOptions) {
    this.keys = tenantKeys(options.tenant);
  }

  async members(): Promise<Stored<PoolMember>[]> {
    return (await readRecords(this.options.store, PoolMember, this.keys.poolMembers)).records;
  }

  target(): Promise<Stored<PoolTarget> | undefined> {
    return readRecord(this.options.store, PoolTarget, this.keys.poolTarget);
  }

  decision(): Promise<Stored<PoolDecision> | undefined> {
    return readRecord(this.options.store, PoolDecision, this.keys.poolDecision);
  }

  /** A person wants so many; undefined: as many as the work demands. Errors: `overloaded`. */
  async setTarget(size: number | undefined, principal: Principal): Promise<void> {
    for (let tries = 8; tries > 0; tries--) {
      const before = await this.target();
      const {succeeded} = await this.options.audit.auditedTxn(
        {
          compare: [before ? unchanged(before) : absent(this.keys.poolTarget)],
          then: [putRecord(this.keys.poolTarget, {v: RECORD_VERSION, principal: principal.id, size})],
        },
        {action: 'pool.scale', subject: 'pool', detail: {size: size ?? 'auto'}, principal, refusals: false},
      );
      if (succeeded) return;
    }
    throw new ProtocolError('overloaded', 'several people scale the pool at once');
  }

  /** False: somebody else leads, or has changed it. */
  async put(
    member: Omit<PoolMember, 'v' | 'principal'>,
    before: Stored<PoolMember> | undefined,
    fence: Compare,
  ): Promise<boolean> {
    const key = this.keys.poolMember(String(member.agentId));
    const value = {...before?.value, ...member, v: RECORD_VERSION, principal: this.principal};
    const {succeeded} = await this.options.store.txn({
      compare: [fence, before ? unchanged(before) : absent(key)],
      then: [putRecord(key, value)],
    });
    return succeeded;
  }

  async forget(member: Stored<PoolMember>, fence: Compare): Promise<boolean> {
    const {succeeded} = await this.options.store.txn({
      compare: [fence, unchanged(member)],
      then: [{kind: 'delete', key: member.key}],
    });
    return succeeded;
  }

  async decided(decision: Omit<PoolDecision, 'v' | 'principal' | 'at'>, fence: Compare): Promise<void> {
    const value = {
      ...decision,
      v: RECORD_VERSION,
      principal: this.principal,
      at: this.options.clock.wallNow(),
    };
    await this.options.store.txn({compare: [fence], then: [putRecord(this.keys.poolDecision, value)]});
  }

  get principal(): string {
    return `coordinator:${this.options.coordinatorId}`;
  }
}
