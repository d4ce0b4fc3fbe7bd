import assert from 'node:assert/strict';
import fc from 'fast-check';
import {CoordinatorError, isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {absent} from '../../coordinator/store/records.ts';
import {type Op, STORE_LIMITS, type Store, type Txn, type TxnResult} from '../../coordinator/store/store.ts';
import {TxnGathering} from '../../coordinator/store/txnGathering.ts';
import {openTestStore} from '../fixtures/openTestStore.ts';

function put(key: string, value = 'v'): Op {
  return {kind: 'put', key, value};
}

/** A store that counts what it is asked. */
function counting(store: Pick<Store, 'txn'>): Pick<Store, 'txn'> & {sent: Txn[]} {
  const sent: Txn[] = [];
  return {
    sent,
    txn(txn) {
      sent.push(txn);
      return store.txn(txn);
    },
  };
}

describe('gathering of transactions', () => {
  let store: Store;
  let remove: () => Promise<void>;
  let seen: ReturnType<typeof counting>;
  let gathering: TxnGathering;

  beforeEach(async () => {
    ({store, remove} = await openTestStore());
    seen = counting(store);
    gathering = new TxnGathering(seen);
  });
  afterEach(() => remove());

  it('sends those of one turn as one, and gives each its own responses', async () => {
    await store.txn({then: [put('there', 'old')]});
    const results = await Promise.all([
      gathering.txn({compare: [absent('a')], then: [put('a'), {kind: 'get', key: 'there'}]}),
      gathering.txn({compare: [absent('b')], then: [put('b')]}),
    ]);
    assert.equal(seen.sent.length, 1);
    assert.equal(results[0]?.revision, results[1]?.revision);
    assert.deepEqual(
      results.map(({succeeded, responses}) => [succeeded, responses.map(({kind}) => kind)]),
      [
        [true, ['put', 'range']],
        [true, ['put']],
      ],
    );
  });

  it('lets one that is refused not take the others along, and gives it what its else branch reads', async () => {
    await store.txn({then: [put('taken', 'old')]});
    const [good, refused] = await Promise.all([
      gathering.txn({compare: [absent('a')], then: [put('a')]}),
      gathering.txn({compare: [absent('taken')], then: [put('taken')], else: [{kind: 'get', key: 'taken'}]}),
    ]);
    assert.equal(good.succeeded, true);
    assert.equal(refused.succeeded, false);
    assert.equal(refused.responses[0]?.kind === 'range' && refused.responses[0].kvs[0]?.value, 'old');
    assert.equal((await store.get('taken'))?.value, 'old');
  });

  it('keeps apart what one of them writes and another looks at', async () => {
    const once: Txn = {compare: [absent('k')], then: [put('k')]};
    const both = await Promise.all([gathering.txn(once), gathering.txn(once)]);
    assert.deepEqual(
      both.map(({succeeded}) => succeeded),
      [true, false],
    );
    const [, read] = await Promise.all([
      gathering.txn({then: [put('w', 'new')]}),
      gathering.txn({then: [{kind: 'get', key: 'w'}, put('x')]}),
    ]);
    assert.equal(read.responses[0]?.kind === 'range' && read.responses[0].kvs[0]?.value, 'new');
  });

  it('stays within the limits of a transaction', async () => {
    const count = STORE_LIMITS.maxOpsPerTxn + 5;
    const large = 'x'.repeat(STORE_LIMITS.maxRecordBytes);
    const many = Array.from({length: count}, (_, at) => gathering.txn({then: [put(`k${at}`)]}));
    const big = Array.from({length: 20}, (_, at) => gathering.txn({then: [put(`b${at}`, large)]}));
    for (const {succeeded} of await Promise.all([...many, ...big])) assert.equal(succeeded, true);
    assert.ok(seen.sent.length < 10, `${seen.sent.length} transactions`);
  });

  it('gives the error of a limit only to the one that breaks it', async () => {
    const [good, bad] = await Promise.allSettled([
      gathering.txn({then: [put('a')]}),
      gathering.txn({then: [put('b', 'x'.repeat(STORE_LIMITS.maxRecordBytes + 1))]}),
    ]);
    assert.equal(good.status, 'fulfilled');
    assert.ok(bad.status === 'rejected' && isCoordinatorError(bad.reason, 'limit'));
  });

  it('tells all of them when the outcome is unknown', async () => {
    const broken = new TxnGathering({
      txn: () => Promise.reject(new CoordinatorError('timeout', 'the disk is slow')),
    });
    for (const outcome of await Promise.allSettled(['a', 'b'].map(key => broken.txn({then: [put(key)]}))))
      assert.ok(outcome.status === 'rejected' && isCoordinatorError(outcome.reason, 'timeout'));
  });

  it('comes to a state that some order of the transactions has', async () => {
    const key = fc.constantFrom('p', 'q', 'r');
    const one = fc.record({compared: fc.uniqueArray(key, {maxLength: 2}), written: key, value: fc.nat(9)});
    await fc.assert(
      fc.asyncProperty(fc.array(one, {minLength: 1, maxLength: 4}), async steps => {
        await store.txn({then: ['p', 'q', 'r'].map(name => put(name, 'start'))});
        const txns = steps.map(({compared, written, value}): Txn => {
          const compare = compared.map(
            name => ({key: name, target: 'value', op: '=', operand: 'start'}) as const,
          );
          return {compare, then: [put(written, String(value))]};
        });
        const results = await Promise.all(txns.map(txn => gathering.txn(txn)));
        const kvs = await Promise.all(['p', 'q', 'r'].map(name => store.get(name)));
        const state = kvs.map(kv => kv?.value).join();
        assert.ok(
          orders(txns.length).some(
            order => outcomeOf(txns, order) === `${describeResults(results)} ${state}`,
          ),
        );
      }),
      {numRuns: 300},
    );
  });
});

function describeResults(results: readonly TxnResult[]): string {
  return results.map(({succeeded}) => (succeeded ? '+' : '-')).join('');
}

/** What the transactions come to one after the other. */
function outcomeOf(txns: readonly Txn[], order: readonly number[]): string {
  const state = new Map(['p', 'q', 'r'].map(name => [name, 'start']));
  const marks = txns.map(() => '-');
  for (const at of order) {
    const txn = txns[at];
    if (!txn?.compare?.every(compare => state.get(compare.key) === compare.operand)) continue;
    marks[at] = '+';
    for (const op of txn.then) if (op.kind === 'put') state.set(op.key, op.value);
  }
  return `${marks.join('')} ${[...state.values()].join()}`;
}

function orders(count: number): number[][] {
  if (count === 0) return [[]];
  return orders(count - 1).flatMap(order =>
    Array.from({length: count}, (_, at) => [...order.slice(0, at), count - 1, ...order.slice(at)]),
  );
}
