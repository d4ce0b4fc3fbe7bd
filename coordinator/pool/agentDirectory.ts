/** Every agent of a tenant as this coordinator knows it: records, live keys and paused accounts, fed by watches. */
import type {LiveAttempts, TenantRecordsOptions} from '../effects/liveAttempts.ts';
import {type WatchedRecord, WatchedRecords} from '../effects/watchedRecords.ts';
import {AccountRecord, AgentLive, AgentRecord} from '../protocol/model/agent.ts';
import {type TenantKeys, tenantKeys} from '../protocol/model/keys.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {KeyValue} from '../store/store.ts';

export interface KnownAgent {
  readonly id: string;
  readonly record: AgentRecord;
  /** Absent when the agent is silent or gone. */
  readonly live: AgentLive | undefined;
  /** Live attempts. */
  readonly running: number;
}

export class AgentDirectory implements Disposable {
  readonly records: WatchedRecords<typeof AgentRecord>;
  readonly lives: WatchedRecords<typeof AgentLive>;
  readonly accounts: WatchedRecords<typeof AccountRecord>;
  readonly attempts: LiveAttempts;
  private readonly keys: TenantKeys;
  private readonly owned = new DisposableStore();

  constructor({tenant, attempts, ...parts}: TenantRecordsOptions & {readonly attempts: LiveAttempts}) {
    this.attempts = attempts;
    this.keys = tenantKeys(tenant);
    const {agents, agentLives, accounts} = this.keys;
    this.records = this.owned.add(new WatchedRecords({...parts, schema: AgentRecord, prefix: agents}));
    this.lives = this.owned.add(new WatchedRecords({...parts, schema: AgentLive, prefix: agentLives}));
    this.accounts = this.owned.add(new WatchedRecords({...parts, schema: AccountRecord, prefix: accounts}));
  }

  async start(): Promise<void> {
    await Promise.all([this.records.start(), this.lives.start(), this.accounts.start()]);
  }

  record(agentId: string): WatchedRecord<AgentRecord> | undefined {
    return this.records.get(this.keys.agent(agentId));
  }

  live(agentId: string): WatchedRecord<AgentLive> | undefined {
    return this.lives.get(this.keys.agentLive(agentId));
  }

  /** Agents of every state. */
  *all(): Iterable<KnownAgent> {
    for (const {value} of this.records.all()) yield this.known(value);
  }

  get(agentId: string): KnownAgent | undefined {
    const record = this.record(agentId);
    return record && this.known(record.value);
  }

  /** The pause of an account that still lasts at `wallNow`. */
  pauseOf(account: string | undefined, wallNow: number): AccountRecord | undefined {
    const record = account === undefined ? undefined : this.accounts.get(this.keys.account(account))?.value;
    return record && record.pausedUntil > wallNow ? record : undefined;
  }

  /** Takes what this process just wrote or read. */
  take(written: {record?: KeyValue | undefined; live?: KeyValue | undefined}): void {
    if (written.record) this.records.take(written.record);
    if (written.live) this.lives.take(written.live);
  }

  dispose(): void {
    this.owned.dispose();
  }

  private known(record: AgentRecord): KnownAgent {
    const id = record.instance.id;
    return {id, record, live: this.live(id)?.value, running: this.attempts.runningOn(id)};
  }
}
