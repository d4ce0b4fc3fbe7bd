/** Sealing that is cut off at any step, before or after it took effect, and goes on from what is there. */
import assert from 'node:assert/strict';
import type {HistoryBlobs} from '../../coordinator/history/historySegments.ts';
import {HistorySegment} from '../../coordinator/protocol/model/history.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import {storedRecord} from '../../coordinator/store/records.ts';
import type {Store} from '../../coordinator/store/store.ts';
import {keys} from '../fixtures/attempts.ts';
import {eventually} from '../fixtures/eventually.ts';
import {FaultyStore} from '../tasks/faultyStore.ts';
import {assertStateIsStored, FENCE, HistoryFixture} from './historyFixture.ts';
import {changeSomething, sessionRow} from './randomSession.ts';

const SESSIONS = ['s-1', 's-2', 's-3'];
const SETTINGS = {rowsAfterBytes: 1, sealBytes: 2000};
const NEVER = new Promise<never>(() => undefined);

/** Counts the writes of a journal, and lets none but the first `left` happen; `late`: the last one happens and is not heard of. */
class DyingWrites {
  died = false;
  constructor(
    private left: number,
    private readonly late: boolean,
  ) {}

  async run<T>(write: () => Promise<T>): Promise<T> {
    if (this.died) return NEVER;
    this.left -= 1;
    if (this.left >= 0) return write();
    if (this.late) await write();
    this.died = true;
    return NEVER;
  }
}

class DyingStore extends FaultyStore {
  constructor(
    real: Store,
    private readonly writes: DyingWrites,
  ) {
    super(real, seededRandom(1), 0);
  }

  override txn(txn: Parameters<Store['txn']>[0]): ReturnType<Store['txn']> {
    return this.writes.run(() => super.txn(txn));
  }
}

describe('sealing a history', function () {
  this.timeout(60_000);
  let fixture: HistoryFixture;
  beforeEach(async () => {
    fixture = await HistoryFixture.open();
  });
  afterEach(() => fixture.close());

  /** Each change once, in segments that neither overlap nor leave anything out. */
  async function assertWhole(revisions: readonly number[]): Promise<void> {
    const {store} = fixture.test;
    const history = await fixture.start({...SETTINGS, retryMs: 1});
    // A write of the dead one may have come between.
    const {revision: now} = store.status();
    await eventually(async () => assert.ok(history.journal.revision >= now));
    await history.journal.flush();
    for (const sessionId of SESSIONS) {
      const {kvs} = await store.range(keys.history(sessionId));
      const changes = kvs
        .map(kv => storedRecord(HistorySegment, kv).value)
        .filter(({kind}) => kind === 'changes');
      for (const [at, {firstRevision}] of changes.entries())
        assert.ok(firstRevision > (changes[at - 1]?.lastRevision ?? 0), `${sessionId}: segments overlap`);
      for (const revision of revisions) await assertStateIsStored(history, store, sessionId, revision);
      const marks = await fixture.marks(history, sessionId);
      const names = marks.map(({revision, kind, id}) => `${revision} ${kind} ${id}`);
      assert.equal(new Set(names).size, names.length, 'a change is told twice');
      assert.ok(!marks.some(({kind}) => kind === 'gap'));
    }
  }

  for (const late of [false, true])
    it(`loses and repeats nothing when it dies at any step, ${late ? 'after' : 'before'} that was done`, async () => {
      const random = seededRandom(late ? 1 : 2);
      const revisions: number[] = [];
      let step = 0;
      for (let reached = true; reached; step++) {
        const {store} = fixture.test;
        if (step === 0) await store.txn({then: SESSIONS.map(id => sessionRow(id, 'running', random))});
        const writes = new DyingWrites(step, late);
        const {put, get} = fixture.blobs;
        const blobs: HistoryBlobs = {get, put: bytes => writes.run(() => put(bytes))};
        const history = fixture.history(SETTINGS, {store: new DyingStore(store, writes), blobs});
        const started = history.journal.start(FENCE);
        for (let change = 0; change < 6; change++)
          revisions.push(await changeSomething(store, SESSIONS, random));
        const died = (async () => {
          while (!writes.died) await new Promise(resolve => setImmediate(resolve));
        })();
        const sealed = started.then(() => history.journal.flush());
        await Promise.race([sealed, died]);
        reached = writes.died;
        writes.died = true;
        history.journal.dispose();
        await assertWhole(revisions.slice(-6));
      }
      assert.ok(step > 5, `${step} steps`);
      await assertWhole(revisions);
    });

  it('goes on after failures, and after a transaction that nobody answered', async () => {
    const random = seededRandom(3);
    const {store} = fixture.test;
    const faulty = new FaultyStore(store, random, 0.5);
    await store.txn({then: SESSIONS.map(id => sessionRow(id, 'running', random))});
    const revisions: number[] = [];
    const history = fixture.history({...SETTINGS, sealIntervalMs: 1, retryMs: 1}, {store: faulty});
    await history.journal.start(FENCE);
    for (let change = 0; change < 40; change++) {
      revisions.push(await changeSomething(store, SESSIONS, random));
      if (change % 8 === 0) faulty.fill();
      if (change % 8 === 4) faulty.free();
      await new Promise(resolve => setImmediate(resolve));
    }
    faulty.kill();
    await assertWhole(revisions);
  });

  it('leaves to the store what it cannot seal rather than hold it without bound', async () => {
    const random = seededRandom(4);
    const {store} = fixture.test;
    let full = true;
    const {put, get} = fixture.blobs;
    const refusing: HistoryBlobs = {
      get,
      put: bytes =>
        full ? Promise.reject(new CoordinatorError('diskFull', 'no space is left')) : put(bytes),
    };
    const history = fixture.history({...SETTINGS, maxHeldBytes: 10_000, retryMs: 1}, {blobs: refusing});
    await history.journal.start(FENCE);
    await store.txn({then: SESSIONS.map(id => sessionRow(id, 'running', random))});
    const revisions: number[] = [];
    for (let change = 0; change < 60; change++)
      revisions.push(await changeSomething(store, SESSIONS, random));
    assert.ok(SESSIONS.reduce((sum, id) => sum + history.journal.tail(id).length, 0) < 60);
    full = false;
    await assertWhole(revisions);
  });
});
