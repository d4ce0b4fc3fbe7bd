/** Whose disks count: the voters of a store of our own, also those that are away; beside an etcd those that live. */
import assert from 'node:assert/strict';
import type {OtherCoordinator} from '../../coordinator/cluster/coordinatorDirectory.ts';
import {artifactHolders} from '../../coordinator/handlers/artifactHolders.ts';
import {noDisposable} from '../../coordinator/runtime/disposable.ts';
import type {StoreStatus} from '../../coordinator/store/store.ts';

type Members = StoreStatus['members'];

describe('holders of artifacts', () => {
  const holders = (
    driver: StoreStatus['driver'],
    members: Members,
    others: readonly OtherCoordinator[],
    node?: string,
  ) => {
    const status: StoreStatus = {
      ...{driver, members, incarnation: 'i', revision: 1, compactRevision: 0, keys: 0, bytesOnDisk: 0},
      ...{term: 1, leader: undefined, isLeader: false},
    };
    const directory = {others: () => others, credential: () => 't', onChanged: () => noDisposable};
    return artifactHolders({status: () => status}, directory, node);
  };
  const member = (id: string, role: 'voter' | 'learner' = 'voter') => ({id, address: `ws://${id}`, role});
  const other = (node: string): OtherCoordinator => ({
    id: `c-${node}`,
    url: `wss://${node}:7`,
    ca: 'PEM',
    node,
  });

  it('are all voters, though only one other lives', () => {
    const found = holders('embedded', [member('a'), member('b'), member('c')], [other('b')], 'a');
    assert.deepEqual(found.counted(), {total: 3, own: true});
    assert.deepEqual(found.others(), [{id: 'c-b', baseUrl: 'https://b:7', ca: 'PEM', counts: true}]);
  });

  it('do not count while they learn, and count for nothing once they are removed', () => {
    const members = [member('a'), member('b'), member('c', 'learner')];
    const atA = holders('embedded', members, [other('b'), other('c'), other('gone')], 'a');
    assert.equal(atA.counted().total, 2);
    assert.deepEqual(
      atA.others().map(({counts}) => counts),
      [true, false, false],
    );
    assert.deepEqual(holders('embedded', members, [other('a'), other('b')], 'c').counted(), {
      total: 2,
      own: false,
    });
  });

  it('are the coordinators that live where an etcd, with members of its own, is the store', () => {
    const found = holders('etcd', [member('e1'), member('e2'), member('e3')], [other('b')]);
    assert.deepEqual(found.counted(), {total: 2, own: true});
    assert.ok(found.others()[0]?.counts);
  });

  it('are one where there is nobody else', () => {
    assert.deepEqual(holders('embedded', [member('me')], []).counted(), {total: 1, own: true});
  });
});
