/** Services by SRV records, against a real resolver and a small real server of DNS. */
import assert from 'node:assert/strict';
import {followDns, lookUpServices} from '../../coordinator/discovery/dnsServices.ts';
import {ServiceRegistry} from '../../coordinator/discovery/serviceRegistry.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {eventually} from '../fixtures/eventually.ts';
import {type ServiceRecord, startDns} from './dnsResponder.ts';

const NAME = '_mcpx._tcp.example.org';

describe('services by DNS', () => {
  let records: Map<string, readonly ServiceRecord[]>;
  let dns: Awaited<ReturnType<typeof startDns>>;
  beforeEach(async () => {
    records = new Map();
    dns = await startDns(records);
  });
  afterEach(() => dns.close());

  it('come in the order that their records want, with TLS but for this machine', async () => {
    records.set(NAME, [
      {target: 'late.example.org', port: 7600, priority: 20, weight: 0},
      {target: 'small.example.org', port: 7600, priority: 10, weight: 1},
      {target: 'large.example.org', port: 7601, priority: 10, weight: 9},
      {target: 'localhost', port: 7602, priority: 30, weight: 0},
    ]);
    const found = await lookUpServices({name: NAME, kind: 'coordinator', server: dns.address});
    assert.deepEqual(
      found.map(({url}) => url),
      [
        'wss://large.example.org:7601',
        'wss://small.example.org:7600',
        'wss://late.example.org:7600',
        'ws://localhost:7602',
      ],
    );
  });

  it('say when there are none', async () => {
    await assert.rejects(lookUpServices({name: NAME, kind: 'agent', server: dns.address}), error =>
      isCoordinatorError(error, 'unavailable'),
    );
  });

  it('are followed as they come and go', async () => {
    const registry = new ServiceRegistry(systemClock);
    const hosts = (): string[] =>
      registry
        .all()
        .map(({id}) => id)
        .sort();
    const record = (target: string): ServiceRecord => ({target, port: 1, priority: 0, weight: 0});
    records.set(NAME, [record('a.example.org'), record('b.example.org')]);
    const following = followDns({name: NAME, kind: 'agent', server: dns.address}, registry, {
      ...{clock: systemClock, logger: silentLogger, intervalMs: 20},
    });
    try {
      await eventually(async () => assert.deepEqual(hosts(), ['a.example.org:1', 'b.example.org:1']));
      records.set(NAME, [record('b.example.org'), record('c.example.org')]);
      await eventually(async () => assert.deepEqual(hosts(), ['b.example.org:1', 'c.example.org:1']));
    } finally {
      following.dispose();
      registry.dispose();
    }
  });
});
