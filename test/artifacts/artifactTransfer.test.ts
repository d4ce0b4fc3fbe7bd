import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {mkdir, readdir, readFile, stat, writeFile} from 'node:fs/promises';
import * as http from 'node:http';
import * as net from 'node:net';
import path from 'node:path';
import {text} from 'node:stream/consumers';
import {ArtifactCache} from '../../coordinator/artifacts/artifactCache.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {type ArtifactHub, artifactHub} from './artifactHub.ts';
import {type CuttingProxy, cuttingProxy} from './cuttingProxy.ts';

const sha = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
const code = (expected: string) => (error: unknown) => isCoordinatorError(error) && error.code === expected;
const ANY = 'a'.repeat(64);

describe('artifact transfer', () => {
  let hub: ArtifactHub;
  let proxy: CuttingProxy;

  beforeEach(async () => {
    hub = await artifactHub({maxArtifactBytes: 8_000_000});
    proxy = await cuttingProxy(hub.port);
  });
  afterEach(async () => {
    await proxy.close();
    await hub.close();
  });

  const ask = async (
    method: string,
    target: string,
    options: {headers?: http.OutgoingHttpHeaders; body?: Uint8Array} = {},
  ) => {
    const request = http.request({
      port: hub.port,
      host: '127.0.0.1',
      method,
      path: target,
      headers: {authorization: 'Bearer good', ...options.headers},
      agent: false,
    });
    request.end(options.body);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return {status: response.statusCode, headers: response.headers, body: await text(response)};
  };

  it('uploads and downloads, from memory and from files', async () => {
    const client = hub.client({settings: {partBytes: 100_000}});
    for (const size of [0, 1, 100_000, 100_001, 550_000]) {
      const content = randomBytes(size);
      const file = path.join(hub.folder, `in-${size}`);
      await writeFile(file, content);
      const source = size % 2 === 0 ? content : {file};
      assert.deepEqual(await client.upload(source), {sha256: sha(content), bytes: size});
      const out = path.join(hub.folder, `out-${size}`);
      await client.download(sha(content), out);
      assert.deepEqual(await readFile(out), content);
      assert.equal(await client.has(sha(content)), true);
    }
    assert.equal(await client.has(ANY), false);
    await assert.rejects(client.download(ANY, path.join(hub.folder, 'none')), code('notFound'));
  });

  it('sends content that the coordinator has already no second time', async () => {
    const client = hub.client({settings: {partBytes: 100_000}});
    const content = randomBytes(300_000);
    await client.upload(content);
    hub.requests.length = 0;
    await hub.client({settings: {partBytes: 100_000}}).upload(content);
    assert.deepEqual(
      hub.requests.map(request => request.split(' ')[0]),
      ['GET'],
    );
  });

  it('goes on with an upload where its connection was cut', async () => {
    const content = randomBytes(3_000_000);
    for (const bytes of [100, 700_000, 1_400_000]) proxy.cuts.push({direction: 'up', bytes});
    proxy.cuts.push({direction: 'down', bytes: 5});
    const client = hub.client({port: proxy.port, settings: {partBytes: 1_000_000}});
    await client.upload(content);
    assert.equal(await hub.store.tenant('acme').verify(sha(content)), 'sound');
    assert(proxy.connections >= 5, `${proxy.connections} connections`);
    assert.deepEqual(await readdir(path.join(hub.folder, 'artifacts', 'acme', 'partial')), []);
  });

  it('goes on with a download where its connection was cut', async () => {
    const content = randomBytes(3_000_000);
    await hub.store.tenant('acme').put(content);
    for (const bytes of [50, 600_000, 900_000, 900_000]) proxy.cuts.push({direction: 'down', bytes});
    const out = path.join(hub.folder, 'out');
    await hub.client({port: proxy.port, settings: {maxTries: 2}}).download(sha(content), out);
    assert.deepEqual(await readFile(out), content);
    assert(hub.requests.length >= 4);
  });

  it('continues a download that an earlier process began', async () => {
    const content = randomBytes(1_000_000);
    await hub.store.tenant('acme').put(content);
    const out = path.join(hub.folder, 'out');
    for (const length of [400_000, 1_000_000]) {
      await writeFile(`${out}.part`, content.subarray(0, length));
      await hub.client().download(sha(content), out);
      assert.deepEqual(await readFile(out), content);
    }
  });

  it('fetches falsified bytes again, and gives up when they stay wrong', async () => {
    const content = randomBytes(500);
    await hub.store.tenant('acme').put(content);
    const out = path.join(hub.folder, 'out');
    proxy.corruptAnswers = 2;
    await hub.client({port: proxy.port}).download(sha(content), out);
    assert.deepEqual(await readFile(out), content);
    proxy.corruptAnswers = 9;
    await assert.rejects(
      hub.client({port: proxy.port}).download(sha(content), path.join(hub.folder, 'wrong')),
      code('corrupt'),
    );
    assert((await readdir(hub.folder)).every(name => !name.startsWith('wrong')));
  });

  it('gives up after its tries when nothing gets across', async () => {
    for (let n = 0; n < 3; n++) proxy.cuts.push({direction: 'up', bytes: 1});
    const client = hub.client({port: proxy.port, settings: {maxTries: 3}});
    await assert.rejects(client.upload(randomBytes(10)), code('unavailable'));
    assert.equal(proxy.connections, 3);
  });

  it('leaves a coordinator that never answers once its owner is with another one', async () => {
    const accepted = new Set<net.Socket>();
    const silent = net.createServer(socket => accepted.add(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    let port = (silent.address() as net.AddressInfo).port;
    const content = randomBytes(1000);
    const client = hub.client({port: () => port});
    const [request, uploaded] = [once(silent, 'connection'), client.upload(content)];
    await request;
    client.follow();
    port = hub.port;
    client.follow();
    assert.deepEqual(await uploaded, {sha256: sha(content), bytes: 1000});
    assert.equal(accepted.size, 1, 'following an endpoint that is the same breaks nothing off');
    for (const socket of accepted) socket.destroy();
    silent.close();
  });

  it('stops when it is told to, also while it waits to try again', async () => {
    const controller = new AbortController();
    const client = hub.client({settings: {minBackoffMs: 60_000, maxBackoffMs: 60_000}, port: 1});
    const upload = client.upload(randomBytes(10), controller.signal);
    const stopped = assert.rejects(upload, /stop it/);
    setImmediate(() => controller.abort(new Error('stop it')));
    await stopped;
    await assert.rejects(hub.client().upload(randomBytes(10), controller.signal), /stop it/);
  });

  it('takes parallel uploads of the same and of different content', async () => {
    const contents = Array.from({length: 6}, (_, n) => randomBytes(200_000 + n));
    const clients = [0, 1, 2].map(() => hub.client({settings: {partBytes: 50_000}}));
    await Promise.all(clients.flatMap(client => contents.map(content => client.upload(content))));
    for (const content of contents)
      assert.equal(await hub.store.tenant('acme').verify(sha(content)), 'sound');
  });

  it('refuses what is too large before it is sent, and content of another digest', async () => {
    const settings = {partBytes: 1_000_000};
    await assert.rejects(hub.client({settings}).upload(Buffer.alloc(8_000_001)), code('limit'));
    const whole = await ask('PUT', `/artifacts/acme/${ANY}`, {body: Buffer.from('x')});
    assert.equal(whole.status, 422);
    assert.equal(JSON.parse(whole.body).error.code, 'corrupt');
    const part = await ask('PUT', `/artifacts/acme/${ANY}?upload=u`, {
      headers: {'content-range': 'bytes 0-0/1'},
      body: Buffer.from('x'),
    });
    assert.equal(part.status, 422);
    assert.equal(await hub.store.tenant('acme').has(ANY), false);
  });

  it('asks for permission and says when it is denied', async () => {
    await assert.rejects(hub.client({token: 'bad'}).upload(Buffer.from('x')), code('unauthorized'));
    const denied = await ask('GET', `/artifacts/acme/${ANY}`, {headers: {authorization: 'Bearer bad'}});
    assert.equal(denied.status, 401);
    assert.equal(await hub.store.tenant('acme').has(sha(Buffer.from('x'))), false);
  });

  it('answers paths that try to leave the store with 400, and leaves other paths alone', async () => {
    for (const target of [
      '/artifacts/',
      '/artifacts/acme',
      `/artifacts/../${ANY}`,
      `/artifacts/%2e%2e/${ANY}`,
      `/artifacts/acme/../../../etc/passwd`,
      `/artifacts/acme/..%2f..%2fetc%2fpasswd`,
      `/artifacts/acme/${ANY}/x`,
      `/artifacts/ACME/${ANY}`,
      `/artifacts/acme/${ANY}?upload=..%2Fx`,
    ]) {
      assert.equal((await ask('GET', target)).status, 400, target);
    }
    assert.deepEqual(await ask('GET', '/elsewhere').then(found => found.status), 404);
    const method = await ask('DELETE', `/artifacts/acme/${ANY}`);
    assert.equal(method.status, 405);
    assert.equal(method.headers.allow, 'GET, HEAD, PUT');
  });

  it('serves ranges as HTTP says', async () => {
    const content = Buffer.from('0123456789');
    await hub.store.tenant('acme').put(content);
    const target = `/artifacts/acme/${sha(content)}`;
    const range = (value: string) => ask('GET', target, {headers: {range: value}});
    for (const [value, status, body] of [
      ['bytes=0-', 206, '0123456789'],
      ['bytes=3-5', 206, '345'],
      ['bytes=8-99', 206, '89'],
      ['bytes=-3', 206, '789'],
      ['bytes=5-3', 200, '0123456789'],
      ['bytes=1-2,4-5', 200, '0123456789'],
      ['lines=1-2', 200, '0123456789'],
    ] as const) {
      const found = await range(value);
      assert.deepEqual([found.status, found.body], [status, body], value);
    }
    const beyond = await range('bytes=10-');
    assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, 'bytes */10']);
    const head = await ask('HEAD', target);
    assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '10', '']);
  });

  it('tells the offset of an upload and refuses a part at another', async () => {
    const content = Buffer.from('0123456789');
    const target = `/artifacts/acme/${sha(content)}?upload=u1`;
    const put = (range: string, body: string) =>
      ask('PUT', target, {headers: {'content-range': range}, body: Buffer.from(body)});
    assert.equal((await put('bytes 0-3/10', '0123')).status, 202);
    assert.deepEqual(JSON.parse((await ask('GET', `${target}&bytes=10`)).body), {
      state: 'partial',
      offset: 4,
    });
    const wrong = await put('bytes 6-9/10', '6789');
    assert.deepEqual([wrong.status, JSON.parse(wrong.body).offset], [409, 4]);
    for (const range of ['bytes 4-3/10', 'bytes 4-10/10', 'nonsense']) {
      assert.equal((await put(range, 'x')).status, 400, range);
    }
    assert.equal((await put('bytes 4-9/10', '456789')).status, 201);
  });

  describe('ArtifactCache', () => {
    const open = (maxBytes: number) =>
      ArtifactCache.open({
        folder: path.join(hub.folder, 'cache'),
        maxBytes,
        client: hub.client(),
        clock: systemClock,
        logger: silentLogger,
      });
    const put = async (bytes: number) => {
      const content = randomBytes(bytes);
      return (await hub.store.tenant('acme').put(content)).sha256;
    };
    const downloads = () => hub.requests.filter(request => request.startsWith('GET')).length;

    it('fetches once for many users, and again only after eviction', async () => {
      const cache = await open(250);
      const [a, b, c] = [await put(100), await put(100), await put(100)];
      const read = (sha256: string) => cache.use(sha256, async file => sha(await readFile(file)));
      assert.deepEqual(await Promise.all([read(a), read(a), read(a)]), [a, a, a]);
      assert.equal(downloads(), 1);
      await read(b);
      await read(a);
      await read(c);
      assert(cache.bytes <= 250);
      await read(a);
      assert.equal(downloads(), 3);
      await read(b);
      assert.equal(downloads(), 4);
    });

    it('keeps what is in use beyond its bound', async () => {
      const cache = await open(50);
      const [a, b] = [await put(100), await put(100)];
      await cache.use(a, async first => {
        await cache.use(b, async () => undefined);
        assert.equal((await stat(first)).size, 100);
      });
      assert.equal(cache.bytes, 0);
    });

    it('keeps files over restarts, and fetches those again that do not match', async () => {
      let cache = await open(1000);
      const a = await put(100);
      await cache.use(a, async () => undefined);
      cache = await open(1000);
      await cache.use(a, async () => undefined);
      assert.equal(downloads(), 1);
      const file = path.join(hub.folder, 'cache', a);
      await writeFile(file, randomBytes(100));
      await mkdir(path.join(hub.folder, 'cache', 'debris'));
      cache = await open(1000);
      assert.deepEqual(await readdir(path.join(hub.folder, 'cache')), [a]);
      await cache.use(a, async found => assert.equal(sha(await readFile(found)), a));
      assert.equal(downloads(), 2);
    });

    it('serves what was added without fetching it', async () => {
      const cache = await open(1000);
      const content = randomBytes(10);
      const file = path.join(hub.folder, 'own');
      await writeFile(file, content);
      await cache.add(sha(content), file);
      assert.deepEqual(await cache.use(sha(content), found => readFile(found)), content);
      assert.equal(downloads(), 0);
    });
  });
});
