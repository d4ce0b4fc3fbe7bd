/** Ends sessions that could not be loaded: their records say so, and what still runs for them loses its rights. */
import {tenantKeys} from '../../protocol/model/keys.ts';
import {FINAL_SESSION_STATES, SessionRecord} from '../../protocol/model/session.ts';
import type {Principal} from '../../security/principal.ts';
import {putRecord, readRecord, unchanged} from '../../store/records.ts';
import type {Op} from '../../store/store.ts';
import {leadLost} from '../steps/committer.ts';
import type {Term} from '../term/term.ts';
import {commitAudited} from './sessions.ts';

const STEP = 100;

/** Nothing but the session's record is written anew: the others may be what cannot be read. Errors: those of the store and its records. */
export async function endUnloadable(
  term: Term,
  sessionId: string,
  principal: Principal,
  reason: string | undefined,
): Promise<SessionRecord> {
  const {store, fleet, clock} = term;
  const {tenant} = principal;
  const name = `${tenant}/${sessionId}`;
  const keys = tenantKeys(tenant);
  const stored = await readRecord(store, SessionRecord, keys.session(sessionId));
  if (!stored || FINAL_SESSION_STATES.has(stored.value.state)) {
    fleet.unloadable.delete(name);
    if (stored) return stored.value;
    throw leadLost();
  }
  const why = fleet.unloadable.get(name) ?? 'it could not be loaded';
  await fenceOff(term, tenant, sessionId);
  const record: SessionRecord = {
    ...stored.value,
    principal: term.principal,
    state: 'failed',
    failure: `${reason ?? 'ended by a person'}; it could not be loaded: ${why}`.slice(0, 8192),
    endedAt: clock.wallNow(),
    endingAs: undefined,
    endMode: undefined,
    pauseReason: undefined,
  };
  const revision = await commitAudited(term, [unchanged(stored)], [putRecord(stored.key, record)], {
    tenant,
    principal: principal.id,
    action: 'session.endUnloadable',
    subject: `session ${sessionId}`,
    detail: {why: why.slice(0, 1024)},
  });
  if (revision === undefined) throw leadLost();
  fleet.unloadable.delete(name);
  return record;
}

/** Every attempt of the session loses its live key, and so every right to an effect. */
async function fenceOff({store, committer}: Term, tenant: string, sessionId: string): Promise<void> {
  const keys = tenantKeys(tenant);
  // An attempt's id is its session's, its task's and a number, joined by dots.
  const prefix = `${keys.lives}${sessionId}.`;
  for (;;) {
    const {kvs, more} = await store.range(prefix, {limit: STEP});
    const ops = kvs.map(({key}): Op => ({kind: 'delete', key}));
    if (ops.length > 0) await committer.run([], ops);
    if (!more) return;
  }
}
