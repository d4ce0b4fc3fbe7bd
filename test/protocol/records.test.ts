/** Stored records and their keys: the tenant in every key, numbers that sort, fields of newer builds that survive. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type * as z from 'zod';
import {attemptId, parseAttemptId} from '../../coordinator/protocol/ids.ts';
import {AccountRecord, AgentLive, AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import {AttemptLive, AttemptRecord, RefusalRecord} from '../../coordinator/protocol/model/attempt.ts';
import {
  ApprovalRecord,
  AuditRecord,
  ClusterSecretRecord,
  CoordinatorRecord,
  FixedTokensRecord,
  LeadRecord,
  MemoryKey,
  MemoryRecord,
  RefRecord,
  SpendRecord,
  TranscriptSegment,
} from '../../coordinator/protocol/model/facts.ts';
import {ALL_TENANTS_PREFIX, SYSTEM_KEYS, tenantKeys} from '../../coordinator/protocol/model/keys.ts';
import {parseRecord, RecordError} from '../../coordinator/protocol/model/record.ts';
import {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';

const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);

/** Every key and prefix of a tenant, by name of its builder. */
function allKeys(tenant: string): [name: string, key: string][] {
  const attempt = attemptId('s-1', 'build', 3);
  const samples: Readonly<Record<string, readonly (string | number)[]>> = {
    attempt: [attempt],
    live: [attempt],
    transcripts: [attempt],
    transcriptSegment: [attempt, 7],
    refusal: [attempt, 'r-1'],
    auditRecord: ['c-1', 9],
  };
  return Object.entries(tenantKeys(tenant)).map(([name, builder]) => [
    name,
    typeof builder === 'string'
      ? builder
      : (builder as (...args: readonly (string | number)[]) => string)(...(samples[name] ?? ['x-1', 'y-1'])),
  ]);
}

describe('keys', () => {
  it('begin with their tenant, every one', () => {
    const keys = allKeys('acme');
    assert.ok(keys.length > 25);
    for (const [name, key] of keys)
      assert.ok(key.startsWith(`${ALL_TENANTS_PREFIX}acme/`), `${name}: ${key}`);
  });

  it('of one tenant are never below those of another', () => {
    for (const [name, key] of allKeys('acme'))
      for (const other of ['acm', 'acme2', 'a', 'default'])
        assert.ok(!key.startsWith(tenantKeys(other).base), `${name}: ${key}`);
  });

  it('of the installation are outside all tenants', () => {
    for (const key of Object.values(SYSTEM_KEYS)) assert.ok(!key.startsWith(ALL_TENANTS_PREFIX), key);
  });

  it('of prefixes end with a slash, and no prefix holds records of another kind', () => {
    const prefixes = allKeys('t').filter(([, key]) => key.endsWith('/') && key !== tenantKeys('t').base);
    assert.ok(prefixes.length > 8);
    const records = allKeys('t').filter(([, key]) => !key.endsWith('/'));
    for (const [name, prefix] of prefixes) {
      const kinds = new Set(
        records.filter(([, key]) => key.startsWith(prefix)).map(([, key]) => key.split('/')[2]),
      );
      assert.ok(kinds.size <= 1, name);
    }
  });

  it('of attempts, segments and audit records sort by number', () => {
    const keys = tenantKeys('t');
    fc.assert(
      fc.property(fc.integer({min: 1, max: 9999}), fc.integer({min: 1, max: 9999}), (a, b) => {
        const order = Math.sign(a - b);
        const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
        assert.equal(
          compare(keys.attempt(attemptId('s', 'x', a)), keys.attempt(attemptId('s', 'x', b))),
          order,
        );
        assert.equal(compare(keys.transcriptSegment('s.x.1', a), keys.transcriptSegment('s.x.1', b)), order);
        assert.equal(compare(keys.auditRecord('c', a), keys.auditRecord('c', b)), order);
      }),
    );
  });

  it('of different attempts differ', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(id, id, fc.integer({min: 1, max: 9999})), {selector: String, maxLength: 20}),
        parts => {
          const keys = parts.map(([session, task, number]) =>
            tenantKeys('t').attempt(attemptId(session, task, number)),
          );
          assert.equal(new Set(keys).size, parts.length);
        },
      ),
    );
  });

  it('are not made of what is no attempt id', () => {
    for (const text of ['', 'a', 'a.b', 'a.b.c', 'a.b.1.2', '.b.1', 'a..1', 'a.b.-1'])
      assert.throws(() => tenantKeys('t').attempt(text), TypeError, text);
  });
});

describe('attempt ids', () => {
  it('name session, task and number', () => {
    fc.assert(
      fc.property(id, id, fc.nat(), (sessionId, taskId, number) => {
        assert.deepEqual(parseAttemptId(attemptId(sessionId, taskId, number)), {sessionId, taskId, number});
      }),
    );
  });
});

describe('keys of shared memory', () => {
  for (const key of ['a', 'a/b', 'ä-ö', '../x', 'a'.repeat(256)])
    it(`may be ${key.slice(0, 12)}`, () => assert.ok(MemoryKey.safeParse(key).success));
  for (const key of ['', '/a', 'a b', ' a', 'a\n', 'a'.repeat(257)])
    it(`may not be ${JSON.stringify(key.slice(0, 12))}`, () => assert.ok(!MemoryKey.safeParse(key).success));
});

const common = {v: 1, principal: 'coordinator:c-1'};
const commit = 'a'.repeat(40);
const sha256 = 'b'.repeat(64);
const counts = {total: 0, succeeded: 0, failed: 0, cancelled: 0, running: 0, waiting: 0};
const instance = {
  id: 'a-1',
  endpoint: '/agents/a-1',
  capabilities: [],
  status: 'idle',
  metadata: {region: '', version: '1', maxConcurrentTasks: 1, specializations: [], performanceMetrics: {}},
  healthcheck: {lastSeen: 0, responseTime: 0, errorRate: 0},
};
const attempt = 's-1.build.1';
const records: readonly (readonly [name: string, schema: z.ZodType, record: object])[] = [
  ['AgentRecord', AgentRecord, {instance, incarnation: 'x', mode: 'internal', registeredAt: 0}],
  ['AgentLive', AgentLive, {incarnation: 'x', coordinator: 'c-1'}],
  ['AccountRecord', AccountRecord, {account: 'x', pausedUntil: 1, reason: 'limit'}],
  [
    'SessionRecord',
    SessionRecord,
    {id: 's-1', name: 'x', state: 'running', plan: sha256, createdAt: 0, strategy: 'x', spentUsd: 0, counts},
  ],
  [
    'TaskRecord',
    TaskRecord,
    {sessionId: 's-1', id: 'build', state: 'ready', attempts: 0, retries: 0, losses: 0, usage: NO_USAGE},
  ],
  [
    'AttemptRecord',
    AttemptRecord,
    {
      id: attempt,
      sessionId: 's-1',
      taskId: 'build',
      number: 1,
      agentId: 'a-1',
      agentIncarnation: 'x',
      coordinator: 'c',
      state: 'assigned',
      assignedAt: 0,
      usage: NO_USAGE,
    },
  ],
  ['AttemptLive', AttemptLive, {agentId: 'a-1', agentIncarnation: 'x'}],
  [
    'RefusalRecord',
    RefusalRecord,
    {attemptId: attempt, effect: 'memory', detail: 'x', fence: {store: 's', attempt, revision: 1}, at: 0},
  ],
  ['RefRecord', RefRecord, {name: 'x', commit, attemptId: attempt, at: 0}],
  ['MemoryRecord', MemoryRecord, {value: {a: [1, null]}, timestamp: 0, checksum: sha256}],
  [
    'ApprovalRecord',
    ApprovalRecord,
    {
      id: 'ap',
      sessionId: 's-1',
      taskId: 'build',
      request: {kind: 'decision', subject: 'losses', message: 'x'},
      state: {kind: 'waiting'},
      askedAt: 0,
    },
  ],
  ['TranscriptSegment', TranscriptSegment, {artifact: sha256, bytes: 1, firstSeq: 1, lastSeq: 2}],
  ['SpendRecord', SpendRecord, {day: '2026-01-01', spentUsd: 1}],
  ['AuditRecord', AuditRecord, {sequence: 1, at: 0, action: 'x', subject: 'y', previous: '', hash: sha256}],
  ['LeadRecord', LeadRecord, {coordinator: 'c-1', since: 0}],
  ['CoordinatorRecord', CoordinatorRecord, {id: 'c-1', url: 'ws://127.0.0.1:1', version: '1', since: 0}],
  ['FixedTokensRecord', FixedTokensRecord, {client: 'a'.repeat(64), agent: 'b'.repeat(64)}],
  ['ClusterSecretRecord', ClusterSecretRecord, {secret: 'a'.repeat(64)}],
];

describe('records', () => {
  for (const [name, schema, fields] of records) {
    const record = {...common, ...fields};

    it(`${name} keeps what a newer build wrote when it is rewritten`, () => {
      const newer = {...record, v: 9, addedLater: {deep: [1, 'two']}};
      const rewritten: unknown = JSON.parse(JSON.stringify(parseRecord(schema, 'k', JSON.stringify(newer))));
      assert.deepEqual(pick(rewritten, Object.keys(newer)), JSON.parse(JSON.stringify(newer)), name);
    });

    it(`${name} has a format version and a principal`, () => {
      for (const field of ['v', 'principal']) {
        const without = Object.fromEntries(Object.entries(record).filter(([key]) => key !== field));
        assert.throws(() => parseRecord(schema, 'k', JSON.stringify(without)), RecordError, field);
      }
    });
  }

  it('that are damaged name their key', () => {
    for (const text of ['', '{', 'null', '[]', '"x"', '{}', '{"v":0}'])
      assert.throws(
        () => parseRecord(SessionRecord, 't/default/sessions/s-1', text),
        error =>
          error instanceof RecordError &&
          error.key === 't/default/sessions/s-1' &&
          error.message.includes(error.key),
      );
  });
});

/** Top-level defaults may be added by reading; the rest is as it was. */
function pick(value: unknown, keys: readonly string[]): unknown {
  assert.ok(value !== null && typeof value === 'object');
  const fields = Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)));
  if ('instance' in fields) fields['instance'] = instance;
  return fields;
}
