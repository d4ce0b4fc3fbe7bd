/** The store's contract on leases, restarts and closing. */
import assert from 'node:assert/strict';
import {pairs, put, Recorder, refused, type StoreUnderTest} from './contractSupport.ts';

export function leaseTests(get: () => StoreUnderTest): void {
  it('deletes its keys in one revision when it expires, and not before', async () => {
    const {store, pass} = get();
    const lease = await store.grantLease(2);
    const {revision} = await store.txn({
      then: [put('a', '1', lease.id), put('b', '2', lease.id), put('c', '3')],
    });
    assert.equal((await store.get('a'))?.lease, lease.id);
    await pass(1000);
    assert.ok(await store.get('a'));
    const seen = new Recorder();
    const watch = store.watch('', {fromRevision: revision + 1}, seen.listen);
    await pass(4000);
    await seen.first(1);
    watch.dispose();
    assert.deepEqual(seen.text(), [`${revision + 1}:delete a,delete b`]);
    assert.deepEqual(pairs((await store.range('')).kvs), ['c=3']);
    assert.equal(await store.keepAlive(lease.id), false);
  });

  it('lives on while it is kept alive', async () => {
    const {store, pass} = get();
    const lease = await store.grantLease(2);
    await store.txn({then: [put('a', '1', lease.id)]});
    for (let times = 0; times < 4; times++) {
      await pass(1000);
      assert.equal(await store.keepAlive(lease.id), true);
    }
    assert.ok(await store.get('a'));
  });

  it('takes its keys along in one revision when it is revoked', async () => {
    const {store} = get();
    const lease = await store.grantLease(60);
    const {revision} = await store.txn({then: [put('a', '1', lease.id), put('b', '1', lease.id)]});
    const seen = new Recorder();
    const watch = store.watch('', {fromRevision: revision + 1}, seen.listen);
    await store.revokeLease(lease.id);
    assert.equal(await store.get('a'), undefined);
    await seen.first(1);
    watch.dispose();
    assert.deepEqual(seen.text(), [`${revision + 1}:delete a,delete b`]);
    assert.equal(await store.keepAlive(lease.id), false);
    await store.revokeLease(lease.id);
  });

  it('lets go of a key that is written without it', async () => {
    const {store} = get();
    const lease = await store.grantLease(60);
    const other = await store.grantLease(60);
    await store.txn({then: [put('a', '1', lease.id), put('b', '1', lease.id)]});
    await store.txn({then: [put('a', '2'), put('b', '2', other.id)]});
    await store.revokeLease(lease.id);
    assert.deepEqual(pairs((await store.range('')).kvs), ['a=2', 'b=2']);
    await store.revokeLease(other.id);
    assert.deepEqual(pairs((await store.range('')).kvs), ['a=2']);
  });

  it('refuses a put with a lease that is gone, and the whole transaction with it', async () => {
    const {store} = get();
    const lease = await store.grantLease(60);
    await store.revokeLease(lease.id);
    await refused(store.txn({then: [put('a', '1'), put('b', '2', lease.id)]}), 'notFound');
    assert.deepEqual((await store.range('')).kvs, []);
  });

  it('does not know a lease that was never granted', async () => {
    const {store} = get();
    const {id} = await store.grantLease(60);
    const other = id.replace(/.$/, digit => (digit === '1' ? '2' : '1'));
    assert.equal(await store.keepAlive(other), false);
    await store.revokeLease(other);
    assert.equal(await store.keepAlive(id), true);
  });

  it('lasts whole seconds, at least one', async () => {
    for (const ttl of [0, 0.5, -1, Number.NaN]) await refused(get().store.grantLease(ttl), 'limit');
  });
}

export function lifetimeTests(get: () => StoreUnderTest): void {
  it('says what it is, how far it is, and how much it holds', async () => {
    const {store} = get();
    const before = store.status();
    assert.ok(before.incarnation.length > 0);
    assert.equal(before.degraded, undefined);
    const seen = new Recorder();
    const watch = store.watch('', {fromRevision: before.revision + 1}, seen.listen);
    await store.txn({then: [put('a', '1'), put('b', '1')]});
    await store.txn({then: [put('a', '2'), put('c', '1')]});
    const {revision} = await store.txn({then: [{kind: 'delete', key: 'b'}]});
    await seen.first(3);
    watch.dispose();
    const {incarnation, keys, revision: newest} = store.status();
    assert.deepEqual([incarnation, keys], [before.incarnation, before.keys + 2]);
    assert.equal(newest, revision);
  });

  it('keeps keys, history, leases and its incarnation over a restart', async function () {
    const {store, reopen} = get();
    if (!reopen) return this.skip();
    const lease = await store.grantLease(60);
    const r1 = (await store.txn({then: [put('a', '1'), put('b', '1', lease.id)]})).revision;
    const r2 = (await store.txn({then: [put('a', '2')]})).revision;
    const {incarnation} = store.status();
    const again = await reopen();
    assert.equal(again.status().incarnation, incarnation);
    assert.equal((await again.get('a'))?.value, '2');
    assert.equal((await again.get('a', {atRevision: r1}))?.value, '1');
    const seen = new Recorder();
    const watch = again.watch('', {fromRevision: r2}, seen.listen);
    // A driver may write for itself when it opens.
    const r3 = (await again.txn({then: [put('c', '3')]})).revision;
    await seen.first(2);
    watch.dispose();
    assert.deepEqual(seen.text(), [`${r2}:put a=2`, `${r3}:put c=3`]);
    await again.revokeLease(lease.id);
    assert.equal(await again.get('b'), undefined);
  });

  it('refuses everything once it is closed, and tells its watchers', async () => {
    const {store} = get();
    const seen = new Recorder();
    store.watch('', {}, seen.listen);
    await store.close();
    assert.equal((await seen.first(1)).at(-1)?.kind, 'closed');
    await refused(store.get('a'), 'closed');
    await refused(store.range(''), 'closed');
    await refused(store.txn({then: [put('a', '1')]}), 'closed');
    await refused(store.grantLease(1), 'closed');
    await store.close();
  });
}
