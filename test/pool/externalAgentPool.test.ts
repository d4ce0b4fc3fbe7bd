/** The pool as one object, over a real store: who is found for what, and who is best. */
import assert from 'node:assert/strict';
import {LiveAttempts} from '../../coordinator/effects/liveAttempts.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AgentDirectory} from '../../coordinator/pool/agentDirectory.ts';
import {emptyHistory} from '../../coordinator/pool/agentHistory.ts';
import {AgentRegistry} from '../../coordinator/pool/agentRegistry.ts';
import {ExternalAgentPool} from '../../coordinator/pool/externalAgentPool.ts';
import type {ProficiencyLevel} from '../../coordinator/protocol/capability.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {AuditLog} from '../../coordinator/security/audit.ts';
import {putRecord} from '../../coordinator/store/records.ts';
import {agentPrincipal, client, keys, placeAttempt, registration, TENANT} from '../fixtures/attempts.ts';
import {eventually} from '../fixtures/eventually.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

describe('the pool of instances', () => {
  let test: TestStore;
  let owned: DisposableStore;
  let registry: AgentRegistry;
  let pool: ExternalAgentPool;
  let wanted: (number | undefined)[];

  beforeEach(async () => {
    test = await openTestStore();
    owned = new DisposableStore();
    wanted = [];
    const parts = {store: test.store, tenant: TENANT, clock: systemClock, logger: silentLogger};
    const attempts = owned.add(new LiveAttempts(parts));
    const directory = owned.add(new AgentDirectory({...parts, attempts}));
    const audit = new AuditLog({...parts, writerId: 'c-1'});
    const settings = {leaseSeconds: 600, statusIntervalMs: 1};
    registry = owned.add(new AgentRegistry({...parts, coordinatorId: 'c-1', directory, audit, settings}));
    await Promise.all([attempts.start(), directory.start()]);
    await registry.adopt();
    pool = new ExternalAgentPool({
      registry,
      directory,
      store: test.store,
      tenant: TENANT,
      scale: target => {
        wanted.push(target);
        return Promise.resolve();
      },
    });
  });
  afterEach(async () => {
    await registry.stop();
    owned.dispose();
    await test.remove();
  });

  async function join(id: string, security: ProficiencyLevel, region = 'local'): Promise<void> {
    const params = registration(id, `${id}-incarnation`);
    params.instance.metadata.region = region;
    params.instance.capabilities.push({
      domain: 'security',
      specialization: ['audit'],
      proficiencyLevel: security,
      resourceRequirements: [],
    });
    await pool.registerInstance(params, agentPrincipal(id));
  }
  const ids = (...required: Parameters<ExternalAgentPool['findByCapabilities']>[0]) =>
    pool.findByCapabilities(required).map(({id}) => id);
  const best = async (requirements: Parameters<ExternalAgentPool['findBestAgent']>[0]) =>
    (await pool.findBestAgent(requirements)).id;

  it('is shown by what it can do', async () => {
    await join('a-1', 'basic');
    await join('a-2', 'specialist');
    assert.deepEqual(ids({domain: 'security', proficiencyLevel: 'expert'}), ['a-2']);
    assert.deepEqual(ids({domain: 'development', specialization: ['typescript']}), ['a-1', 'a-2']);
    assert.deepEqual(ids({domain: 'development', proficiencyLevel: 'specialist'}), []);
    assert.deepEqual(
      pool.getAvailableCapabilities().map(({domain, proficiencyLevel}) => [domain, proficiencyLevel]),
      [
        ['development', 'expert'],
        ['security', 'specialist'],
      ],
    );
    await pool.deregisterInstance('a-2', client);
    await eventually(async () => assert.deepEqual(ids({domain: 'security'}), ['a-1']));
  });

  it('offers those that are active or idle, and no others', async () => {
    for (const id of ['a-1', 'a-2', 'a-3', 'a-4']) await join(id, 'expert');
    await placeAttempt(test.store, {agentId: 'a-1', number: 1});
    for (const number of [2, 3]) await placeAttempt(test.store, {agentId: 'a-2', number});
    await registry.drain({agentId: 'a-3', drain: true}, client);
    // Active with a free slot, busy, in maintenance, idle.
    await eventually(async () => assert.deepEqual(ids({domain: 'security'}), ['a-1', 'a-4']));
  });

  it('finds the best by what it declares, what it has shown, and what is free', async () => {
    await join('a-1', 'basic');
    await join('a-2', 'expert', 'eu');
    await join('a-3', 'expert');
    const security = [{domain: 'security'}];
    assert.equal(await best({capabilities: security}), 'a-2');
    await placeAttempt(test.store, {agentId: 'a-2', number: 1});
    await eventually(async () => assert.equal(await best({capabilities: security}), 'a-3'));
    const failing = {name: 'run:x', succeeded: 0, failed: 30, lost: 0, meanMs: 0, durationsMs: [], lastAt: 0};
    const history = {...emptyHistory('a-3', 'test'), classes: [failing]};
    await test.store.txn({then: [putRecord(keys.agentHistory('a-3'), history)]});
    assert.equal(await best({capabilities: security}), 'a-2');
    assert.equal(await best({region: 'eu'}), 'a-2');
    await assert.rejects(best({region: 'moon'}), error => isProtocolError(error, 'notFound'));
  });

  it('is scaled', async () => {
    await pool.scalePool(3, client);
    await pool.scalePool(undefined, client);
    assert.deepEqual(wanted, [3, undefined]);
  });
});
