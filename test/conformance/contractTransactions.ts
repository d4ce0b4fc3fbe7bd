/** The store's contract on transactions: their revisions, comparisons and limits. */
import assert from 'node:assert/strict';
import {type Op, STORE_LIMITS, type Store} from '../../coordinator/store/store.ts';
import {pairs, plain, put, ranges, refused} from './contractSupport.ts';

export function transactionTests(get: () => Store): void {
  it('gives a new key its revisions and counts versions', async () => {
    const store = get();
    const first = (await store.txn({then: [put('a', '1')]})).revision;
    assert.deepEqual(plain(await store.get('a')), {
      key: 'a',
      value: '1',
      createRevision: first,
      modRevision: first,
      version: 1,
    });
    const second = (await store.txn({then: [put('a', '2')]})).revision;
    assert.deepEqual(plain(await store.get('a')), {
      key: 'a',
      value: '2',
      createRevision: first,
      modRevision: second,
      version: 2,
    });
    assert.ok(second > first);
  });

  it('starts a deleted key anew', async () => {
    const store = get();
    await store.txn({then: [put('a', '1')]});
    const gone = await store.txn({then: [{kind: 'delete', key: 'a'}]});
    assert.deepEqual(gone.responses, [{kind: 'delete', deleted: 1}]);
    assert.equal(await store.get('a'), undefined);
    const {revision} = await store.txn({then: [put('a', '2')]});
    assert.deepEqual(plain(await store.get('a')), {
      key: 'a',
      value: '2',
      createRevision: revision,
      modRevision: revision,
      version: 1,
    });
  });

  it('gives all changes of a transaction one revision', async () => {
    const store = get();
    const {revision} = await store.txn({then: [put('a', '1'), put('b', '2')]});
    for (const key of ['a', 'b']) assert.equal((await store.get(key))?.modRevision, revision);
    assert.equal(store.status().driver === 'embedded' ? store.status().revision : revision, revision);
  });

  it('spends no revision when nothing changes', async () => {
    const store = get();
    const {revision} = await store.txn({then: [put('a', '1')]});
    const nothing = await store.txn({
      then: [
        {kind: 'delete', key: 'x'},
        {kind: 'deletePrefix', prefix: 'y/'},
        {kind: 'get', key: 'a'},
      ],
    });
    assert.equal(nothing.revision, revision);
    assert.deepEqual(nothing.responses.slice(0, 2), [
      {kind: 'delete', deleted: 0},
      {kind: 'delete', deleted: 0},
    ]);
    assert.equal((await store.txn({then: [put('b', '1')]})).revision, revision + 1);
  });

  it('shows reads of a transaction the writes before them', async () => {
    const result = await get().txn({
      then: [
        {kind: 'get', key: 'a/1'},
        put('a/1', 'x'),
        {kind: 'get', key: 'a/1'},
        put('a/2', 'y'),
        {kind: 'range', prefix: 'a/'},
        {kind: 'range', prefix: 'a/', limit: 1},
      ],
    });
    assert.deepEqual(ranges(result), [[], undefined, ['a/1=x'], undefined, ['a/1=x', 'a/2=y'], ['a/1=x']]);
  });

  it('deletes what starts with a prefix and nothing else', async () => {
    const store = get();
    await store.txn({
      then: [
        put('a', '0'),
        put('a/', '1'),
        put('a/b', '2'),
        put('a/c/d', '3'),
        put('a0', '4'),
        put('b', '5'),
      ],
    });
    const result = await store.txn({then: [{kind: 'deletePrefix', prefix: 'a/'}]});
    assert.deepEqual(result.responses, [{kind: 'delete', deleted: 3}]);
    assert.deepEqual(pairs((await store.range('')).kvs), ['a=0', 'a0=4', 'b=5']);
  });

  it('answers a transaction that only reads at one revision', async () => {
    const store = get();
    const {revision} = await store.txn({then: [put('a', '1')]});
    const result = await store.txn({
      compare: [{key: 'a', target: 'value', op: '=', operand: '1'}],
      then: [{kind: 'range', prefix: ''}],
    });
    assert.equal(result.succeeded, true);
    assert.equal(result.revision, revision);
    assert.deepEqual(ranges(result), [['a=1']]);
  });

  it('lets exactly one of many concurrent claims win', async () => {
    const store = get();
    const claims = await Promise.all(
      Array.from({length: 20}, (_, n) =>
        store.txn({
          compare: [{key: 'lock', target: 'create', op: '=', operand: 0}],
          then: [put('lock', String(n))],
          else: [{kind: 'get', key: 'lock'}],
        }),
      ),
    );
    const winners = claims.flatMap((claim, n) => (claim.succeeded ? [String(n)] : []));
    assert.equal(winners.length, 1);
    assert.equal((await store.get('lock'))?.value, winners[0]);
  });

  it('loses no concurrent compare-and-set increment', async () => {
    const store = get();
    await store.txn({then: [put('n', '0')]});
    const increment = async (): Promise<void> => {
      for (;;) {
        const kv = await store.get('n');
        const next = String(Number(kv?.value) + 1);
        const result = await store.txn({
          compare: [{key: 'n', target: 'mod', op: '=', operand: kv?.modRevision ?? 0}],
          then: [put('n', next)],
        });
        if (result.succeeded) return;
      }
    };
    await Promise.all(
      Array.from({length: 8}, async () => {
        for (let times = 0; times < 5; times++) await increment();
      }),
    );
    assert.equal((await store.get('n'))?.value, '40');
  });

  it('keeps values of any text', async () => {
    const store = get();
    const values = ['', '\0', 'é', '日本', '😀', '"\\\n', 'x'.repeat(STORE_LIMITS.maxRecordBytes)];
    await store.txn({then: values.map((value, n) => put(`v/${n}`, value))});
    assert.deepEqual(
      (await store.range('v/')).kvs.map(kv => kv.value),
      values,
    );
  });
}

export function comparisonTests(get: () => Store): void {
  it('treats an absent key as revision and version 0', async () => {
    for (const target of ['create', 'mod', 'version'] as const) {
      const is = await get().txn({compare: [{key: 'x', target, op: '=', operand: 0}], then: []});
      assert.equal(is.succeeded, true, target);
      const above = await get().txn({compare: [{key: 'x', target, op: '>', operand: 0}], then: []});
      assert.equal(above.succeeded, false, target);
    }
  });

  it('compares an absent key false against any value', async () => {
    for (const op of ['=', '!='] as const) {
      const result = await get().txn({compare: [{key: 'x', target: 'value', op, operand: ''}], then: []});
      assert.equal(result.succeeded, false, op);
    }
  });

  it('compares revisions, versions and values of a key', async () => {
    const store = get();
    const {revision: create} = await store.txn({then: [put('k', 'a')]});
    const {revision: mod} = await store.txn({then: [put('k', 'b')]});
    const holds = async (compare: Parameters<Store['txn']>[0]['compare']): Promise<boolean> =>
      (await store.txn({compare, then: []})).succeeded;
    const actual = {create, mod, version: 2} as const;
    for (const target of ['create', 'mod', 'version'] as const) {
      const value = actual[target];
      assert.equal(await holds([{key: 'k', target, op: '=', operand: value}]), true, target);
      assert.equal(await holds([{key: 'k', target, op: '!=', operand: value}]), false, target);
      assert.equal(await holds([{key: 'k', target, op: '<', operand: value}]), false, target);
      assert.equal(await holds([{key: 'k', target, op: '<', operand: value + 1}]), true, target);
      assert.equal(await holds([{key: 'k', target, op: '>', operand: value - 1}]), true, target);
    }
    assert.equal(await holds([{key: 'k', target: 'value', op: '=', operand: 'b'}]), true);
    assert.equal(await holds([{key: 'k', target: 'value', op: '!=', operand: 'b'}]), false);
  });

  it('applies `else` when any comparison fails', async () => {
    const store = get();
    await store.txn({then: [put('k', 'a')]});
    const result = await store.txn({
      compare: [
        {key: 'k', target: 'version', op: '=', operand: 1},
        {key: 'k', target: 'value', op: '=', operand: 'z'},
      ],
      then: [put('then', '1')],
      else: [put('else', '1')],
    });
    assert.equal(result.succeeded, false);
    assert.deepEqual(pairs((await store.range('')).kvs), ['else=1', 'k=a']);
  });
}

export function limitTests(get: () => Store): void {
  const big = STORE_LIMITS;
  const cases: readonly [string, readonly Op[]][] = [
    ['one key put twice', [put('a', '1'), put('a', '2')]],
    ['a put and a delete of one key', [put('a', '1'), {kind: 'delete', key: 'a'}]],
    ['a put under a deleted prefix', [put('a/b', '1'), {kind: 'deletePrefix', prefix: 'a/'}]],
    ['a deleted prefix and a put under it', [{kind: 'deletePrefix', prefix: 'a/'}, put('a/b', '1')]],
    [
      'a deleted prefix within another',
      [
        {kind: 'deletePrefix', prefix: 'a/'},
        {kind: 'deletePrefix', prefix: 'a/b/'},
      ],
    ],
    ['more operations than allowed', Array.from({length: big.maxOpsPerTxn + 1}, (_, n) => put(`k/${n}`, ''))],
    ['a value too long', [put('a', 'x'.repeat(big.maxRecordBytes + 1))]],
    ['a value too long in bytes', [put('a', 'é'.repeat(big.maxRecordBytes / 2 + 1))]],
    ['a key too long', [put('k'.repeat(big.maxKeyBytes + 1), '')]],
    ['an empty key', [put('', '')]],
    ['a lone surrogate', [put('a', '\ud800')]],
    ['too many bytes', Array.from({length: 17}, (_, n) => put(`k/${n}`, 'x'.repeat(big.maxRecordBytes)))],
  ];
  for (const [what, then] of cases)
    it(`refuses ${what}`, async () => {
      await refused(get().txn({then}), 'limit');
      await refused(
        get().txn({compare: [{key: 'a', target: 'mod', op: '=', operand: 1}], then: [], else: then}),
        'limit',
      );
      assert.deepEqual((await get().range('')).kvs, []);
    });

  it('takes what is just within the limits', async () => {
    const store = get();
    await store.txn({then: Array.from({length: big.maxOpsPerTxn}, (_, n) => put(`k/${n}`, ''))});
    await store.txn({
      then: Array.from({length: 15}, (_, n) => put(`v/${n}`, 'x'.repeat(big.maxRecordBytes))),
    });
    await store.txn({then: [put('k'.repeat(big.maxKeyBytes), '')]});
    await store.txn({then: [put('a', '1')], else: [put('a', '2')]});
    assert.equal((await store.range('k/')).kvs.length, big.maxOpsPerTxn);
  });
}
