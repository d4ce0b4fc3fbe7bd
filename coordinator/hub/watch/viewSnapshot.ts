/** All rows of a view at one revision, read from the store. */
import type {ViewSelector} from '../../protocol/commands/watch.ts';
import {type TenantKeys, tenantKeys} from '../../protocol/model/keys.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {KeyValue, ReadConsistency, Store} from '../../store/store.ts';
import {agentChange, parseViewKey, plainChange, type RowChange} from './rowChange.ts';

export interface ViewSnapshot {
  readonly revision: number;
  readonly rows: readonly RowChange[];
}

/** Compaction may overtake a snapshot of several reads; then it starts anew. */
const TRIES = 3;

/**
 * Linearizable where a majority answers, else what this node has, at least at `notBefore`: a client never goes back in time. Rejects as the
 * store does.
 */
export async function viewSnapshot(
  store: Store,
  tenant: string,
  selector: ViewSelector,
  notBefore: number,
): Promise<ViewSnapshot> {
  for (let tries = 1; ; tries++) {
    try {
      return await readView(store, tenant, selector, 'strong');
    } catch (error) {
      if (isCoordinatorError(error, 'notFound') && tries < TRIES) continue;
      if (!isCoordinatorError(error, 'unavailable')) throw error;
      const local = await readView(store, tenant, selector, 'local');
      if (local.revision < notBefore) throw error;
      return local;
    }
  }
}

async function readView(
  store: Store,
  tenant: string,
  selector: ViewSelector,
  consistency: ReadConsistency,
): Promise<ViewSnapshot> {
  const keys = tenantKeys(tenant);
  const [first = keys.sessions, ...others] = prefixes(keys, selector);
  const {kvs, revision} = await store.range(first, {consistency});
  const found = [...kvs];
  for (const prefix of others)
    found.push(...(await store.range(prefix, {atRevision: revision, consistency})).kvs);
  if (selector.view === 'agents') return {revision, rows: agentRows(tenant, keys, found)};
  if (selector.view === 'session') {
    const session = await store.get(keys.session(selector.sessionId), {atRevision: revision, consistency});
    if (session) found.unshift(session);
  }
  return {revision, rows: found.flatMap(kv => plainRow(kv))};
}

function prefixes(keys: TenantKeys, selector: ViewSelector): string[] {
  switch (selector.view) {
    case 'agents':
      return [keys.agents, keys.agentLives];
    case 'sessions':
      return [keys.sessions];
    case 'session': {
      const {sessionId} = selector;
      return [
        keys.tasks(sessionId),
        keys.attempts(sessionId),
        keys.refs(sessionId),
        keys.refusals(sessionId),
        keys.approvals(sessionId),
      ];
    }
    case 'approvals':
      return [selector.sessionId === undefined ? keys.allApprovals : keys.approvals(selector.sessionId)];
    case 'memory':
      return [keys.memory(selector.sessionId), keys.memoryConflicts(selector.sessionId)];
    case 'conflicts':
      return [keys.allMemoryConflicts];
    case 'servers':
      return [keys.servers];
  }
}

function agentRows(tenant: string, keys: TenantKeys, found: readonly KeyValue[]): RowChange[] {
  const lives = found.filter(kv => kv.key.startsWith(keys.agentLives));
  const online = new Set(lives.map(kv => kv.key.slice(keys.agentLives.length)));
  return found
    .filter(kv => kv.key.startsWith(keys.agents))
    .map(kv => {
      const agentId = kv.key.slice(keys.agents.length);
      return agentChange(tenant, agentId, {...sourceOf(kv), online: online.has(agentId)});
    });
}

function plainRow(kv: KeyValue): RowChange[] {
  const at = parseViewKey(kv.key);
  const row = at && plainChange(at, sourceOf(kv));
  return row?.source ? [row] : [];
}

function sourceOf(kv: KeyValue): {key: string; value: string; version: number} {
  return {key: kv.key, value: kv.value, version: kv.version};
}
