/** The store's contract on reads: order, paging, backup, history. */
import assert from 'node:assert/strict';
import type {Store} from '../../coordinator/store/store.ts';
import {pairs, put, refused} from './contractSupport.ts';

export function rangeTests(get: () => Store): void {
  const keys = ['a', 'a/1', 'a/10', 'a/2', 'b/1', 'z', 'é', '\uffee', '😀'];
  beforeEach(async () => {
    await get().txn({then: keys.map(key => put(key, key))});
  });
  const found = async (prefix: string, options?: Parameters<Store['range']>[1]): Promise<string[]> =>
    (await get().range(prefix, options)).kvs.map(kv => kv.key);

  it('returns keys in order of their UTF-8 bytes', async () => {
    assert.deepEqual(await found(''), keys);
    assert.deepEqual(await found('', {order: 'descending'}), [...keys].reverse());
  });

  it('returns exactly what starts with the prefix', async () => {
    assert.deepEqual(await found('a/'), ['a/1', 'a/10', 'a/2']);
    assert.deepEqual(await found('a/1'), ['a/1', 'a/10']);
    assert.deepEqual(await found('b'), ['b/1']);
    assert.deepEqual(await found('c'), []);
    assert.deepEqual(await found('\uffee'), ['\uffee']);
    assert.deepEqual(await found('a/', {order: 'descending'}), ['a/2', 'a/10', 'a/1']);
  });

  for (const order of ['ascending', 'descending'] as const)
    it(`pages ${order} without a gap or a repeat`, async () => {
      const all: string[] = [];
      let after: string | undefined;
      for (;;) {
        const page = await get().range('', {limit: 2, order, ...(after === undefined ? {} : {after})});
        all.push(...page.kvs.map(kv => kv.key));
        if (!page.more) break;
        assert.equal(page.kvs.length, 2);
        after = page.kvs.at(-1)?.key;
      }
      assert.deepEqual(all, order === 'ascending' ? keys : [...keys].reverse());
    });

  it('pages at one revision while writes go on', async () => {
    const store = get();
    const first = await store.range('a/', {limit: 1});
    await store.txn({then: [put('a/0', 'new'), put('a/15', 'new'), {kind: 'delete', key: 'a/2'}]});
    const rest = await store.range('a/', {after: first.kvs[0]?.key, atRevision: first.revision});
    assert.deepEqual(pairs([...first.kvs, ...rest.kvs]), ['a/1=a/1', 'a/10=a/10', 'a/2=a/2']);
    assert.equal(rest.revision, first.revision);
    assert.deepEqual(pairs((await store.range('a/', {after: 'a/10'})).kvs), ['a/15=new']);
  });

  it('finds nothing behind the last key, nor before the first', async () => {
    assert.deepEqual(await found('a/', {after: 'a/2'}), []);
    assert.deepEqual(await found('a/', {after: 'z'}), []);
    assert.deepEqual(await found('a/', {after: 'a/1', order: 'descending'}), []);
    assert.deepEqual(await found('a/', {after: 'a'}), ['a/1', 'a/10', 'a/2']);
    assert.deepEqual(await found('a/', {after: 'b', order: 'descending'}), ['a/2', 'a/10', 'a/1']);
  });

  it('reads what was acknowledged, also locally', async () => {
    const store = get();
    for (let n = 0; n < 5; n++) {
      const {revision} = await store.txn({then: [put('a', String(n))]});
      assert.equal((await store.get('a'))?.modRevision, revision);
    }
    assert.equal((await store.get('a', {consistency: 'local'}))?.value, '4');
    assert.equal((await store.range('a', {consistency: 'local', limit: 1})).kvs[0]?.value, '4');
  });

  it('says whether the limit cut the answer', async () => {
    assert.equal((await get().range('a/', {limit: 3})).more, false);
    assert.equal((await get().range('a/', {limit: 2})).more, true);
  });

  it('backs up one revision while writes go on', async () => {
    const store = get();
    const backup = await store.backup('a/');
    await store.txn({then: [put('a/3', 'new'), {kind: 'delete', key: 'a/1'}]});
    const saved: string[] = [];
    for await (const kv of backup.kvs) saved.push(kv.key);
    assert.deepEqual(saved, ['a/1', 'a/10', 'a/2']);
    assert.equal(backup.incarnation, store.status().incarnation);
  });
}

export function historyTests(get: () => Store): void {
  it('reads keys and ranges as they were', async () => {
    const store = get();
    const r1 = (await store.txn({then: [put('a', '1'), put('b', '1')]})).revision;
    const r2 = (await store.txn({then: [put('a', '2'), {kind: 'delete', key: 'b'}]})).revision;
    await store.txn({then: [put('b', '3')]});
    assert.equal((await store.get('a', {atRevision: r1}))?.value, '1');
    assert.equal(await store.get('b', {atRevision: r2}), undefined);
    const then = await store.range('', {atRevision: r1});
    assert.deepEqual(pairs(then.kvs), ['a=1', 'b=1']);
    assert.deepEqual(pairs((await store.range('', {atRevision: r2})).kvs), ['a=2']);
    assert.deepEqual(pairs((await store.range('')).kvs), ['a=2', 'b=3']);
  });

  it('refuses reads below the compaction and keeps the rest', async () => {
    const store = get();
    const r1 = (await store.txn({then: [put('a', '1')]})).revision;
    const r2 = (await store.txn({then: [put('a', '2'), put('b', '2')]})).revision;
    await store.txn({then: [put('a', '3')]});
    await store.compact(r2);
    await refused(store.get('a', {atRevision: r1}), 'notFound');
    await refused(store.range('', {atRevision: r1}), 'notFound');
    assert.deepEqual(pairs((await store.range('', {atRevision: r2})).kvs), ['a=2', 'b=2']);
    assert.deepEqual(pairs((await store.range('')).kvs), ['a=3', 'b=2']);
  });

  it('keeps what is compacted compacted', async () => {
    const store = get();
    const r1 = (await store.txn({then: [put('a', '1')]})).revision;
    const r2 = (await store.txn({then: [put('a', '2')]})).revision;
    await store.compact(r2);
    await store.compact(r1);
    assert.equal(store.status().compactRevision, r2);
    await refused(store.get('a', {atRevision: r1}), 'notFound');
    await refused(store.compact(r2 + 1000), 'limit');
  });

  it('refuses a revision that is not there yet', async () => {
    const {revision} = await get().txn({then: [put('a', '1')]});
    await refused(get().get('a', {atRevision: revision + 100}), 'unavailable');
  });
}
