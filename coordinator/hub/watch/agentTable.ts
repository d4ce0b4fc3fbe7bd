/** The agents of every tenant as the store has them: a row is a record and whether its live key is there. */
import {ALL_TENANTS_PREFIX, tenantKeys} from '../../protocol/model/keys.ts';
import type {KeyValue, Store} from '../../store/store.ts';
import {agentChange, type RowChange, type RowSource, type ViewKey} from './rowChange.ts';

interface AgentState {
  record: KeyValue | undefined;
  online: boolean;
}

export class AgentTable {
  private readonly tenants = new Map<string, Map<string, AgentState>>();

  /** Reads every tenant's agents at one revision. */
  async load(store: Store, atRevision: number): Promise<void> {
    this.tenants.clear();
    for await (const tenant of tenantsOf(store, atRevision)) {
      const keys = tenantKeys(tenant);
      const records = await store.range(keys.agents, {atRevision});
      for (const kv of records.kvs) this.state(tenant, kv.key.slice(keys.agents.length)).record = kv;
      const lives = await store.range(keys.agentLives, {atRevision});
      for (const kv of lives.kvs) this.state(tenant, kv.key.slice(keys.agentLives.length)).online = true;
    }
  }

  /** Applies an event of `agents/` or `agentLive/`; undefined when no row changed. */
  apply(at: ViewKey, kv: KeyValue | undefined): RowChange | undefined {
    const state = this.state(at.tenant, at.rest);
    const hadRow = state.record !== undefined;
    if (at.family === 'agents') state.record = kv;
    else if (state.online === (kv !== undefined)) return undefined;
    else state.online = kv !== undefined;
    if (!state.record && !state.online) this.tenants.get(at.tenant)?.delete(at.rest);
    return hadRow || state.record ? agentChange(at.tenant, at.rest, sourceOf(state)) : undefined;
  }

  private state(tenant: string, agentId: string): AgentState {
    let agents = this.tenants.get(tenant);
    if (!agents) {
      agents = new Map();
      this.tenants.set(tenant, agents);
    }
    let state = agents.get(agentId);
    if (!state) {
      state = {record: undefined, online: false};
      agents.set(agentId, state);
    }
    return state;
  }
}

function sourceOf(state: AgentState): RowSource | undefined {
  const {record, online} = state;
  return record && {key: record.key, value: record.value, version: record.version, online};
}

/** Skips from tenant to tenant, one key each, however many keys a tenant has. */
async function* tenantsOf(store: Store, atRevision: number): AsyncGenerator<string> {
  let after: string | undefined;
  for (;;) {
    const {kvs} = await store.range(ALL_TENANTS_PREFIX, {atRevision, limit: 1, ...(after && {after})});
    const key = kvs[0]?.key;
    if (key === undefined) return;
    const tenant = key.slice(ALL_TENANTS_PREFIX.length).split('/', 1)[0] ?? '';
    yield tenant;
    // The greatest code point: after every key of the tenant.
    after = `${ALL_TENANTS_PREFIX}${tenant}/\u{10ffff}`;
  }
}
