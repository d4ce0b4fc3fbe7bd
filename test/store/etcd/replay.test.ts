/** Watches of a real etcd whose connection is cut in the middle of what they are told: nothing is lost, nothing comes twice. */
import assert from 'node:assert/strict';
import type {EtcdStore} from '../../../coordinator/store/etcd/etcdStore.ts';
import {STORE_LIMITS} from '../../../coordinator/store/store.ts';
import {cuttingProxy} from '../../artifacts/cuttingProxy.ts';
import {CuttingProxy} from '../../support/cuttingProxy.ts';
import {EtcdServer, missingEtcd} from '../../support/etcdServer.ts';
import {followed, openStore, put, writeMany} from './etcdFixture.ts';

const REVISIONS = 5000;
const missing = missingEtcd();

describe(`watches of an etcd over cuts${missing === undefined ? '' : `: ${missing}`}`, function () {
  this.timeout(180_000);
  let server: EtcdServer;
  let port = 0;
  let writer: EtcdStore;
  const closing: (() => Promise<void>)[] = [];
  before(async function () {
    if (missing !== undefined) return this.skip();
    server = await EtcdServer.start();
    port = Number(server.endpoints[0]?.split(':')[1]);
    writer = await openStore(`${server.url}/replay`);
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  after(async () => {
    await writer?.close();
    await server?.stop();
  });

  it(`replays ${REVISIONS} revisions whole and once, though it is cut in the middle again and again`, async () => {
    const revisions = await writeMany(writer, REVISIONS, 'x'.repeat(256));
    const proxy = await cuttingProxy(port);
    closing.push(() => proxy.close());
    const reader = await openStore(`etcd://127.0.0.1:${proxy.port}/replay`);
    closing.push(() => reader.close());
    const cutAt = [200_000, 1_500_000, 2_000_000, 1_400_000, 100_000];
    // The connection that is open already is cut by ending it; each next one after so many bytes.
    proxy.cuts.push(...cutAt.map(bytes => ({direction: 'down', bytes}) as const));
    const [first = 0] = revisions;
    const before = proxy.connections;
    proxy.endAll();
    const seen = await followed(reader, '', first, revisions.at(-1) ?? 0);
    assert.deepEqual(
      seen,
      revisions.map(revision => `${revision}:2`),
    );
    assert.equal(proxy.cuts.length, 0, 'every cut was made');
    assert.ok(proxy.connections >= before + cutAt.length);
  });

  it('gives a watcher its prefix only, from any revision of the past', async () => {
    const revisions = await writeMany(writer, 300, '');
    const reader = await openStore(`${server.url}/replay`);
    closing.push(() => reader.close());
    const from = revisions[120] ?? 0;
    const seen = await followed(reader, 'b/', from, revisions.at(-1) ?? 0);
    assert.deepEqual(
      seen,
      revisions.slice(120).map(revision => `${revision}:1`),
    );
  });

  it('puts revisions together that are too large for one message, also when it is cut in one', async () => {
    const ops = (n: number) =>
      Array.from({length: 15}, (_, index) =>
        put(`large/${index}`, `${n}`.repeat(STORE_LIMITS.maxRecordBytes - 8)),
      );
    const revisions: number[] = [];
    for (let n = 0; n < 5; n++) revisions.push((await writer.txn({then: ops(n)})).revision);
    const proxy = await cuttingProxy(port);
    closing.push(() => proxy.close());
    const reader = await openStore(`etcd://127.0.0.1:${proxy.port}/replay`);
    closing.push(() => reader.close());
    proxy.cuts.push({direction: 'down', bytes: 2_500_000}, {direction: 'down', bytes: 1_800_000});
    proxy.endAll();
    const seen = await followed(reader, 'large/', revisions[0] ?? 0, revisions.at(-1) ?? 0);
    assert.deepEqual(
      seen,
      revisions.map(revision => `${revision}:15`),
    );
    assert.equal(proxy.cuts.length, 0, 'every cut was made');
  });

  it('goes on where it was when its connection is reset while others write', async () => {
    const proxy = await CuttingProxy.open(() => port);
    closing.push(() => proxy.close());
    const reader = await openStore(`etcd://127.0.0.1:${proxy.port}/replay`);
    closing.push(() => reader.close());
    const {revision} = await writer.txn({then: [put('live', 'first')]});
    const seen: number[] = [];
    const watch = reader.watch('', {fromRevision: revision + 1}, message => {
      assert.equal(message.kind, 'events');
      if (message.kind !== 'events') return;
      seen.push(message.revision);
      if (seen.length % 150 === 0) proxy.reset();
    });
    const revisions = await writeMany(writer, 1000, '');
    const {revision: last} = await writer.txn({then: [put('live', 'last')]});
    await followed(reader, '', last, last);
    watch.dispose();
    assert.deepEqual(seen, [...revisions, last]);
  });
});
