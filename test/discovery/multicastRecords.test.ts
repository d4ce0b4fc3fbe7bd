/** What is said of a service is heard as it was said; what is broken or hostile is left out. */
import assert from 'node:assert/strict';
import {mayBeShownTokens, serviceUrl} from '../../coordinator/discovery/foundService.ts';
import {
  SERVICE_TYPE,
  type ServiceAnnouncement,
  serviceAnswers,
  servicesIn,
} from '../../coordinator/discovery/multicastRecords.ts';

type Records = Parameters<typeof servicesIn>[0];

const HUB: ServiceAnnouncement = {
  kind: 'coordinator',
  id: 'c-1',
  url: 'wss://hub.example.org:7600',
  version: '0.1.0',
};

const hear = (records: Records): readonly string[] =>
  servicesIn(records, '192.0.2.9').map(
    ({service: {kind, id, url, version}, ttlSeconds}) => `${kind} ${id} ${url} ${version} ${ttlSeconds}`,
  );
const say = (change: Partial<ServiceAnnouncement>, ttl = 120): Records => {
  const {answers, additionals} = serviceAnswers({...HUB, ...change}, ['192.0.2.4'], ttl);
  return [...answers, ...additionals];
};

describe('records of multicast DNS', () => {
  const cases: readonly (readonly [what: string, change: Partial<ServiceAnnouncement>, url: string])[] = [
    ['a name stays a name, for the sake of its certificate', {}, 'wss://hub.example.org:7600'],
    ['an address', {url: 'ws://192.0.2.1:80'}, 'ws://192.0.2.1:80'],
    [
      'every address of a wildcard: one of the interface',
      {url: 'wss://0.0.0.0:7600'},
      'wss://192.0.2.4:7600',
    ],
    ['this machine', {url: 'ws://localhost:7600'}, 'ws://127.0.0.1:7600'],
  ];
  for (const [what, change, url] of cases)
    it(what, () => {
      const heard = servicesIn(say(change), '192.0.2.9');
      assert.deepEqual(
        heard.map(({service}) => [service.kind, service.id, new URL(service.url).href]),
        [['coordinator', 'c-1', new URL(url).href]],
      );
    });

  it('say goodbye', () => assert.match(hear(say({}, 0))[0] ?? '', / 0$/));

  it('name nobody that is not whole, and nothing that is no address', () => {
    const whole = say({});
    assert.equal(hear(whole).length, 1);
    for (const [at] of whole.entries()) assert.deepEqual(hear(whole.filter((_, other) => other !== at)), []);
    const forged = (target: string, port: number, text: readonly string[]): Records => {
      const name = `x.${SERVICE_TYPE}`;
      return [
        {name: SERVICE_TYPE, type: 'PTR', ttl: 1, data: name},
        {name, type: 'SRV', ttl: 1, data: {target, port, priority: 0, weight: 0}},
        {name, type: 'TXT', ttl: 1, data: text.map(part => Buffer.from(part))},
      ];
    };
    const good = ['kind=agent', 'id=a-1', 'tls=1'];
    assert.equal(hear(forged('host', 1, good)).length, 1);
    for (const target of ['user:pass@host', 'host/path', 'host?x', '', 'a b'])
      assert.deepEqual(hear(forged(target, 1, good)), [], target);
    for (const port of [0, 70_000]) assert.deepEqual(hear(forged('host', port, good)), []);
    for (const text of [['kind=king', 'id=a'], ['kind=agent'], ['kind=agent', 'id=../../x y'], ['=', 'kind']])
      assert.deepEqual(hear(forged('host', 1, text)), [], text.join());
  });

  it('lead to no token in the clear, and to none whose authority nobody pinned', () => {
    assert.equal(mayBeShownTokens('wss://hub:1', true), true);
    assert.equal(mayBeShownTokens('wss://hub:1', false), false);
    assert.equal(mayBeShownTokens('ws://hub:1', true), false);
    assert.equal(mayBeShownTokens('ws://127.0.0.1.example.org:1', true), false);
    for (const url of ['ws://127.0.0.1:1', 'ws://localhost:1', 'ws://[::1]:1'])
      assert.equal(mayBeShownTokens(url, false), true, url);
    assert.equal(serviceUrl(true, '::1', 5), 'wss://[::1]:5');
  });
});
