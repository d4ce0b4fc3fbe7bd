/** The past of sessions: exactly what the store said at every revision, over restarts, crashes and compaction. */
import assert from 'node:assert/strict';
import {sweepArtifacts} from '../../coordinator/artifacts/sweepArtifacts.ts';
import {TranscriptSegment} from '../../coordinator/protocol/model/facts.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {seededRandom, systemRandom} from '../../coordinator/runtime/random.ts';
import {putRecord} from '../../coordinator/store/records.ts';
import {client, keys, TENANT} from '../fixtures/attempts.ts';
import {eventually} from '../fixtures/eventually.ts';
import {assertStateIsStored, FENCE, HistoryFixture, wholeState} from './historyFixture.ts';
import {attemptRow, changeSomething, sessionRow, taskRow} from './randomSession.ts';

const SESSIONS = ['s-1', 's-2'];

describe('session history', function () {
  this.timeout(60_000);
  let fixture: HistoryFixture;
  beforeEach(async () => {
    fixture = await HistoryFixture.open();
  });
  afterEach(() => fixture.close());

  const segments = async (sessionId: string): Promise<string[]> =>
    (await fixture.test.store.range(keys.history(sessionId))).kvs.map(
      kv => kv.key.slice(keys.history(sessionId).length).split('.')[1] ?? '',
    );

  it('says at every revision what the store said, whatever was sealed, restarted and killed between', async () => {
    const seed = Number(process.env['MCPX_SEED'] ?? Date.now() % 2 ** 31);
    const random = seededRandom(seed);
    const {test} = fixture;
    let history = await fixture.start({rowsAfterBytes: 4000, sealBytes: 3000});
    const revisions: number[] = [];
    try {
      await test.store.txn({then: SESSIONS.map(id => sessionRow(id, 'running', random))});
      for (let step = 0; step < 120; step++) {
        revisions.push(await changeSomething(test.store, SESSIONS, random));
        const draw = random.next();
        if (draw < 0.1) await history.journal.flush();
        else if (draw < 0.14) history = await fixture.start({rowsAfterBytes: 4000, sealBytes: 3000});
        else if (draw < 0.16) {
          history.journal.dispose();
          await test.reopen();
          history = await fixture.start({rowsAfterBytes: 4000, sealBytes: 3000});
        }
      }
      // One that was started last may have to catch up.
      const {revision: now} = test.store.status();
      await eventually(async () => assert.ok(history.journal.revision >= now));
      for (const sessionId of SESSIONS) {
        for (const revision of revisions) await assertStateIsStored(history, test.store, sessionId, revision);
        const marks = await fixture.marks(history, sessionId);
        const changed = new Set<number>();
        test.store.watch(keys.base, {fromRevision: 1}, message => {
          if (message.kind !== 'events') return;
          const own = message.events.filter(
            ({key}) => key.match(/\/(?!history)[a-z]+\/(s-\d)/i)?.[1] === sessionId,
          );
          if (own.length > 0) changed.add(message.revision);
        });
        await eventually(async () =>
          assert.deepEqual([...new Set(marks.map(({revision}) => revision))], [...changed]),
        );
        assert.ok(marks.every(({kind}) => kind !== 'gap'));
        assert.deepEqual(
          marks.map(({at}) => at),
          marks.map(({at}) => at).sort((a, b) => a - b),
        );
        assert.ok((await segments(sessionId)).includes('rows'), 'rows were written down');
      }
    } catch (error) {
      throw new Error(`seed ${seed}`, {cause: error});
    }
  });

  it('does not need what the store has forgotten', async () => {
    const random = systemRandom;
    const {store} = fixture.test;
    const history = await fixture.start();
    await store.txn({then: [sessionRow('s-1', 'running', random), taskRow('s-1', 'build', 'ready', random)]});
    const {revision} = await store.txn({then: [taskRow('s-1', 'build', 'running', random)]});
    await store.txn({then: [taskRow('s-1', 'build', 'succeeded', random)]});
    await history.journal.flush();
    await store.compact(store.status().revision);
    await assert.rejects(store.range(keys.base, {atRevision: revision}));
    const {rows} = await wholeState(history, 's-1', revision);
    assert.deepEqual(
      rows.map(row => (row.kind === 'task' ? row.task.state : row.kind)),
      ['session', 'running'],
    );
    const again = await fixture.start();
    assert.deepEqual((await wholeState(again, 's-1', revision)).rows, rows);
    assert.deepEqual(
      (await fixture.marks(again, 's-1')).map(({kind, id, state}) => `${kind} ${id} ${state}`),
      ['session s-1 running', 'task build ready', 'task build running', 'task build succeeded'],
    );
  });

  it('says where it has a gap: what was not sealed when the store forgot it', async () => {
    const random = systemRandom;
    const {store} = fixture.test;
    const history = await fixture.start();
    await store.txn({
      then: [
        ...SESSIONS.map(id => sessionRow(id, 'running', random)),
        taskRow('s-1', 'build', 'ready', random),
      ],
    });
    await history.journal.flush();
    const known = store.status().revision;
    history.journal.dispose();
    const lost = (await store.txn({then: [taskRow('s-1', 'build', 'running', random)]})).revision;
    const last = (await store.txn({then: [taskRow('s-1', 'build', 'succeeded', random)]})).revision;
    await store.compact(last);
    const again = await fixture.start();
    const marks = await fixture.marks(again, 's-1');
    const gap = marks.at(-1);
    assert.ok(gap && gap.kind === 'gap' && gap.gapAfter !== undefined);
    assert.ok(gap.gapAfter < lost && gap.revision >= last, JSON.stringify({gap, known, lost}));
    const inside = await wholeState(again, 's-1', lost);
    assert.deepEqual(inside.gap, {after: gap.gapAfter, until: gap.revision});
    assert.ok(
      inside.rows.some(row => row.kind === 'task' && row.task.state === 'ready'),
      'as it was before the gap',
    );
    await assertStateIsStored(again, store, 's-1', gap.revision);
    assert.deepEqual(
      (await fixture.marks(again, 's-2')).map(({kind}) => kind),
      ['session'],
      'a session that did not change has no gap',
    );
  });

  it('begins with the rows of a session that is older than its journal', async () => {
    const random = systemRandom;
    const {store} = fixture.test;
    await store.txn({then: [sessionRow('s-1', 'running', random), taskRow('s-1', 'build', 'ready', random)]});
    await store.compact(store.status().revision);
    const history = await fixture.start();
    const {revision} = await store.txn({then: [taskRow('s-1', 'build', 'running', random)]});
    await assertStateIsStored(history, store, 's-1', revision);
    assert.deepEqual(
      (await fixture.marks(history, 's-1')).map(({kind, gapAfter}) => [kind, gapAfter]),
      [
        ['gap', 0],
        ['task', undefined],
      ],
    );
  });

  it('shows a session of thousands of tasks in pages', async () => {
    const tasks = 5000;
    const {store} = fixture.test;
    const history = await fixture.start();
    await store.txn({then: [sessionRow('s-1', 'running', systemRandom)]});
    for (const state of ['ready', 'succeeded'])
      for (let at = 0; at < tasks; at += 100) {
        const ids = Array.from({length: 100}, (_, index) => `t-${at + index}`);
        await store.txn({then: ids.map(id => taskRow('s-1', id, state, systemRandom))});
      }
    const last = store.status().revision;
    for (const sealed of [false, true]) {
      if (sealed) await history.journal.flush();
      const ids = new Set<string>();
      let pages = 0;
      for (let offset: number | undefined = 0; offset !== undefined; pages++) {
        const page = await history.reader.state({
          sessionId: 's-1',
          revision: last - 1,
          offset,
          limit: 10_000,
        });
        assert.ok(JSON.stringify(page).length < 2 * 1024 ** 2);
        assert.equal(page.total, tasks + 1);
        for (const row of page.rows) ids.add(row.id);
        offset = page.nextOffset;
      }
      assert.ok(pages > 1);
      assert.equal(ids.size, tasks + 1);
    }
    assert.equal((await fixture.marks(history, 's-1', 5000)).length, 2 * tasks + 1);
  });

  it('belongs to its tenant', async () => {
    const history = await fixture.start();
    assert.equal(history.readerFor(client), history.reader);
    assert.throws(() => history.readerFor({...client, tenant: 'other'}), /there is no such session/);
  });

  it('seals a session at most once in a while, and its end at once', async () => {
    const clock = new ManualClock();
    const random = systemRandom;
    const {store} = fixture.test;
    const history = fixture.history({sealIntervalMs: 5000}, {clock});
    await history.journal.start(FENCE);
    const sealed = (count: number) =>
      eventually(async () => assert.equal((await segments('s-1')).length, count));
    await store.txn({then: [sessionRow('s-1', 'running', random)]});
    clock.advance(4000);
    await store.txn({then: [taskRow('s-1', 'build', 'ready', random)]});
    assert.deepEqual(await segments('s-1'), []);
    clock.advance(1000);
    await sealed(1);
    await store.txn({then: [taskRow('s-1', 'build', 'running', random)]});
    clock.advance(4999);
    await new Promise(resolve => setImmediate(resolve));
    await sealed(1);
    clock.advance(1);
    await sealed(2);
    await store.txn({then: [sessionRow('s-1', 'failed', random)]});
    clock.advance(0);
    await sealed(3);
  });

  it('goes with its session', async () => {
    const random = systemRandom;
    const {store} = fixture.test;
    const history = await fixture.start();
    await store.txn({then: [sessionRow('s-1', 'running', random), taskRow('s-1', 'build', 'ready', random)]});
    await history.journal.flush();
    assert.equal((await segments('s-1')).length, 1);
    await store.txn({then: [{kind: 'deletePrefix', prefix: keys.tasks('s-1')}]});
    await store.txn({then: [{kind: 'delete', key: keys.session('s-1')}]});
    await history.journal.flush();
    assert.deepEqual(await segments('s-1'), []);
    await assert.rejects(history.reader.read({sessionId: 's-1', limit: 1}), /there is no session/);
    await store.txn({then: [sessionRow('s-1', 'running', random)]});
    await history.journal.flush();
    assert.deepEqual((await fixture.marks(history, 's-1')).length, 1);
  });

  it('goes with its session though it was killed before it could delete anything', async () => {
    const random = systemRandom;
    const {store} = fixture.test;
    const history = await fixture.start();
    await store.txn({then: SESSIONS.map(id => sessionRow(id, 'running', random))});
    await history.journal.flush();
    await store.txn({then: [{kind: 'delete', key: keys.session('s-1')}]});
    await (await fixture.start()).journal.flush();
    assert.deepEqual(await segments('s-1'), []);
    await store.txn({then: [{kind: 'delete', key: keys.session('s-2')}]});
    await store.compact(store.status().revision);
    await (await fixture.start()).journal.flush();
    assert.deepEqual(await segments('s-2'), []);
  });

  it('keeps the artifacts that only the past names from being swept, and lets them go with the session', async () => {
    const {store} = fixture.test;
    const blobs = fixture.artifacts.tenant(TENANT);
    const put = async (text: string) => (await blobs.put(Buffer.from(text))).sha256;
    const [old, listed, orphan] = [await put('old'), await put('listed'), await put('orphan')];
    const list = await put(JSON.stringify([{sha256: listed}]));
    const history = await fixture.start();
    const sweep = async (): Promise<void> => {
      const {kvs} = await store.backup(keys.base);
      await sweepArtifacts(blobs, {
        records: history.namedWith(kvs),
        before: Date.now() + 60_000,
        read: fixture.blobs.get,
      });
    };
    const there = () => Promise.all([old, listed, list, orphan].map(sha => blobs.has(sha)));
    const value = {a: old, result: {bundleList: list}};
    await store.txn({then: [sessionRow('s-1', 'running', systemRandom)]});
    await store.txn({then: [putRecord(keys.memoryKey('s-1', 'a'), {v: 1, principal: 'p', value})]});
    await store.txn({then: [putRecord(keys.memoryKey('s-1', 'a'), {v: 1, principal: 'p', value: 0})]});
    await sweep();
    assert.deepEqual(await there(), [true, true, true, false]);
    assert.equal((await fixture.marks(history, 's-1')).length, 3);
    await store.txn({then: [{kind: 'delete', key: keys.session('s-1')}]});
    // The first names them still, in the records of its own revision.
    await sweep();
    await sweep();
    assert.deepEqual(await there(), [false, false, false, false]);
  });

  it('tells how far the transcripts of attempts went', async () => {
    const random = systemRandom;
    const {store} = fixture.test;
    const history = await fixture.start();
    const attempt = 's-1.build.1';
    await store.txn({then: [sessionRow('s-1', 'running', random), attemptRow('s-1', 'build', 1, 'running')]});
    const seal = async (firstSeq: number, lastSeq: number): Promise<number> => {
      const segment = TranscriptSegment.parse({
        ...{v: 1, principal: 'p', artifact: '0'.repeat(64), bytes: 1, firstSeq, lastSeq},
      });
      return (await store.txn({then: [putRecord(keys.transcriptSegment(attempt, firstSeq), segment)]}))
        .revision;
    };
    const [first, second] = [await seal(1, 10), await seal(11, 25)];
    const at = async (revision: number) => (await wholeState(history, 's-1', revision, 100)).transcripts;
    assert.deepEqual(await at(first - 1), []);
    assert.deepEqual(await at(first), [{attemptId: attempt, lastSeq: 10}]);
    await store.compact(store.status().revision);
    assert.deepEqual(await at(second - 1), [{attemptId: attempt, lastSeq: 10}]);
    assert.deepEqual(await at(second), [{attemptId: attempt, lastSeq: 25}]);
  });
});
