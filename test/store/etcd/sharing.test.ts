/** An etcd that others use too: what they do to it, what we do not do to them, and how a restored one is told from the one before. */
import assert from 'node:assert/strict';
import {cp, rename, rm} from 'node:fs/promises';
import path from 'node:path';
import type {Etcd3} from 'etcd3';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import type {EtcdStore} from '../../../coordinator/store/etcd/etcdStore.ts';
import {STORE_LIMITS, type Store, type WatchMessage} from '../../../coordinator/store/store.ts';
import {cuttingProxy} from '../../artifacts/cuttingProxy.ts';
import {EtcdServer, missingEtcd} from '../../support/etcdServer.ts';
import {found} from '../../support/waiting.ts';
import {followed, openStore, put, writeMany} from './etcdFixture.ts';

const missing = missingEtcd();
const PATIENCE_MS = 60_000;

describe(`an etcd that is shared${missing === undefined ? '' : `: ${missing}`}`, function () {
  this.timeout(180_000);
  let server: EtcdServer;
  let client: Etcd3;
  let prefixes = 0;
  const closing: (() => Promise<void>)[] = [];
  before(async function () {
    if (missing !== undefined) return this.skip();
    server = await EtcdServer.start();
    client = server.client();
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  after(async () => {
    client?.close();
    await server?.stop();
  });
  const open = async (...args: Parameters<typeof openStore>): Promise<EtcdStore> => {
    const store = await openStore(...args);
    closing.push(() => store.close());
    return store;
  };
  const url = (): string => `${server.url}/shared/${prefixes++}`;
  const firstOf = (store: Store, prefix: string, fromRevision?: number): Promise<WatchMessage> =>
    new Promise(resolve => store.watch(prefix, {fromRevision}, resolve));
  const refused = (run: Promise<unknown>, code: 'notFound' | 'diskFull' | 'corrupt'): Promise<void> =>
    assert.rejects(run, error => isCoordinatorError(error, code));

  it('shows each store its own prefix and nothing of others', async () => {
    const [one, two] = [await open(url()), await open(url())];
    await client.put('shared').value('of others');
    await client.put('zz').value('of others');
    const {revision} = await one.txn({then: [put('a', '1'), put('b', '1')]});
    await two.txn({then: [put('a', '2')]});
    await two.txn({then: [{kind: 'deletePrefix', prefix: ''}]});
    assert.deepEqual((await two.range('')).kvs, []);
    assert.deepEqual(
      (await one.range('')).kvs.map(({key}) => key),
      ['a', 'b'],
    );
    assert.deepEqual(await followed(one, '', revision, revision), [`${revision}:2`]);
    assert.equal(await client.get('shared').string(), 'of others');
    assert.equal(await client.get('zz').string(), 'of others');
    assert.equal(one.status().keys, 2);
  });

  it('is not taken to be behind for what others write', async () => {
    const settings = {heartbeatMs: 400, staleAfterMs: 1000};
    const store = await open(url(), {settings});
    await store.txn({then: [put('k', '1')]});
    // Refused comparisons answer with the revision of whoever wrote last.
    for (let n = 0; n < 15; n++) {
      await client.put('of others').value(String(n));
      const {succeeded} = await store.txn({
        compare: [{key: 'k', target: 'version', op: '=', operand: 99}],
        then: [put('k', '2')],
        else: [{kind: 'delete', key: 'nothing'}],
      });
      assert.equal(succeeded, false);
      await new Promise(resolve => setTimeout(resolve, 100));
      assert.ok(store.staleness().ageMs < 5000, `${store.staleness().ageMs} ms`);
    }
    await found(() => (store.staleness().ageMs < 800 ? true : undefined), PATIENCE_MS, 'it to be fresh');
  });

  it('is never compacted by us: our history is forgotten for those who share the prefix, and for them only', async () => {
    const mine = url();
    const [one, other] = [await open(mine), await open(mine)];
    const stranger = await open(url());
    const kept = (await stranger.txn({then: [put('k', '1')]})).revision;
    await stranger.txn({then: [put('k', '2')]});
    const old = (await one.txn({then: [put('k', '1')]})).revision;
    const newer = (await one.txn({then: [put('k', '2')]})).revision;
    await one.compact(newer);
    await refused(one.get('k', {atRevision: old}), 'notFound');
    await found(
      () => (other.status().compactRevision === newer ? true : undefined),
      PATIENCE_MS,
      'the others to know',
    );
    await refused(other.get('k', {atRevision: old}), 'notFound');
    assert.equal((await firstOf(other, 'k', old)).kind, 'compacted');
    assert.equal((await (await open(mine)).status()).compactRevision, newer);
    assert.equal((await stranger.get('k', {atRevision: kept}))?.value, '1');
    assert.equal(
      await client
        .get(`${mine.slice(server.url.length + 1)}/k/k`)
        .revision(old)
        .string(),
      '1',
    );
  });

  it('tells how far others have compacted it, and what it asks of watches then', async () => {
    const store = await open(url(), {settings: {recentRevisions: 5}});
    const revisions = await writeMany(store, 40, '');
    const [at = 0, before = 0, next = 0] = [revisions[20], revisions[19], revisions[21]];
    await client.kv.compact({revision: at});
    await refused(store.get('a/1', {atRevision: before}), 'notFound');
    assert.equal(store.status().compactRevision, at);
    for (const from of [before, at]) {
      const message = await firstOf(store, '', from);
      assert.deepEqual(message, {kind: 'compacted', compactRevision: at});
    }
    const last = revisions.at(-1) ?? 0;
    assert.deepEqual(
      await followed(store, '', next, last),
      revisions.slice(21).map(revision => `${revision}:2`),
    );
    const later = await open(url());
    assert.equal(later.status().compactRevision, at, 'a new store finds it out');
  });

  it('answers `compacted` at the very revision of a compaction that it has not heard of, where deletions are gone', async () => {
    const store = await open(url(), {settings: {recentRevisions: 2}});
    await store.txn({then: [put('k', '1')]});
    const {revision} = await store.txn({then: [{kind: 'delete', key: 'k'}]});
    const later = await writeMany(store, 5, '');
    await followed(store, '', later[4] ?? 0, later[4] ?? 0);
    await client.kv.compact({revision});
    assert.deepEqual(await firstOf(store, '', revision), {kind: 'compacted', compactRevision: revision});
    assert.equal((await firstOf(store, '', revision + 1)).kind, 'events');
  });

  it('answers `compacted` to watches that were cut off while it was, unless they want only what came later', async () => {
    const mine = url();
    const proxy = await cuttingProxy(Number(server.endpoints[0]?.split(':')[1]));
    closing.push(() => proxy.close());
    const writer = await open(mine);
    const reader = await open(mine.replace(server.endpoints[0] ?? '', `127.0.0.1:${proxy.port}`));
    const {revision} = await writer.txn({then: [put('k', '0')]});
    const told: WatchMessage[] = [];
    reader.watch('k', {fromRevision: revision}, message => told.push(message));
    await found(() => (told.length === 1 ? true : undefined), PATIENCE_MS, 'the first event');
    // No connection comes through for a while.
    proxy.cuts.push(...Array.from({length: 1000}, () => ({direction: 'up', bytes: 0}) as const));
    proxy.endAll();
    let newest = 0;
    for (let n = 1; n <= 5; n++) newest = (await writer.txn({then: [put('k', String(n))]})).revision;
    newest = (await writer.txn({then: [put('unseen', '')]})).revision;
    await client.kv.compact({revision: newest});
    const later: WatchMessage[] = [];
    reader.watch('k', {fromRevision: newest + 1}, message => later.push(message));
    proxy.cuts.length = 0;
    await found(() => (told.length > 1 ? true : undefined), PATIENCE_MS, 'an answer');
    assert.deepEqual(told.slice(1), [{kind: 'compacted', compactRevision: newest}]);
    await found(
      () => (reader.status().keys === 2 ? true : undefined),
      PATIENCE_MS,
      'the keys to be counted again',
    );
    const again = (await writer.txn({then: [put('k', 'again')]})).revision;
    assert.deepEqual(await followed(reader, 'k', newest + 1, again), [`${again}:1`]);
    assert.deepEqual(
      later.map(message => (message.kind === 'events' ? message.revision : message.kind)),
      [again],
    );
  });

  it('keeps an incarnation while it is the same, and gets another one in another cluster', async () => {
    const mine = url();
    const first = await open(mine);
    assert.equal((await open(mine)).status().incarnation, first.status().incarnation);
    const other = await EtcdServer.start();
    closing.push(() => other.stop());
    const copy = other.client();
    closing.push(async () => copy.close());
    const prefix = mine.slice(server.url.length + 1);
    for (const [key, value] of Object.entries(await client.getAll().prefix(`${prefix}/`).strings()))
      await copy.put(key).value(value);
    const restored = await open(`${other.url}/${prefix}`);
    assert.notEqual(restored.status().incarnation, first.status().incarnation);
  });

  for (const value of [JSON.stringify({v: 1, incarnation: 'another', cluster: '1'}), 'of another program'])
    it(`ends the store when its keys are replaced under it: ${value}`, async () => {
      const mine = url();
      const store = await open(mine);
      const ended = firstOf(store, 'k');
      await client.put(`${mine.slice(server.url.length + 1)}/s/incarnation`).value(value);
      const message = await ended;
      assert.ok(message.kind === 'closed' && isCoordinatorError(message.error, 'corrupt'));
      await refused(store.txn({then: [put('k', '1')]}), 'corrupt');
    });

  it('ends the store when a backup was put in its place, and is another incarnation from then on', async () => {
    const own = await EtcdServer.start();
    closing.push(() => own.stop());
    const store = await open(own.url, {settings: {heartbeatMs: 300}});
    await store.txn({then: [put('k', 'kept')]});
    const {incarnation} = store.status();
    const [data, copy] = [path.join(own.folder, 'm0'), path.join(own.folder, 'copy')];
    await own.kill(0);
    await cp(data, copy, {recursive: true});
    own.run(0);
    await own.answers();
    for (let n = 0; n < 20; n++)
      await found(
        () => store.txn({then: [put('k', String(n))]}).catch(() => undefined),
        PATIENCE_MS,
        'a write',
      );
    const ended = firstOf(store, 'other');
    await own.kill(0);
    await rm(data, {recursive: true});
    await rename(copy, data);
    own.run(0);
    const message = await ended;
    assert.ok(message.kind === 'closed' && isCoordinatorError(message.error, 'corrupt'));
    const again = await open(own.url);
    assert.equal((await again.get('k'))?.value, 'kept');
    assert.notEqual(again.status().incarnation, incarnation);
  });

  it('is not opened on a prefix that holds something else', async () => {
    const mine = url();
    await client.put(`${mine.slice(server.url.length + 1)}/s/incarnation`).value('of another program');
    await refused(openStore(mine), 'corrupt');
  });

  it('says when it is full, keeps what it has, and goes on when there is space', async () => {
    const small = await EtcdServer.start({args: ['--quota-backend-bytes', String(3 * 1024 * 1024)]});
    closing.push(() => small.stop());
    const store = await open(`${small.url}/full`);
    const admin = small.client();
    closing.push(async () => admin.close());
    const value = 'x'.repeat(STORE_LIMITS.maxRecordBytes);
    let written = 0;
    await refused(
      (async () => {
        for (; written < 200; written++) await store.txn({then: [put(`k/${written}`, value)]});
      })(),
      'diskFull',
    );
    assert.ok(written > 5);
    assert.equal((await store.range('k/')).kvs.length, written);
    const {revision} = await store.txn({then: [{kind: 'deletePrefix', prefix: 'k/'}]});
    await admin.kv.compact({revision, physical: true});
    await admin.maintenance.defragment();
    const {alarms} = await admin.maintenance.alarm({action: 'Get'});
    for (const {memberID} of alarms)
      await admin.maintenance.alarm({action: 'Deactivate', memberID, alarm: 'Nospace'});
    assert.ok((await store.txn({then: [put('k/again', 'small')]})).succeeded);
  });
});
