/** Rate limits of accounts and the pool as a whole, on a real store whose clock stands still until a test moves it. */
import assert from 'node:assert/strict';
import {LiveAttempts} from '../../coordinator/effects/liveAttempts.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AccountPauses} from '../../coordinator/pool/accountPauses.ts';
import {AgentDirectory} from '../../coordinator/pool/agentDirectory.ts';
import {AgentRegistry} from '../../coordinator/pool/agentRegistry.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {AccountRecord, AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {AuditLog} from '../../coordinator/security/audit.ts';
import {readRecord} from '../../coordinator/store/records.ts';
import {agentPrincipal, keys, registration, TENANT} from '../fixtures/attempts.ts';
import {eventually} from '../fixtures/eventually.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

const MINUTE_MS = 60_000;

describe('account pauses', () => {
  let clock: ManualClock;
  let test: TestStore;
  let owned: DisposableStore;
  let registry: AgentRegistry;
  let directory: AgentDirectory;
  let pauses: AccountPauses;

  beforeEach(async () => {
    clock = new ManualClock();
    test = await openTestStore({clock});
    owned = new DisposableStore();
    const {store} = test;
    const parts = {store, tenant: TENANT, clock, logger: silentLogger};
    const attempts = owned.add(new LiveAttempts(parts));
    directory = owned.add(new AgentDirectory({...parts, attempts}));
    const audit = new AuditLog({store, tenant: TENANT, writerId: 'c-1', clock, logger: silentLogger});
    const common = {store, tenant: TENANT, directory, audit, clock, logger: silentLogger};
    registry = new AgentRegistry({...common, coordinatorId: 'c-1', settings: {leaseSeconds: 3600}});
    pauses = new AccountPauses(common);
    await attempts.start();
    await directory.start();
    await registry.adopt();
    for (const [agentId, account] of [
      ['a-1', 'team'],
      ['a-2', 'team'],
      ['a-3', 'other'],
    ] as const)
      await registry.register(registration(agentId, `${agentId}-inc`, {account}), agentPrincipal(agentId));
  });
  afterEach(async () => {
    await registry.stop();
    owned.dispose();
    await test.remove();
  });

  const limited = (agentId: string, resetAt?: number, account = 'team') =>
    pauses.rateLimited({agentId, account, resetAt, message: 'limit reached'}, agentPrincipal(agentId));
  const account = async () => (await readRecord(test.store, AccountRecord, keys.account('team')))?.value;
  const pauseMs = async () => ((await account())?.pausedUntil ?? 0) - clock.wallNow();
  const states = async () =>
    Promise.all(
      ['a-1', 'a-2', 'a-3'].map(async id => {
        const record = (await readRecord(test.store, AgentRecord, keys.agent(id)))?.value;
        const {pausedUntil = '', pauseReason = '', pausedBy = ''} = record ?? {};
        return `${record?.instance.status} ${pausedUntil} ${pauseReason} ${pausedBy}`.trim();
      }),
    );

  it('pauses every agent of the account until its limit is reset, and no other', async () => {
    const resetAt = clock.wallNow() + 10 * MINUTE_MS;
    await limited('a-1', resetAt);
    const paused = `maintenance ${resetAt} limit reached account`;
    await eventually(async () => {
      clock.advance(100);
      assert.deepEqual(await states(), [paused, paused, 'idle']);
    });
    await registry.register(registration('a-2', 'a-2-again', {account: 'team'}), agentPrincipal('a-2'));
    assert.equal((await states())[1], paused);
    await eventually(async () => {
      clock.advance(1000);
      assert.deepEqual(await states(), ['idle', 'idle', 'idle']);
    });
    assert.ok(clock.wallNow() >= resetAt);
  });

  it('waits longer with each limit in a row that names no end', async () => {
    for (const minutes of [1, 2, 4, 8, 15, 15]) {
      await limited('a-1');
      assert.equal(await pauseMs(), minutes * MINUTE_MS);
      await limited('a-2');
      assert.equal(await pauseMs(), minutes * MINUTE_MS);
      clock.jumpWall(minutes * MINUTE_MS + 1);
    }
    clock.jumpWall(2 * 60 * MINUTE_MS);
    await limited('a-1');
    assert.equal(await pauseMs(), MINUTE_MS);
  });

  it('only ever lengthens a pause that lasts, and believes no end beyond a week', async () => {
    await limited('a-1', clock.wallNow() + 10 * MINUTE_MS);
    await limited('a-2', clock.wallNow() + 5 * MINUTE_MS);
    assert.equal(await pauseMs(), 10 * MINUTE_MS);
    await limited('a-2', clock.wallNow() + 365 * 24 * 60 * MINUTE_MS);
    assert.equal(await pauseMs(), 8 * 24 * 60 * MINUTE_MS);
  });

  it('takes reports from agents that spend from the account only', async () => {
    await assert.rejects(limited('a-3'), error => isProtocolError(error, 'forbidden'));
    assert.equal(await account(), undefined);
  });
});
