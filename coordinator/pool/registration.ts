/**
 * The transactions by which an agent's process takes its id and gives it up: live key, lease and record change together. Whether its
 * attempts stand is the fences' business, what becomes of them the lead's.
 */

import {boundedPut} from '../effects/recordSize.ts';
import type {AgentRegister} from '../protocol/commands/agent.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {AgentLive, AgentRecord, MAX_FINISHED} from '../protocol/model/agent.ts';
import type {TenantKeys} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import type {Clock} from '../runtime/clock.ts';
import type {AuditLog} from '../security/audit.ts';
import type {Principal} from '../security/principal.ts';
import {absent, found, type Stored, storedRecord, unchanged} from '../store/records.ts';
import type {KeyValue, Store, Txn} from '../store/store.ts';
import {agentTransition} from './agentTransitions.ts';
import {quarantineAt} from './quarantine.ts';

export interface Registered {
  readonly live: KeyValue;
  readonly record: KeyValue;
  readonly lease: string;
  /** Set when a process with another incarnation lost the id by this. */
  readonly replaced?: string | undefined;
}

export interface RegistrationOptions {
  readonly store: Store;
  readonly keys: TenantKeys;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly coordinatorId: string;
  readonly leaseSeconds: number;
  readonly maxTries: number;
  /** Attempts that ended here and whose completions are on their way. */
  readonly finished: readonly string[];
}

/** Incarnations that lost the id to the present one, newest last: they do not take it back while it lives. */
const MAX_REMEMBERED = 16;

interface Present {
  readonly live: (Stored<AgentLive> & {lease: string | undefined}) | undefined;
  readonly record: Stored<AgentRecord> | undefined;
}

/**
 * Gives the id to this process. The same incarnation keeps its lease and live key, so that a reconnect is no loss; another incarnation
 * replaces the present one. Errors: `conflict` for a process that was replaced by one that still lives, `overloaded`.
 */
export async function registerAgent(
  options: RegistrationOptions,
  params: AgentRegister,
  principal: Principal,
): Promise<Registered> {
  for (let tries = options.maxTries; tries > 0; tries--) {
    const present = await readPresent(options, params.instance.id);
    const {live} = present;
    const same = live?.value.incarnation === params.incarnation;
    if (live && !same && replacedBy(live.value).includes(params.incarnation))
      throw new ProtocolError(
        'conflict',
        `agent ${params.instance.id} runs as another process that started later`,
        {incarnation: live.value.incarnation},
      );
    const kept = same && live.lease !== undefined && (await options.store.keepAlive(live.lease));
    // Its lease ended just now and the live key with it: the next look finds none.
    if (same && !kept && live.lease !== undefined) continue;
    const lease =
      kept && live?.lease ? live.lease : (await options.store.grantLease(options.leaseSeconds)).id;
    const registered = await commit(options, params, principal, present, lease);
    if (registered) {
      if (live?.lease !== undefined && live.lease !== lease) await options.store.revokeLease(live.lease);
      return {...registered, replaced: same ? undefined : live?.value.incarnation};
    }
    if (!kept) await options.store.revokeLease(lease);
  }
  throw new ProtocolError(
    'overloaded',
    `agent ${params.instance.id} is registered from several places at once`,
  );
}

async function readPresent({store, keys}: RegistrationOptions, agentId: string): Promise<Present> {
  const {responses} = await store.txn({
    then: [
      {kind: 'get', key: keys.agentLive(agentId)},
      {kind: 'get', key: keys.agent(agentId)},
    ],
  });
  const live = found(responses[0]);
  const record = found(responses[1]);
  return {
    live: live && {...storedRecord(AgentLive, live), lease: live.lease},
    record: record && storedRecord(AgentRecord, record),
  };
}

async function commit(
  options: RegistrationOptions,
  params: AgentRegister,
  principal: Principal,
  {live, record}: Present,
  lease: string,
): Promise<{live: KeyValue; record: KeyValue; lease: string} | undefined> {
  const {store, keys, audit, coordinatorId, finished} = options;
  const agentId = params.instance.id;
  const liveKey = keys.agentLive(agentId);
  const recordKey = keys.agent(agentId);
  const replaced = live && live.value.incarnation !== params.incarnation ? [live.value.incarnation] : [];
  const liveValue: AgentLive = {
    v: RECORD_VERSION,
    principal: principal.id,
    incarnation: params.incarnation,
    coordinator: coordinatorId,
    replaced: [...(live ? replacedBy(live.value) : []), ...replaced].slice(-MAX_REMEMBERED),
    finished: finished.length > 0 ? finished.slice(0, MAX_FINISHED) : undefined,
  };
  const txn: Txn = {
    compare: [live ? unchanged(live) : absent(liveKey), record ? unchanged(record) : absent(recordKey)],
    then: [
      {kind: 'put', key: liveKey, value: JSON.stringify(liveValue), lease},
      boundedPut(recordKey, agentRecord(options, params, principal, record?.value)),
      {kind: 'get', key: liveKey},
      {kind: 'get', key: recordKey},
    ],
  };
  // A process that comes back is no news; one that joins is.
  const result =
    record?.value.incarnation === params.incarnation
      ? await store.txn(txn)
      : await audit.auditedTxn(txn, {
          action: 'agent.join',
          subject: `agent ${agentId}`,
          detail: {incarnation: params.incarnation, replaced: replaced[0] ?? null},
          principal,
          refusals: false,
        });
  if (!result.succeeded) return undefined;
  // An answer that was lost left no responses.
  const newLive = found(result.responses[2]) ?? (await store.get(liveKey));
  const newRecord = found(result.responses[3]) ?? (await store.get(recordKey));
  return newLive && newRecord && {live: newLive, record: newRecord, lease};
}

function agentRecord(
  {clock, coordinatorId}: RegistrationOptions,
  params: AgentRegister,
  principal: Principal,
  before: AgentRecord | undefined,
): AgentRecord {
  const now = clock.wallNow();
  const same = before?.incarnation === params.incarnation ? before : undefined;
  const draining = same?.draining ?? false;
  const paused = (before?.pausedUntil ?? 0) > now;
  const held = draining || paused || quarantineAt(before?.quarantine, now)?.kind === 'quarantined';
  const status = held ? ('maintenance' as const) : ('idle' as const);
  const moved = before && agentTransition(before.instance.status, status);
  return {
    ...before,
    v: RECORD_VERSION,
    principal: principal.id,
    instance: {
      ...params.instance,
      status,
      healthcheck: {...(same ?? params).instance.healthcheck, lastSeen: now},
    },
    incarnation: params.incarnation,
    mode: params.mode,
    coordinator: coordinatorId,
    registeredAt: same?.registeredAt ?? now,
    draining,
    departed: undefined,
    trouble: undefined,
    stateSince: moved || !before ? now : before.stateSince,
    transition: moved ?? before?.transition ?? 'join',
    pausedUntil: paused ? before?.pausedUntil : undefined,
    pauseReason: paused ? before?.pauseReason : undefined,
    pausedBy: paused ? before?.pausedBy : undefined,
  };
}

function replacedBy(live: AgentLive): string[] {
  return live.replaced ?? [];
}
