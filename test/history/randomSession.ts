/** Sessions whose rows change at random, as the coordinator writes them, and what the store itself says that they were at a revision. */
import {attemptId} from '../../coordinator/protocol/ids.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import type {Random} from '../../coordinator/runtime/random.ts';
import {putRecord} from '../../coordinator/store/records.ts';
import type {Op, Store} from '../../coordinator/store/store.ts';
import {keys} from '../fixtures/attempts.ts';

const written = {v: 1, principal: 'coordinator:c-1'};
const digest = (random: Random): string => random.hex(32);
const pick = <T>(random: Random, items: readonly T[]): T =>
  items[Math.floor(random.next() * items.length)] as T;

export function sessionRow(id: string, state: string, random: Random): Op {
  const counts = {total: 3, succeeded: 0, failed: 0, cancelled: 0, running: 1, waiting: 2};
  const record = {
    ...written,
    ...{id, name: `Session\t"${id}"`, state, plan: digest(random), createdAt: 1, keep: false},
    ...{rehearsal: false, strategy: 'round-robin', spentUsd: random.next(), counts, unknownField: {a: [1]}},
    ...(state === 'failed' && {endedAt: 2}),
  };
  return putRecord(keys.session(id), record);
}

export function taskRow(sessionId: string, id: string, state: string, random: Random): Op {
  const result = {commit: random.hex(20), summary: 'line\nline', value: {n: random.next()}};
  const bundle = {commit: result.commit, sha256: digest(random), bytes: 1, prerequisites: []};
  return putRecord(keys.task(sessionId, id), {
    ...written,
    ...{sessionId, id, state, attempts: 1, retries: 0, losses: 0, usage: NO_USAGE, origin: 'plan'},
    ...(state === 'succeeded' && {result: {...result, bundle}}),
  });
}

export function attemptRow(sessionId: string, taskId: string, number: number, state: string): Op {
  const id = attemptId(sessionId, taskId, number);
  return putRecord(keys.attempt(id), {
    ...written,
    ...{id, sessionId, taskId, number, agentId: 'a-1', agentIncarnation: 'a-1-x', coordinator: 'c-1'},
    ...{state, assignedAt: 3, usage: NO_USAGE, refused: 0},
  });
}

/** One operation on a row of the session. Two of one key never come with `used`. */
function operation(sessionId: string, random: Random): Op {
  const task = pick(random, ['build', 'test', 'ship']);
  const memoryKey = keys.memoryKey(sessionId, pick(random, ['api/style', 'zähler', 'a']));
  const attempt = attemptId(sessionId, task, 1);
  return pick<() => Op>(random, [
    () => sessionRow(sessionId, pick(random, ['running', 'paused', 'failed']), random),
    () => taskRow(sessionId, task, pick(random, ['ready', 'running', 'succeeded']), random),
    () => attemptRow(sessionId, task, 1 + Math.floor(random.next() * 2), pick(random, ['running', 'ended'])),
    () =>
      putRecord(keys.ref(sessionId, 'wip/a'), {
        ...{...written, name: 'wip/a', commit: random.hex(20), attemptId: attempt, at: 4},
      }),
    () =>
      putRecord(keys.refusal(attempt, '0001'), {
        ...{...written, attemptId: attempt, effect: 'memory', detail: 'late', at: 5},
        fence: {store: 's', attempt, revision: 1},
      }),
    () =>
      putRecord(keys.approval(sessionId, 'p-1'), {
        ...{...written, id: 'p-1', sessionId, taskId: task, askedAt: 6},
        request: {kind: 'permission', tool: 'Bash', input: {command: 'ls'}},
        state: random.next() < 0.5 ? {kind: 'waiting'} : {kind: 'withdrawn', at: 7},
      }),
    () =>
      putRecord(memoryKey, {
        ...{...written, value: {n: [random.next()]}, timestamp: 8, checksum: digest(random)},
      }),
    () => ({kind: 'delete', key: memoryKey}),
  ])();
}

/** One transaction that changes some rows of some sessions; returns its revision. */
export async function changeSomething(
  store: Store,
  sessionIds: readonly string[],
  random: Random,
): Promise<number> {
  const ops = new Map<string, Op>();
  for (let left = 1 + Math.floor(random.next() * 4); left > 0; left--) {
    const op = operation(pick(random, sessionIds), random);
    if (op.kind === 'put' || op.kind === 'delete') ops.set(op.key, op);
  }
  return (await store.txn({then: [...ops.values()]})).revision;
}

const FAMILIES = ['sessions', 'tasks', 'attempts', 'refs', 'refusals', 'approvals', 'memory'] as const;
const KINDS = ['session', 'task', 'attempt', 'ref', 'refusal', 'approval', 'memory'] as const;

/** The session's rows as the store's own history has them: `kind/id` -> the record, with the version of a memory key. */
export async function storedState(
  store: Store,
  sessionId: string,
  atRevision: number,
): Promise<Map<string, unknown>> {
  const rows = new Map<string, unknown>();
  for (const [index, family] of FAMILIES.entries()) {
    const prefix = `${keys.base}${family}/${sessionId}${family === 'sessions' ? '' : '/'}`;
    const {kvs} = await store.range(prefix, {atRevision});
    for (const kv of kvs) {
      const rest = kv.key.slice(prefix.length);
      const record = JSON.parse(kv.value);
      const kind = KINDS[index];
      const ids: Partial<Record<string, string>> = {
        session: sessionId,
        attempt: record.id,
        approval: `${sessionId}/${rest}`,
      };
      const version = kind === 'memory' ? {version: kv.version} : {};
      rows.set(`${kind}/${ids[kind ?? ''] ?? rest}`, {record, ...version});
    }
  }
  return rows;
}
