/** Who is discovered, for how long, and that a check which hangs holds nobody up. */
import assert from 'node:assert/strict';
import {createServer, type Server} from 'node:http';
import {type AddressInfo, createServer as createSocketServer, type Server as SocketServer} from 'node:net';
import {AgentDiscoveryService} from '../../coordinator/discovery/agentDiscoveryService.ts';
import {HealthChecker} from '../../coordinator/discovery/healthChecker.ts';
import {ServiceRegistry} from '../../coordinator/discovery/serviceRegistry.ts';
import {LiveAttempts} from '../../coordinator/effects/liveAttempts.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AgentDirectory} from '../../coordinator/pool/agentDirectory.ts';
import {AgentRegistry} from '../../coordinator/pool/agentRegistry.ts';
import type {ClaudeCodeInstance, DiscoveryCriteria} from '../../coordinator/protocol/instance.ts';
import {ManualClock, systemClock} from '../../coordinator/runtime/clock.ts';
import {DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {AuditLog} from '../../coordinator/security/audit.ts';
import {agentPrincipal, placeAttempt, registration, TENANT} from '../fixtures/attempts.ts';
import {eventually} from '../fixtures/eventually.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

describe('discovery of agents', () => {
  let test: TestStore;
  let owned: DisposableStore;
  let services: ServiceRegistry;
  let discovery: AgentDiscoveryService;
  let registry: AgentRegistry;
  let clock: ManualClock;
  const servers: (Server | SocketServer)[] = [];

  beforeEach(async () => {
    test = await openTestStore();
    owned = new DisposableStore();
    clock = new ManualClock();
    const parts = {store: test.store, tenant: TENANT, clock: systemClock, logger: silentLogger};
    const attempts = owned.add(new LiveAttempts(parts));
    const directory = owned.add(new AgentDirectory({...parts, attempts}));
    const audit = new AuditLog({...parts, writerId: 'c-1'});
    const settings = {leaseSeconds: 600, statusIntervalMs: 1};
    registry = owned.add(new AgentRegistry({...parts, coordinatorId: 'c-1', directory, audit, settings}));
    await Promise.all([attempts.start(), directory.start()]);
    await registry.adopt();
    services = owned.add(new ServiceRegistry(clock));
    const health = owned.add(new HealthChecker({clock: systemClock, intervalMs: 100, timeoutMs: 300}));
    discovery = owned.add(new AgentDiscoveryService({directory, services, health}));
  });
  afterEach(async () => {
    await registry.stop();
    owned.dispose();
    for (const server of servers.splice(0)) server.close();
    await test.remove();
  });

  async function listen(server: Server | SocketServer): Promise<string> {
    servers.push(server);
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()));
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const answering = (status: number): Promise<string> =>
    listen(
      createServer((request, response) => response.writeHead(request.url === '/health' ? status : 404).end()),
    );
  /** Accepts and says nothing. */
  const hanging = (): Promise<string> =>
    listen(createSocketServer(socket => socket.on('error', () => undefined)));

  function instance(id: string, endpoint: string): ClaudeCodeInstance {
    return {...registration(id, `${id}-incarnation`).instance, endpoint};
  }
  async function join(
    id: string,
    change: (instance: ClaudeCodeInstance) => void = () => undefined,
  ): Promise<void> {
    const params = registration(id, `${id}-incarnation`, {slots: 2});
    change(params.instance);
    await registry.register(params, agentPrincipal(id));
  }
  const ids = (criteria?: DiscoveryCriteria): string[] =>
    discovery.discoverAgents(criteria).map(({id}) => id);

  it('finds those that have joined by what is asked for', async () => {
    await join('a-1');
    await join('a-2', ({metadata, capabilities}) => {
      metadata.region = 'eu';
      metadata.version = '0.2.1';
      metadata.tags.push('gpu');
      metadata.specializations.push('reviewer');
      metadata.resources.push({type: 'memory', amount: 32_000});
      capabilities.push({
        domain: 'security',
        specialization: ['audit'],
        proficiencyLevel: 'expert',
        resourceRequirements: [],
      });
    });
    const cases: readonly (readonly [criteria: DiscoveryCriteria, found: readonly string[]])[] = [
      [{}, ['a-1', 'a-2']],
      [{region: 'eu'}, ['a-2']],
      [{version: '0.2'}, ['a-2']],
      [{version: '0.2.10'}, []],
      [{tags: ['gpu']}, ['a-2']],
      [{specializations: ['reviewer']}, ['a-2']],
      [{specializations: ['typescript']}, ['a-1', 'a-2']],
      [{resources: [{type: 'memory', amount: 16_000}]}, ['a-2']],
      [{resources: [{type: 'memory', amount: 64_000}]}, []],
      [{capabilities: [{domain: 'security', proficiencyLevel: 'expert'}]}, ['a-2']],
      [{capabilities: [{domain: 'security', proficiencyLevel: 'specialist'}]}, []],
      [{status: ['busy']}, []],
    ];
    for (const [criteria, found] of cases) assert.deepEqual(ids(criteria), found, JSON.stringify(criteria));
    await placeAttempt(test.store, {agentId: 'a-1'});
    await eventually(async () => assert.deepEqual(ids({maxLoad: 0.4}), ['a-2']));
    assert.deepEqual(ids({maxLoad: 0.5}), ['a-1', 'a-2']);
    await registry.goodbye(
      {agentId: 'a-1', incarnation: 'a-1-incarnation', reason: 'test'},
      agentPrincipal('a-1'),
    );
    await eventually(async () => assert.deepEqual(ids(), ['a-2']));
    assert.deepEqual(ids({status: ['offline']}), ['a-1']);
  });

  it('has those that announce themselves, while they are healthy, until they say no more', async () => {
    discovery.announceService(instance('a-7', await answering(200)), 60_000);
    discovery.announceService(instance('a-8', await answering(503)), 60_000);
    await eventually(async () => assert.deepEqual(ids(), ['a-7']));
    assert.deepEqual(
      discovery.found().map(({service, health}) => [service.id, health.kind]),
      [
        ['a-7', 'healthy'],
        ['a-8', 'unhealthy'],
      ],
    );
    clock.advance(40_000);
    discovery.announceService(instance('a-7', discovery.found()[0]?.service.url ?? ''), 60_000);
    clock.advance(40_000);
    assert.deepEqual(ids(), ['a-7'], 'said again');
    clock.advance(20_000);
    assert.deepEqual([ids(), discovery.found()], [[], []]);
  });

  it('is not held up by a socket that accepts and never answers', async () => {
    await join('a-1');
    const slow = await Promise.all(Array.from({length: 20}, hanging));
    for (const [n, url] of slow.entries()) discovery.announceService(instance(`h-${n}`, url), 60_000);
    discovery.announceService(instance('a-9', await answering(200)), 60_000);
    const began = performance.now();
    assert.ok(ids().includes('a-1'));
    assert.ok(performance.now() - began < 100, 'an answer at once');
    // The healthy one is known to be so before the first of the others has timed out.
    await eventually(async () => {
      const well = discovery.found().filter(({health}) => health.kind === 'healthy');
      assert.deepEqual(
        well.map(({service}) => service.id),
        ['a-9'],
      );
    });
    await eventually(async () => assert.deepEqual(ids(), ['a-1', 'a-9']));
    const hung = discovery.found().find(({service}) => service.id === 'h-0')?.health;
    assert.ok(hung?.kind === 'unhealthy' && /no answer in 300 ms/.test(hung.reason), JSON.stringify(hung));
  });

  it('keeps no more than it can', () => {
    const few = owned.add(new ServiceRegistry(clock, 2));
    const found = (id: string): boolean =>
      few.found({kind: 'agent', id, url: `ws://h:${id}`, source: 'dns'}, 1000);
    assert.deepEqual(['1', '2', '3', '2'].map(found), [true, true, false, true]);
  });
});
