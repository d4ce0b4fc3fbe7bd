import assert from 'node:assert/strict';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AuditRecord} from '../../coordinator/protocol/model/facts.ts';
import {SYSTEM_KEYS, tenantKeys} from '../../coordinator/protocol/model/keys.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {AuditLog} from '../../coordinator/security/audit.ts';
import type {Principal} from '../../coordinator/security/principal.ts';
import {TokenRegistry, withFixedTokens} from '../../coordinator/security/tokenRegistry.ts';
import {absent, exists, readRecords} from '../../coordinator/store/records.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

const admin: Principal = {id: 'coordinator:admin', tenant: 'default', role: 'coordinator'};

describe('tokens', () => {
  let test: TestStore;
  let clock: ManualClock;
  let registry: TokenRegistry;

  beforeEach(async () => {
    test = await openTestStore();
    clock = new ManualClock();
    const writer = {tenant: 'default', writerId: 'c-1', clock, logger: silentLogger};
    const audit = new AuditLog({store: test.store, ...writer});
    registry = new TokenRegistry(test.store, {clock, random: systemRandom, logger: silentLogger, audit});
  });
  afterEach(() => test.remove());

  const create = (role: 'agent' | 'client' = 'agent', tenant = 'default') =>
    registry.create({tenant, role, ttlSeconds: 60, label: 'laptop', principal: admin});

  it('stands for its role and tenant until it expires', async () => {
    const {token, id, expiresAt} = await create('agent', 'team.a');
    assert.equal(expiresAt, clock.wallNow() + 60_000);
    assert.deepEqual(await registry.verify(token), {id: `agent:${id}`, tenant: 'team.a', role: 'agent'});
    clock.advance(60_000);
    assert.equal(await registry.verify(token), undefined);
    assert.equal(await registry.removeExpired('team.a', exists(SYSTEM_KEYS.lead)), 0, 'the lead is lost');
    assert.equal((await registry.list('team.a')).length, 1);
    assert.equal(await registry.removeExpired('team.a', absent(SYSTEM_KEYS.lead)), 1);
    assert.deepEqual(await registry.list('team.a'), []);
  });

  it('is made and revoked in the sight of the audit log', async () => {
    const {id} = await create();
    await registry.revoke('default', id, admin);
    const {records} = await readRecords(test.store, AuditRecord, tenantKeys('default').audit);
    assert.deepEqual(
      records
        .map(({value}) => `${value.action} ${value.subject} by ${value.principal}`)
        .filter(text => text.startsWith('token.')),
      [`token.create token ${id} by ${admin.id}`, `token.revoke token ${id} by ${admin.id}`],
    );
    assert.doesNotMatch(JSON.stringify(records), /mcpx\.default\./);
  });

  it('is kept as a hash only', async () => {
    const {token, id} = await create();
    const stored = await test.store.get(tenantKeys('default').token(id));
    const secret = token.split('.').at(-1) ?? '';
    assert.equal(secret.length, 43);
    assert.ok(stored && !stored.value.includes(secret));
  });

  it('is refused with another secret, id or tenant, or in another shape', async () => {
    const {token, id} = await create();
    const [, , , secret = ''] = token.split('.');
    const other = secret.startsWith('A') ? `B${secret.slice(1)}` : `A${secret.slice(1)}`;
    for (const wrong of [
      `mcpx.default.${id}.${other}`,
      `mcpx.default.${'0'.repeat(16)}.${secret}`,
      `mcpx.elsewhere.${id}.${secret}`,
      `${token}x`,
      secret,
      '',
    ])
      assert.equal(await registry.verify(wrong), undefined, wrong);
  });

  it('ends at once when it is revoked, and says so to whoever holds its connections', async () => {
    const {token, id} = await create('client');
    const revoked = deferred<string>();
    const listening = registry.onRevoked('default', revoked.resolve);
    assert.equal(await registry.revoke('default', id, admin), true);
    assert.equal(await revoked.promise, `client:${id}`);
    listening.dispose();
    assert.equal(await registry.verify(token), undefined);
    assert.equal(await registry.revoke('default', id, admin), false);
  });

  it('may be fixed by the coordinator itself beside those in the store', async () => {
    const {token, id} = await create();
    const verify = withFixedTokens(new Map([['local-secret', admin]]), given => registry.verify(given));
    assert.equal((await verify('local-secret'))?.id, admin.id);
    assert.equal((await verify(token))?.id, `agent:${id}`);
    assert.equal(await verify('local-secreT'), undefined);
  });
});
