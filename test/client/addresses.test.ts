import assert from 'node:assert/strict';
import {Addresses} from '../../coordinator/client/addresses.ts';

const told = (self: string, ...others: string[]) => ({
  self: {id: 'c-0', url: self},
  others: others.map((url, index) => ({id: `c-${index + 1}`, url})),
});

describe('the addresses of a cluster', () => {
  it('are those that were given, then those that were told, each tried in turn', () => {
    const addresses = new Addresses(['ws://127.0.0.1:1']);
    assert.equal(addresses.after('ws://127.0.0.1:1'), 'ws://127.0.0.1:1');
    const self = 'ws://127.0.0.1:1';
    assert.deepEqual(addresses.take(self, told(self, 'ws://127.0.0.1:2')), [self, 'ws://127.0.0.1:2']);
    assert.deepEqual(addresses.all, [self, 'ws://127.0.0.1:2']);
    assert.equal(addresses.after(self), 'ws://127.0.0.1:2');
    assert.equal(addresses.after('ws://127.0.0.1:2'), self);
    assert.equal(addresses.take(self, told(self, 'ws://127.0.0.1:2')), undefined, 'no news');
  });

  it('leave out one that is gone, but never one that was given', () => {
    const addresses = new Addresses(['wss://a:1'], ['wss://b:1']);
    assert.deepEqual(addresses.all, ['wss://a:1', 'wss://b:1']);
    addresses.take('wss://c:1', told('wss://c:1'));
    assert.deepEqual(addresses.all, ['wss://a:1', 'wss://c:1']);
    // The one that is connected to may be told no more.
    assert.equal(addresses.after('wss://b:1'), 'wss://a:1');
  });

  it('of others are not taken over a tunnel, nor without TLS from one with it', () => {
    const tunnel = new Addresses(['ws://127.0.0.1:9999']);
    assert.equal(tunnel.take('ws://127.0.0.1:9999', told('ws://127.0.0.1:1', 'ws://127.0.0.1:2')), undefined);
    assert.deepEqual(tunnel.all, ['ws://127.0.0.1:9999']);
    const local = new Addresses(['ws://localhost:1']);
    assert.ok(local.take('ws://localhost:1', told('ws://127.0.0.1:1', 'ws://127.0.0.1:2')));
    const safe = new Addresses(['wss://proxy']);
    assert.deepEqual(safe.take('wss://proxy', told('wss://a:1', 'ws://b:1', 'wss://c:1', 'nonsense')), [
      'wss://a:1',
      'wss://c:1',
    ]);
  });
});
