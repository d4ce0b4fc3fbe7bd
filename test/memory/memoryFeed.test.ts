import assert from 'node:assert/strict';
import {type FeedEvent, MemoryFeed} from '../../coordinator/memory/memoryFeed.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import type {Store} from '../../coordinator/store/store.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

const KEYS = 2500;

describe('the feed of shared memory', () => {
  let test: TestStore;
  beforeEach(async () => {
    test = await openTestStore();
    for (let first = 0; first < KEYS; first += 100)
      await test.store.txn({
        then: Array.from({length: 100}, (_, index) => ({
          kind: 'put' as const,
          key: `m/${String(first + index).padStart(5, '0')}`,
          value: 'old',
        })),
      });
  });
  afterEach(() => test.remove());

  it('begins again when history is forgotten between two of its pages', async () => {
    const {store} = test;
    let pages = 0;
    const forgetful: Pick<Store, 'range' | 'watch'> = {
      watch: store.watch.bind(store),
      range: async (prefix, options) => {
        pages += 1;
        if (pages === 2) {
          const {revision} = await store.txn({then: [{kind: 'put', key: 'm/00000', value: 'new'}]});
          await store.compact(revision);
        }
        return store.range(prefix, options);
      },
    };
    const feed = new MemoryFeed({
      store: {...store, ...forgetful},
      ...{prefix: 'm/', clock: systemClock, logger: silentLogger},
    });
    const values = new Map<string, string>();
    const kinds = new Set<FeedEvent['kind']>();
    feed.onEvent(event => {
      kinds.add(event.kind);
      if (event.kind === 'lost') values.clear();
      if (event.kind === 'put') values.set(event.kv.key, event.kv.value);
    });
    await feed.start();
    assert.equal(values.size, KEYS);
    assert.equal(values.get('m/00000'), 'new');
    assert.ok(kinds.has('lost'));
    const heard = new Promise<FeedEvent>(resolve => feed.onEvent(resolve));
    await store.txn({then: [{kind: 'delete', key: 'm/00001'}]});
    assert.deepEqual((await heard).kind, 'delete');
    feed.dispose();
  });
});
