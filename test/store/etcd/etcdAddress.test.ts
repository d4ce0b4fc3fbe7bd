/** Addresses of an etcd as `--store` takes them. */
import assert from 'node:assert/strict';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {
  type EtcdAddress,
  isEtcdAddress,
  parseEtcdAddress,
} from '../../../coordinator/store/etcd/etcdAddress.ts';

const READABLE: readonly (readonly [text: string, address: Partial<EtcdAddress>])[] = [
  ['etcd://one', {endpoints: ['one:2379'], tls: false, prefix: 'mcpx', user: undefined}],
  ['etcds://one:1/', {endpoints: ['one:1'], tls: true, prefix: 'mcpx'}],
  ['etcd://a:1,b,10.0.0.3:3/team/a/', {endpoints: ['a:1', 'b:2379', '10.0.0.3:3'], prefix: 'team/a'}],
  ['etcd://a,a:2379', {endpoints: ['a:2379']}],
  ['etcd://[::1]:5,[fe80::2]', {endpoints: ['[::1]:5', '[fe80::2]:2379']}],
  ['etcds://root:p%40ss%3A%2F@h', {endpoints: ['h:2379'], user: {name: 'root', password: 'p@ss:/'}}],
  ['etcd://u:a@b:c@h:1', {endpoints: ['h:1'], user: {name: 'u', password: 'a@b:c'}}],
  ['etcd://u:@h', {user: {name: 'u', password: ''}}],
];

const UNREADABLE: readonly (readonly [text: string, why: RegExp])[] = [
  ['http://h', /begin with etcd/],
  ['etcd://', /no HOST:PORT/],
  ['etcd://a,,b', /no HOST:PORT/],
  ['etcd://h:0', /no port/],
  ['etcd://h:70000', /no port/],
  ['etcd://h:x', /no HOST:PORT/],
  ['etcd://user@h', /USER:PASSWORD/],
  ['etcd://:secret@h', /USER:PASSWORD/],
  ['etcd://u:%zz@h', /percent-encoded/],
  ['etcd://h/a//b', /prefix/],
  ['etcd://h/a b', /prefix/],
];

describe('the address of an etcd', () => {
  for (const [text, expected] of READABLE)
    it(`is read from ${text}`, () => {
      const address = parseEtcdAddress(text);
      assert.deepEqual({...address, ...expected}, address);
    });

  for (const [text, why] of UNREADABLE)
    it(`is not read from "${text}"`, () => {
      assert.throws(
        () => parseEtcdAddress(text),
        error => isCoordinatorError(error, 'config') && why.test(error.message),
      );
    });

  it('never repeats the password in an error', () => {
    assert.throws(
      () => parseEtcdAddress('etcd://root:hunter2@h:x'),
      error => isCoordinatorError(error, 'config') && !`${error.message}${error.hint}`.includes('hunter2'),
    );
  });

  it('takes a user from the environment, unless it names one itself', () => {
    const environment = {name: 'robot', password: 'secret'};
    assert.deepEqual(parseEtcdAddress('etcd://h', environment).user, environment);
    assert.deepEqual(parseEtcdAddress('etcd://u:p@h', environment).user, {name: 'u', password: 'p'});
    assert.throws(
      () => parseEtcdAddress('etcd://h', {name: 'robot'}),
      error => isCoordinatorError(error, 'config'),
    );
  });

  it('is told from other stores by its scheme', () => {
    assert.deepEqual(['etcd://h', 'etcds://h', 'embedded', 'xetcd://h'].map(isEtcdAddress), [
      true,
      true,
      false,
      false,
    ]);
  });
});
