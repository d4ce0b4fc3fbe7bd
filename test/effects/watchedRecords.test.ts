/** Records kept by a watch: complete, in order for each key, each change told once, also over compaction. */
import assert from 'node:assert/strict';
import * as z from 'zod';
import {type RecordChange, WatchedRecords} from '../../coordinator/effects/watchedRecords.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {noDisposable} from '../../coordinator/runtime/disposable.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {Store, WatchMessage} from '../../coordinator/store/store.ts';
import {eventually} from '../fixtures/eventually.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

const Counter = z.object({n: z.number()});
type Counter = z.infer<typeof Counter>;

describe('watched records', () => {
  let test: TestStore;
  let watched: WatchedRecords<typeof Counter>;
  let told: RecordChange<Counter>[];
  let clock: ManualClock;

  beforeEach(async () => {
    clock = new ManualClock();
    test = await openTestStore();
    watch(test.store);
  });
  afterEach(async () => {
    watched.dispose();
    await test.remove();
  });

  const watch = (store: Store): void => {
    watched = new WatchedRecords({store, schema: Counter, prefix: 'c/', clock, logger: silentLogger});
    told = [];
    watched.onChange(change => told.push(change));
  };
  const put = (key: string, n: number) =>
    test.store.txn({
      then: [
        {kind: 'put', key, value: JSON.stringify({n})},
        {kind: 'get', key},
      ],
    });
  const remove = (key: string) => test.store.txn({then: [{kind: 'delete', key}]});
  const now = () => Object.fromEntries([...watched.all()].map(({key, value}) => [key, value.n]));

  it('has what was there and follows what comes', async () => {
    await put('c/a', 1);
    await put('d/a', 9);
    await watched.start();
    assert.deepEqual(now(), {'c/a': 1});
    await put('c/b', 2);
    await put('c/a', 3);
    await remove('c/b');
    await eventually(async () => assert.deepEqual(now(), {'c/a': 3}));
    assert.deepEqual(
      told.map(change => [change.key, change.before?.value.n, change.now?.value.n]),
      [
        ['c/a', undefined, 1],
        ['c/b', undefined, 2],
        ['c/a', 1, 3],
        ['c/b', 2, undefined],
      ],
    );
  });

  it('takes an own write ahead of the watch and tells it once', async () => {
    await watched.start();
    const {responses} = await put('c/a', 1);
    const [, got] = responses;
    assert.ok(got?.kind === 'range' && got.kvs[0]);
    watched.take(got.kvs[0]);
    assert.deepEqual(now(), {'c/a': 1});
    await put('c/z', 1);
    await eventually(async () => assert.equal(watched.size, 2));
    assert.equal(told.filter(({key}) => key === 'c/a').length, 1);
    watched.take({...got.kvs[0], value: '{"n":0}'});
    assert.equal(watched.get('c/a')?.value.n, 1);
  });

  it('leaves out a record that it cannot read', async () => {
    await put('c/a', 1);
    await watched.start();
    await test.store.txn({then: [{kind: 'put', key: 'c/a', value: 'no json'}]});
    await put('c/b', 2);
    await eventually(async () => assert.deepEqual(now(), {'c/b': 2}));
    await put('c/a', 3);
    await eventually(async () => assert.deepEqual(now(), {'c/a': 3, 'c/b': 2}));
  });

  it('tells the difference when compaction cut the watch, also when the store is away just then', async () => {
    const listeners: ((message: WatchMessage) => void)[] = [];
    let away = false;
    const deaf = new Proxy(test.store, {
      get(store, name) {
        if (name === 'watch')
          return (...args: Parameters<Store['watch']>) => {
            listeners.push(args[2]);
            return listeners.length > 1 ? store.watch(...args) : noDisposable;
          };
        if (name === 'range' && away)
          return () => Promise.reject(new CoordinatorError('unavailable', 'no majority'));
        const member: unknown = Reflect.get(store, name, store);
        return typeof member === 'function' ? member.bind(store) : member;
      },
    });
    watch(deaf);
    await put('c/changed', 1);
    await put('c/gone', 1);
    await watched.start();
    await put('c/changed', 2);
    await remove('c/gone');
    await put('c/new', 3);
    told = [];
    away = true;
    listeners[0]?.({kind: 'compacted', compactRevision: 9});
    await eventually(async () => {
      clock.advance(100);
      assert.ok(clock.now() > 1500);
    });
    away = false;
    await eventually(async () => {
      clock.advance(100);
      assert.deepEqual(now(), {'c/changed': 2, 'c/new': 3});
    });
    assert.deepEqual(
      told.map(change => [change.key, change.before?.value.n, change.now?.value.n]),
      [
        ['c/changed', 1, 2],
        ['c/new', undefined, 3],
        ['c/gone', 1, undefined],
      ],
    );
    await put('c/new', 4);
    await eventually(async () => assert.equal(watched.get('c/new')?.value.n, 4));
  });

  it('pages through many records', async () => {
    for (let from = 0; from < 2500; from += 100)
      await test.store.txn({
        then: Array.from(
          {length: 100},
          (_, n) => ({kind: 'put', key: `c/${from + n}`, value: '{"n":1}'}) as const,
        ),
      });
    await watched.start();
    assert.equal(watched.size, 2500);
  });
});
