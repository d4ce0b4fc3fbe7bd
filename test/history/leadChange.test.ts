/** Histories of several coordinators on one store: one seals, under the lead's fence; all of them answer, whoever leads. */
import assert from 'node:assert/strict';
import {sweepArtifacts} from '../../coordinator/artifacts/sweepArtifacts.ts';
import type {HistorySettings} from '../../coordinator/history/historySettings.ts';
import type {SessionHistory} from '../../coordinator/history/sessionHistory.ts';
import {HistorySegment} from '../../coordinator/protocol/model/history.ts';
import {SYSTEM_KEYS} from '../../coordinator/protocol/model/keys.ts';
import {seededRandom, systemRandom} from '../../coordinator/runtime/random.ts';
import {putRecord, storedRecord} from '../../coordinator/store/records.ts';
import type {Compare} from '../../coordinator/store/store.ts';
import {keys, TENANT} from '../fixtures/attempts.ts';
import {eventually} from '../fixtures/eventually.ts';
import {assertStateIsStored, HistoryFixture} from './historyFixture.ts';
import {changeSomething, sessionRow} from './randomSession.ts';

const SESSIONS = ['s-1', 's-2', 's-3'];
const SETTINGS: Partial<HistorySettings> = {rowsAfterBytes: 2000, sealBytes: 2000, retryMs: 1};

describe('the histories of several coordinators', function () {
  this.timeout(60_000);
  let fixture: HistoryFixture;
  beforeEach(async () => {
    fixture = await HistoryFixture.open();
  });
  afterEach(() => fixture.close());

  /** Somebody else leads from now on; the fence of whoever led has fallen. */
  async function elect(coordinator: string): Promise<Compare> {
    const {store} = fixture.test;
    const key = SYSTEM_KEYS.lead;
    await store.txn({then: [{kind: 'delete', key}]});
    const {revision} = await store.txn({then: [putRecord(key, {v: 1, principal: coordinator, coordinator})]});
    return {key, target: 'create', op: '=', operand: revision};
  }

  async function coordinators(count: number, settings = SETTINGS): Promise<SessionHistory[]> {
    const all = Array.from({length: count}, (_, at) =>
      fixture.another(settings, {coordinator: `c-${at + 1}`}),
    );
    for (const {journal} of all) await journal.start();
    return all;
  }

  /** Every change once in what is sealed, and the same past at every coordinator. */
  async function assertWhole(
    histories: readonly SessionHistory[],
    revisions: readonly number[],
  ): Promise<void> {
    const {store} = fixture.test;
    for (const sessionId of SESSIONS) {
      const {kvs} = await store.range(keys.history(sessionId));
      const sealed = kvs.map(kv => storedRecord(HistorySegment, kv).value);
      const changes = sealed.filter(({kind}) => kind === 'changes');
      for (const [at, {firstRevision}] of changes.entries())
        assert.ok(firstRevision > (changes[at - 1]?.lastRevision ?? 0), `${sessionId}: segments overlap`);
      const tellings: string[][] = [];
      for (const history of histories) {
        for (const revision of revisions) await assertStateIsStored(history, store, sessionId, revision);
        const marks = await fixture.marks(history, sessionId);
        assert.ok(!marks.some(({kind}) => kind === 'gap'));
        tellings.push(marks.map(({revision, kind, id}) => `${revision} ${kind} ${id}`));
      }
      const [first = []] = tellings;
      assert.equal(new Set(first).size, first.length, 'a change is told twice');
      for (const telling of tellings) assert.deepEqual(telling, first);
    }
  }

  async function seen(histories: readonly SessionHistory[], revision: number): Promise<void> {
    for (const {journal} of histories) await journal.reached(revision);
  }

  it('are sealed by the one that leads, and read at all of them, sealed or not', async () => {
    const random = seededRandom(1);
    const {store} = fixture.test;
    const all = await coordinators(3);
    const [first, second, third] = all as [SessionHistory, SessionHistory, SessionHistory];
    await store.txn({then: SESSIONS.map(id => sessionRow(id, 'running', random))});
    const revisions: number[] = [];
    for (let n = 0; n < 10; n++) revisions.push(await changeSomething(store, SESSIONS, random));
    await seen(all, revisions.at(-1) ?? 0);
    await second.journal.flush();
    assert.deepEqual((await store.range(keys.histories)).kvs, [], 'nobody seals while nobody leads');
    await assertWhole(all, revisions);
    await first.journal.start(await elect('c-1'));
    await first.journal.flush();
    assert.notEqual((await store.range(keys.histories)).kvs.length, 0);
    await eventually(async () => {
      for (const {journal} of [second, third]) assert.deepEqual(journal.held(), [], 'it is sealed');
    });
    for (let n = 0; n < 5; n++) revisions.push(await changeSomething(store, SESSIONS, random));
    await seen(all, revisions.at(-1) ?? 0);
    assert.notEqual(third.journal.held().length, 0);
    await assertWhole(all, revisions);
  });

  it('go on with every next lead, with no gap and no change twice, whoever still believes that it leads', async () => {
    const seed = Number(process.env['MCPX_SEED'] ?? Date.now() % 2 ** 31);
    const random = seededRandom(seed);
    const {store} = fixture.test;
    const all = await coordinators(3, {...SETTINGS, sealIntervalMs: 5});
    await store.txn({then: SESSIONS.map(id => sessionRow(id, 'running', random))});
    const revisions: number[] = [];
    const believers = new Set<SessionHistory>();
    try {
      for (let step = 0; step < 70; step++) {
        revisions.push(await changeSomething(store, SESSIONS, random));
        const draw = random.next();
        const next = all[Math.floor(random.next() * all.length)] as SessionHistory;
        if (draw < 0.12) {
          next.journal.begin(await elect(`c-${all.indexOf(next) + 1}`));
          believers.add(next);
        } else if (draw < 0.3) for (const history of believers) await history.journal.flush().catch(() => 0);
        else if (draw < 0.4) {
          // It has heard of the loss; whoever leads now may be among them, and stops sealing until the next election.
          next.journal.end();
          believers.delete(next);
        }
      }
      for (const {journal} of believers) journal.end();
      const [last] = all as [SessionHistory];
      await last.journal.start(await elect('c-1'));
      await seen(all, revisions.at(-1) ?? 0);
      await last.journal.flush();
      await assertWhole(
        all,
        revisions.filter((_, at) => at % 5 === 0),
      );
    } catch (error) {
      throw new Error(`seed ${seed}`, {cause: error});
    }
  });

  it('hold no more than they may while whoever leads cannot seal, and go on when it can', async () => {
    const random = seededRandom(2);
    const {store} = fixture.test;
    const all = await coordinators(2, {...SETTINGS, maxHeldBytes: 10_000});
    const [first, second] = all as [SessionHistory, SessionHistory];
    await store.txn({then: SESSIONS.map(id => sessionRow(id, 'running', random))});
    const revisions: number[] = [];
    for (let n = 0; n < 60; n++) revisions.push(await changeSomething(store, SESSIONS, random));
    assert.ok(second.journal.held().length < 60);
    await first.journal.start(await elect('c-1'));
    await eventually(async () => {
      await first.journal.flush();
      assert.ok(second.journal.revision >= (revisions.at(-1) ?? 0));
      assert.deepEqual(second.journal.held(), []);
    });
    await assertWhole(all, revisions);
  });

  it('write down what the store forgot under the next lead; until then a follower says nothing about it', async () => {
    const random = seededRandom(3);
    const {store} = fixture.test;
    const [leader] = (await coordinators(1)) as [SessionHistory];
    await leader.journal.start(await elect('c-1'));
    await store.txn({then: SESSIONS.map(id => sessionRow(id, 'running', random))});
    await leader.journal.flush();
    leader.journal.dispose();
    const lost = await changeSomething(store, SESSIONS, random);
    const known = await changeSomething(store, SESSIONS, random);
    await store.compact(known);
    const follower = fixture.another(SETTINGS, {coordinator: 'c-2'});
    await follower.journal.start();
    assert.ok(follower.journal.revision < lost);
    const next = fixture.another(SETTINGS, {coordinator: 'c-3'});
    await next.journal.start(await elect('c-3'));
    const after = await changeSomething(store, SESSIONS, random);
    await follower.journal.reached(after);
    for (const sessionId of SESSIONS) await assertStateIsStored(follower, store, sessionId, after);
  });

  it('keep the artifacts that only the unsealed past names, at a coordinator that does not seal too', async () => {
    const {store} = fixture.test;
    const blobs = fixture.artifacts.tenant(TENANT);
    const put = async (text: string): Promise<string> => (await fixture.blobs.put(Buffer.from(text))).sha256;
    const [old, orphan] = [await put('old'), await put('orphan')];
    const [follower] = (await coordinators(1)) as [SessionHistory];
    await store.txn({then: [sessionRow('s-1', 'running', systemRandom)]});
    await store.txn({then: [putRecord(keys.memoryKey('s-1', 'a'), {v: 1, principal: 'p', value: old})]});
    await store.txn({then: [putRecord(keys.memoryKey('s-1', 'a'), {v: 1, principal: 'p', value: 0})]});
    const {kvs} = await store.backup(keys.base);
    await sweepArtifacts(blobs, {
      records: follower.namedWith(kvs),
      before: Date.now() + 60_000,
      read: fixture.blobs.get,
    });
    assert.deepEqual([await blobs.has(old), await blobs.has(orphan)], [true, false]);
  });
});
