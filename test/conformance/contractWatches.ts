/** The store's contract on watches: gap-free, in order, resumable. */
import assert from 'node:assert/strict';
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import type {Store} from '../../coordinator/store/store.ts';
import {plain, put, Recorder} from './contractSupport.ts';

export function watchTests(get: () => Store): void {
  let open: Disposable[] = [];
  afterEach(() => {
    for (const watch of open) watch.dispose();
    open = [];
  });
  const watch = (prefix: string, fromRevision?: number): Recorder => {
    const recorder = new Recorder();
    open.push(get().watch(prefix, fromRevision === undefined ? {} : {fromRevision}, recorder.listen));
    return recorder;
  };

  it('delivers every revision whole, in order, once', async () => {
    const store = get();
    const from = (await store.txn({then: [put('x', '0')]})).revision + 1;
    const seen = watch('a/', from);
    for (let n = 0; n < 5; n++)
      await store.txn({then: [put('a/1', String(n)), put('b/1', '-'), put(`a/2`, String(n))]});
    await store.txn({then: [put('b/2', '-')]});
    await store.txn({then: [{kind: 'delete', key: 'a/1'}]});
    await seen.first(6);
    assert.deepEqual(seen.text(), [
      ...[0, 1, 2, 3, 4].map(n => `${from + n}:put a/1=${n},put a/2=${n}`),
      `${from + 6}:delete a/1`,
    ]);
  });

  it('carries the state of a key before and after', async () => {
    const store = get();
    const r1 = (await store.txn({then: [put('k', '1')]})).revision;
    const seen = watch('k', r1 + 1);
    const r2 = (await store.txn({then: [put('k', '2')]})).revision;
    const r3 = (await store.txn({then: [{kind: 'delete', key: 'k'}]})).revision;
    const events = (await seen.first(2)).flatMap(message =>
      message.kind === 'events' ? message.events : [],
    );
    assert.deepEqual(plain(events[0]?.kv), {
      key: 'k',
      value: '2',
      createRevision: r1,
      modRevision: r2,
      version: 2,
    });
    assert.deepEqual(plain(events[0]?.previous), {
      key: 'k',
      value: '1',
      createRevision: r1,
      modRevision: r1,
      version: 1,
    });
    assert.equal(events[1]?.kind, 'delete');
    assert.equal(events[1]?.kv.value, '');
    assert.equal(events[1]?.kv.modRevision, r3);
    assert.equal(events[1]?.previous?.value, '2');
  });

  it('resumes from an old revision without a gap or a repeat', async () => {
    const store = get();
    const revisions: number[] = [];
    for (let n = 0; n < 50; n++) revisions.push((await store.txn({then: [put('k', String(n))]})).revision);
    const seen = watch('k', revisions[10]);
    const later = Promise.all(
      Array.from({length: 50}, (_, n) => store.txn({then: [put('k', String(50 + n))]})),
    );
    await later;
    await seen.first(90);
    const got = seen.messages.map(message => (message.kind === 'events' ? message.revision : -1));
    assert.deepEqual(
      got,
      Array.from({length: 90}, (_, n) => (revisions[10] ?? 0) + n),
    );
  });

  it('starts with the next revision by default', async () => {
    const store = get();
    await store.txn({then: [put('k', 'old')]});
    const seen = watch('');
    const marker = watch('m');
    // A driver over a network may need a moment to register a watch that names no revision.
    for (let n = 0; marker.messages.length === 0; n++) await store.txn({then: [put('m', String(n))]});
    assert.ok(seen.text().every(text => !text.includes('old')));
  });

  it('waits for a revision to come', async () => {
    const store = get();
    const {revision} = await store.txn({then: [put('k', '0')]});
    const seen = watch('k', revision + 2);
    await store.txn({then: [put('k', '1')]});
    await store.txn({then: [put('k', '2')]});
    await seen.first(1);
    assert.deepEqual(seen.text(), [`${revision + 2}:put k=2`]);
  });

  it('answers `compacted` to a revision that is gone', async () => {
    const store = get();
    const r1 = (await store.txn({then: [put('k', '1')]})).revision;
    await store.txn({then: [put('k', '2')]});
    const r3 = (await store.txn({then: [put('k', '3')]})).revision;
    await store.compact(r3);
    const messages = await watch('k', r1).first(1);
    assert.equal(messages[0]?.kind, 'compacted');
    assert.equal(messages[0]?.kind === 'compacted' && messages[0].compactRevision, r3);
    await store.txn({then: [put('k', '4')]});
    assert.deepEqual((await watch('k', r3 + 1).first(1)).length, 1);
    assert.equal(messages.length, 1);
  });

  it('answers `compacted` to the compacted revision itself, whose deletions are gone', async () => {
    const store = get();
    await store.txn({then: [put('k', '1')]});
    const {revision} = await store.txn({then: [{kind: 'delete', key: 'k'}]});
    await store.txn({then: [put('k', '2')]});
    await store.compact(revision);
    assert.equal((await watch('k', revision).first(1))[0]?.kind, 'compacted');
    await watch('k', revision + 1).first(1);
  });

  it('may end in its own listener', async () => {
    const store = get();
    const {revision} = await store.txn({then: [put('k', '0')]});
    let calls = 0;
    const once = store.watch('k', {fromRevision: revision}, () => {
      calls += 1;
      once.dispose();
    });
    const seen = watch('k', revision);
    for (let n = 1; n < 4; n++) await store.txn({then: [put('k', String(n))]});
    await seen.first(4);
    assert.equal(calls, 1);
  });

  it('takes a new watch in a listener, from what is being told', async () => {
    const store = get();
    const {revision} = await store.txn({then: [put('k', '0')]});
    const inner = new Recorder();
    const outer = watch('k', revision + 1);
    open.push(
      store.watch('k', {fromRevision: revision + 1}, message => {
        if (message.kind === 'events' && open.length === 2)
          open.push(store.watch('k', {fromRevision: message.revision}, inner.listen));
      }),
    );
    for (let n = 1; n < 4; n++) await store.txn({then: [put('k', String(n))]});
    await inner.first(3);
    await outer.first(3);
    assert.deepEqual(inner.text(), outer.text());
  });

  it('is silent after it was disposed', async () => {
    const store = get();
    const {revision} = await store.txn({then: [put('k', '0')]});
    const ended = new Recorder();
    store.watch('k', {fromRevision: revision + 1}, ended.listen).dispose();
    const seen = watch('k', revision + 1);
    await store.txn({then: [put('k', '1')]});
    await seen.first(1);
    assert.deepEqual(ended.messages, []);
  });

  it('feeds watchers of nested prefixes each their part', async () => {
    const store = get();
    const from = (await store.txn({then: [put('z', '')]})).revision + 1;
    const watchers = ['', 'a', 'a/', 'a/b', 'a/b/c', 'b'].map(prefix => ({
      prefix,
      seen: watch(prefix, from),
    }));
    const keys = ['a', 'a/', 'a/b', 'a/b/c', 'a/x', 'b', 'ab'];
    for (const key of keys) await store.txn({then: [put(key, '')]});
    for (const {prefix, seen} of watchers) {
      const expected = keys.filter(key => key.startsWith(prefix));
      await seen.first(expected.length);
      assert.deepEqual(
        seen.text().map(text => text.replace(/^\d+:put (.*)=$/, '$1')),
        expected,
        prefix,
      );
    }
  });
}
