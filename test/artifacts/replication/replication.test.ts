/** Artifacts of a cluster: what is acknowledged is on a majority of disks, and every coordinator serves every artifact. */
import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {readFile, writeFile} from 'node:fs/promises';
import * as net from 'node:net';
import path from 'node:path';
import {blobsOf} from '../../../coordinator/artifacts/textArtifacts.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {found} from '../../support/waiting.ts';
import {cuttingProxy} from '../cuttingProxy.ts';
import {ArtifactCluster, TENANT} from './artifactCluster.ts';

const sha = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
const code = (expected: string) => (error: unknown) => isCoordinatorError(error) && error.code === expected;

describe('artifacts of several coordinators', () => {
  let cluster: ArtifactCluster;
  afterEach(() => cluster.close());

  const start = async (options: Parameters<typeof ArtifactCluster.start>[1] = {}) => {
    cluster = await ArtifactCluster.start(['a', 'b', 'c'], options);
  };
  const put = async (id: string, content: Uint8Array) =>
    (await cluster.member(id).replicated.tenant(TENANT).put(content)).sha256;
  const onAll = async (sha256: string) =>
    found(
      async () => ((await cluster.having(sha256)).length === 3 ? true : undefined),
      5000,
      `${sha256} on all`,
    );

  describe('writing', () => {
    it('gets to a majority before it is acknowledged, and then to everybody', async () => {
      await start();
      const sha256 = await put('a', randomBytes(1000));
      assert.ok((await cluster.having(sha256)).length >= 2);
      await onAll(sha256);
    });

    it('needs a majority, not everybody', async () => {
      await start();
      await cluster.member('c').stop();
      const sha256 = await put('a', randomBytes(1000));
      assert.ok(await cluster.member('b').store.tenant(TENANT).has(sha256));
    });

    it('is refused without a majority, after a while, and says what is missing and what is not lost', async () => {
      await start();
      await cluster.member('b').stop({isKnown: false});
      await cluster.member('c').stop();
      const content = randomBytes(1000);
      await assert.rejects(put('a', content), (error: unknown) => {
        assert.ok(isCoordinatorError(error, 'unavailable'));
        assert.match(error.message, /is on 1 of 3 coordinators, 2 have to have it \(b: .+; 1 is not there\)/);
        assert.match(error.hint ?? '', /Nothing that was acknowledged is lost/);
        return true;
      });
      assert.ok(await cluster.member('a').store.tenant(TENANT).has(sha(content)), 'what was sent is kept');
    });

    it('goes on by itself when a majority comes back in time', async () => {
      await start({settings: {patienceMs: 20_000}});
      await cluster.member('b').stop();
      await cluster.member('c').stop({isKnown: false});
      const putting = put('a', randomBytes(1000));
      await cluster.member('b').start();
      assert.ok(
        await cluster
          .member('b')
          .store.tenant(TENANT)
          .has(await putting),
      );
    });

    it('does not count one whose disk does not count', async () => {
      await start({learners: ['c']});
      await cluster.member('b').stop();
      await assert.rejects(put('a', randomBytes(10)), code('unavailable'));
    });

    it('of a client that uploads in parts is acknowledged by the same rule, and so is what was there before', async () => {
      await start();
      await cluster.member('b').stop();
      await cluster.member('c').stop();
      const content = randomBytes(300_000);
      await assert.rejects(cluster.member('a').client().upload(content), (error: unknown) => {
        assert.ok(isCoordinatorError(error, 'unavailable'));
        assert.match(error.message, /503.*on 1 of 3/);
        assert.match(error.hint ?? '', /Start the coordinators/);
        return true;
      });
      assert.ok(await cluster.member('a').store.tenant(TENANT).has(sha(content)));
      await cluster.member('c').start();
      await cluster.member('a').client().upload(content);
      assert.ok(await cluster.member('c').store.tenant(TENANT).has(sha(content)));
    });

    it('shares a transfer to another coordinator among all who wait for it', async () => {
      await start();
      const content = randomBytes(500_000);
      await Promise.all([1, 2, 3, 4].map(() => put('a', content)));
      await onAll(sha(content));
      const parts = cluster.member('b').asked.filter(request => request.startsWith('PUT'));
      assert.equal(parts.length, Math.ceil(500_000 / (64 * 1024)));
    });

    it('does not wait for one that hangs, nor does reading', async () => {
      await start();
      const hanging = net.createServer().listen(0, '127.0.0.1');
      await once(hanging, 'listening');
      const sockets: net.Socket[] = [];
      hanging.on('connection', socket => sockets.push(socket));
      const address = hanging.address();
      assert.ok(address && typeof address === 'object');
      cluster.member('c').seenPort = address.port;
      const content = randomBytes(1000);
      const sha256 = await put('a', content);
      assert.deepEqual(await cluster.having(sha256), ['a', 'b']);
      const {sha256: elsewhere} = await cluster.member('b').store.tenant(TENANT).put(randomBytes(10));
      assert.ok(await cluster.member('a').read(elsewhere));
      assert.ok(sockets.length > 0, 'it was asked');
      for (const socket of sockets) socket.destroy();
      hanging.close();
    });

    it('sets aside what went bad here, and takes it anew from a sender who still has it', async () => {
      await start();
      const content = randomBytes(200_000);
      const {sha256} = await cluster.member('a').store.tenant(TENANT).put(content);
      await writeFile(cluster.member('a').store.tenant(TENANT).blobFile(sha256), randomBytes(200_000));
      await cluster.member('a').client().upload(content);
      assert.equal(await cluster.member('a').store.tenant(TENANT).verify(sha256), 'sound');
      assert.ok((await cluster.having(sha256)).length >= 2);
    });

    it('may take long as long as it gets on', async () => {
      const transfer = {maxTries: 2, minBackoffMs: 200, maxBackoffMs: 200, partBytes: 64 * 1024};
      await start({settings: {patienceMs: 800, transfer}});
      await cluster.member('c').stop();
      const b = cluster.member('b');
      const proxy = await cuttingProxy(b.port);
      b.seenPort = proxy.port;
      // One part arrives, and then the connection breaks, which costs a pause.
      proxy.cuts.push(...Array.from({length: 20}, () => ({direction: 'up', bytes: 70_000}) as const));
      const content = randomBytes(800_000);
      const before = performance.now();
      assert.equal(await put('a', content), sha(content));
      assert.ok(performance.now() - before > 800, 'longer than its patience');
      await proxy.close();
    });
  });

  describe('reading', () => {
    /** On the disk of `id` alone. */
    const only = async (id: string, content: Uint8Array) =>
      (await cluster.member(id).store.tenant(TENANT).put(content)).sha256;

    it('fetches what is not here, once for all readers, and keeps it', async () => {
      await start();
      const content = randomBytes(300_000);
      const sha256 = await only('b', content);
      const client = cluster.member('a').client();
      const files = ['1', '2', '3'].map(name => path.join(cluster.folder, name));
      await Promise.all([
        client.download(sha256, files[0] ?? ''),
        cluster
          .member('a')
          .client()
          .download(sha256, files[1] ?? ''),
        cluster.member('a').read(sha256),
      ]);
      assert.deepEqual(await readFile(files[1] ?? ''), content);
      assert.equal(cluster.member('b').asked.filter(request => request.startsWith('GET')).length, 1);
      await cluster.member('b').stop();
      assert.deepEqual(await cluster.member('a').read(sha256), content);
    });

    it('of a part, or of the size alone, brings it here too', async () => {
      await start();
      const content = randomBytes(1000);
      const [one, two] = [await only('b', content), await only('c', randomBytes(7))];
      const opened = await cluster.member('a').replicated.tenant(TENANT).open(one, {offset: 10, length: 5});
      assert.equal(opened?.bytes, 1000);
      opened?.stream.destroy();
      assert.ok(await cluster.member('a').client().has(two));
      assert.deepEqual(await cluster.having(two), ['a', 'c']);
    });

    it('goes on where a transfer broke off, at another coordinator too', async () => {
      await start();
      const content = randomBytes(400_000);
      const sha256 = await only('b', content);
      const proxy = await cuttingProxy(cluster.member('b').port);
      cluster.member('b').seenPort = proxy.port;
      proxy.cuts.push({direction: 'down', bytes: 250_000}, undefined);
      assert.deepEqual(await cluster.member('a').read(sha256), content);
      assert.equal(proxy.connections, 2, 'the second connection brought the rest');
      await proxy.close();
    });

    it('passes over a copy that is broken', async () => {
      await start();
      const content = randomBytes(5000);
      for (const id of ['b', 'c']) await only(id, content);
      const sha256 = sha(content);
      await writeFile(cluster.member('b').store.tenant(TENANT).blobFile(sha256), randomBytes(5000));
      assert.deepEqual(await cluster.member('a').read(sha256), content);
    });

    it('replaces a copy of its own that is broken', async () => {
      await start();
      const content = randomBytes(500);
      const sha256 = await only('a', content);
      await only('b', content);
      const blobs = blobsOf(cluster.member('a').replicated.tenant(TENANT));
      const breakIt = () =>
        writeFile(cluster.member('a').store.tenant(TENANT).blobFile(sha256), randomBytes(500));
      await breakIt();
      assert.deepEqual(Buffer.from(await blobs.get(sha256)), content);
      await breakIt();
      const file = path.join(cluster.folder, 'y');
      await cluster.member('a').client().download(sha256, file);
      assert.deepEqual(await readFile(file), content);
      await cluster.member('b').stop();
      await breakIt();
      await assert.rejects(blobs.get(sha256), code('corrupt'));
    });

    it('is sure that there is none when a majority lacks it, and does not know with fewer', async () => {
      await start();
      const nowhere = sha(randomBytes(8));
      await cluster.member('c').stop();
      assert.equal(await cluster.member('a').read(nowhere), undefined);
      const toFile = path.join(cluster.folder, 'x');
      await assert.rejects(cluster.member('a').client().download(nowhere, toFile), code('notFound'));
      await cluster.member('b').stop({isKnown: false});
      await assert.rejects(cluster.member('a').read(nowhere), code('unavailable'));
      await assert.rejects(cluster.member('a').client().download(nowhere, toFile), code('unavailable'));
    });
  });

  describe('the door for the other coordinators', () => {
    const ask = (pathname: string, token: string, method = 'GET') =>
      fetch(`http://127.0.0.1:${cluster.member('a').port}${pathname}`, {
        method,
        headers: {authorization: `Bearer ${token}`},
      });

    it('is closed to everybody else', async () => {
      await start();
      const {sha256} = await cluster.member('a').store.tenant(TENANT).put(randomBytes(10));
      for (const pathname of [`/replicas/${TENANT}/`, `/replicas/${TENANT}/${sha256}`])
        assert.ok([400, 403].includes((await ask(pathname, 'agent')).status), pathname);
      assert.equal((await ask(`/replicas/${TENANT}/${sha256}`, 'peer')).status, 200);
    });

    it('tells of this disk alone', async () => {
      await start();
      const {sha256} = await cluster.member('b').store.tenant(TENANT).put(randomBytes(10));
      assert.equal((await ask(`/replicas/${TENANT}/${sha256}`, 'peer')).status, 404);
      assert.deepEqual(await cluster.having(sha256), ['b']);
    });
  });

  it('costs a coordinator that is alone nothing', async () => {
    cluster = await ArtifactCluster.start(['a']);
    const content = randomBytes(100);
    const sha256 = await put('a', content);
    assert.deepEqual(await cluster.member('a').read(sha256), content);
    assert.equal(await cluster.member('a').read(sha(randomBytes(8))), undefined);
    assert.deepEqual(cluster.member('a').asked, []);
  });
});
