import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {existsSync} from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import {Readable} from 'node:stream';
import {buffer} from 'node:stream/consumers';
import {ArtifactStore} from '../../coordinator/artifacts/artifactStore.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {ManualClock, systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import {temporaryFolder} from './artifactHub.ts';

const sha = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
const code = (expected: string) => (error: unknown) => isCoordinatorError(error) && error.code === expected;

describe('ArtifactStore', () => {
  let folder: string;
  let store: ArtifactStore;
  const openStore = (extra: object = {}) =>
    ArtifactStore.open({
      folder,
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      limits: {maxArtifactBytes: 1_000_000, maxPartialUploads: 4, reserveBytes: 0},
      ...extra,
    });
  const files = async () =>
    (await readdir(folder, {recursive: true, withFileTypes: true})).filter(entry => entry.isFile()).length;

  beforeEach(async () => {
    folder = await temporaryFolder();
    store = await openStore();
  });
  afterEach(() => rm(folder, {recursive: true, force: true}));

  it('reads back what was put, whole and in parts', async () => {
    const acme = store.tenant('acme');
    const content = randomBytes(300_000);
    assert.deepEqual(await acme.put(Readable.from([content.subarray(0, 7), content.subarray(7)])), {
      sha256: sha(content),
      bytes: 300_000,
    });
    for (const [offset, length] of [
      [0, undefined],
      [1, undefined],
      [299_999, undefined],
      [300_000, undefined],
      [10, 20],
      [10, 0],
    ] as const) {
      const opened = await acme.open(sha(content), {offset, ...(length === undefined ? {} : {length})});
      assert(opened);
      assert.equal(opened.bytes, 300_000);
      const end = length === undefined ? undefined : offset + length;
      assert.deepEqual(await buffer(opened.stream), content.subarray(offset, end));
    }
    await assert.rejects(acme.open(sha(content), {offset: 300_001}), code('limit'));
  });

  it('keeps empty content too', async () => {
    const acme = store.tenant('acme');
    const {sha256} = await acme.put(Buffer.alloc(0));
    const opened = await acme.open(sha256);
    assert(opened);
    assert.equal((await buffer(opened.stream)).length, 0);
  });

  it('stores equal content once, also when put at the same time', async () => {
    const acme = store.tenant('acme');
    const content = randomBytes(50_000);
    const all = await Promise.all(Array.from({length: 8}, () => acme.put(content)));
    assert.equal(new Set(all.map(stored => stored.sha256)).size, 1);
    assert.equal(await files(), 1);
    assert.equal(await acme.verify(sha(content)), 'sound');
  });

  it('keeps tenants apart', async () => {
    const {sha256} = await store.tenant('acme').put(Buffer.from('secret'));
    assert.equal(await store.tenant('other').has(sha256), false);
    assert.equal(await store.tenant('other').open(sha256), undefined);
    assert.deepEqual(await store.tenantNames(), ['acme']);
  });

  it('refuses names that could leave its folder', () => {
    for (const name of ['', '.', '..', '../acme', 'a/b', 'a\\b', 'A', 'a'.repeat(64), 'a\0', 'a.', ' ']) {
      assert.throws(() => store.tenant(name), code('config'), JSON.stringify(name));
    }
    for (const name of ['', '..', '../../etc/passwd', 'A'.repeat(64), `${'a'.repeat(64)}/..`]) {
      assert.throws(() => void store.tenant('acme').size(name), code('config'), JSON.stringify(name));
    }
  });

  it('leaves nothing behind when content is too large, breaks off or is not what was announced', async () => {
    const acme = store.tenant('acme');
    await assert.rejects(acme.put(Buffer.alloc(1_000_001)), code('limit'));
    await assert.rejects(
      acme.put(Buffer.from('x'), {expectedSha256: sha(Buffer.from('y'))}),
      code('corrupt'),
    );
    const breaking = Readable.from(
      (function* () {
        yield Buffer.from('half');
        throw new Error('broke off');
      })(),
    );
    await assert.rejects(acme.put(breaking), /broke off/);
    assert.equal(await files(), 0);
  });

  it('answers a full disk with diskFull, leaves no debris, and works again afterwards', async () => {
    let full = true;
    store = await openStore({
      openForWriting: async (file: string, flags: 'wx' | 'r+'): Promise<FileHandle> => {
        const handle = await open(file, flags, 0o600);
        const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<unknown>;
        Object.assign(handle, {
          write: (...args: unknown[]) =>
            full ? Promise.reject(Object.assign(new Error('no space'), {code: 'ENOSPC'})) : write(...args),
        });
        return handle;
      },
    });
    const acme = store.tenant('acme');
    const content = randomBytes(1000);
    const upload = {sha256: sha(content), bytes: 1000, uploader: 'u1'};
    await assert.rejects(acme.put(content), code('diskFull'));
    await assert.rejects(acme.uploads.append(upload, 0, Readable.from([content])), code('diskFull'));
    assert.equal(await files(), 0);
    full = false;
    assert.equal((await acme.put(content)).sha256, sha(content));
  });

  it('refuses content that would eat the reserve', async () => {
    store = await openStore({limits: {reserveBytes: Number.MAX_SAFE_INTEGER}});
    await assert.rejects(store.tenant('acme').put(Buffer.from('x')), code('diskFull'));
  });

  it('never completes a read of a blob that rotted, and sets it aside so that it can be stored again', async () => {
    const acme = store.tenant('acme');
    const content = randomBytes(400_000);
    const {sha256} = await acme.put(content);
    const file = path.join(folder, 'acme', 'blobs', sha256.slice(0, 2), sha256);
    const rotten = Buffer.from(content);
    rotten.writeUInt8(rotten.readUInt8(399_999) ^ 1, 399_999);
    await writeFile(file, rotten);
    const opened = await acme.open(sha256);
    assert(opened);
    await assert.rejects(buffer(opened.stream), code('corrupt'));
    assert.equal(await acme.has(sha256), false);
    await acme.put(content);
    assert.equal(await acme.verify(sha256), 'sound');
    await truncate(file, 10);
    assert.equal(await acme.verify(sha256), 'corrupt');
    assert.equal(await acme.verify(sha256), 'absent');
  });

  it('replaces a truncated blob when its content is put again', async () => {
    const acme = store.tenant('acme');
    const content = randomBytes(100);
    const {sha256} = await acme.put(content);
    await truncate(path.join(folder, 'acme', 'blobs', sha256.slice(0, 2), sha256), 10);
    await acme.put(content);
    assert.equal(await acme.verify(sha256), 'sound');
  });

  it('lists and deletes', async () => {
    const acme = store.tenant('acme');
    const names: string[] = [];
    for (let n = 0; n < 20; n++) names.push((await acme.put(Buffer.from(`blob ${n}`))).sha256);
    const listed: string[] = [];
    for await (const {sha256} of acme.list()) listed.push(sha256);
    assert.deepEqual(listed, names.sort());
    assert.equal(await acme.delete(names[0] ?? ''), true);
    assert.equal(await acme.delete(names[0] ?? ''), false);
    assert.equal(await acme.has(names[0] ?? ''), false);
  });

  it('clears half-written content of a killed process when it opens', async () => {
    await mkdir(path.join(folder, 'acme', 'tmp'), {recursive: true});
    await writeFile(path.join(folder, 'acme', 'tmp', 'half'), 'half');
    store = await openStore();
    assert.equal(await files(), 0);
    assert.equal((await store.tenant('acme').put(Buffer.from('x'))).bytes, 1);
  });

  describe('uploads in parts', () => {
    const content = randomBytes(1000);
    const upload = {sha256: sha(content), bytes: 1000, uploader: 'u1'};
    const part = (from: number, to: number) => Readable.from([content.subarray(from, to)]);

    it('go on across restarts from the offset they had', async () => {
      const {uploads} = store.tenant('acme');
      assert.deepEqual(await uploads.begin(upload), {kind: 'partial', offset: 0});
      assert.deepEqual(await uploads.append(upload, 0, part(0, 400)), {kind: 'partial', offset: 400});
      store = await openStore();
      const again = store.tenant('acme');
      assert.deepEqual(await again.uploads.state(upload), {kind: 'partial', offset: 400});
      assert.deepEqual(await again.uploads.append(upload, 0, part(0, 400)), {
        kind: 'wrongOffset',
        offset: 400,
      });
      assert.deepEqual(await again.uploads.append(upload, 400, part(400, 1000)), {
        kind: 'stored',
        bytes: 1000,
      });
      assert.equal(await again.verify(upload.sha256), 'sound');
      assert.deepEqual(await again.uploads.begin(upload), {kind: 'stored', bytes: 1000});
      assert.equal(await files(), 1);
    });

    it('finish when the process was killed between the last byte and the end', async () => {
      const partial = path.join(folder, 'acme', 'partial');
      await mkdir(partial, {recursive: true});
      await writeFile(path.join(partial, `${upload.sha256}.u1.1000`), content);
      assert.deepEqual(await store.tenant('acme').uploads.begin(upload), {kind: 'stored', bytes: 1000});
    });

    it('are discarded when the digest is wrong or more arrives than was announced', async () => {
      const {uploads} = store.tenant('acme');
      await assert.rejects(uploads.append(upload, 0, Readable.from([randomBytes(1000)])), code('corrupt'));
      assert.deepEqual(await uploads.state(upload), {kind: 'partial', offset: 0});
      await assert.rejects(uploads.append(upload, 0, Readable.from([randomBytes(1001)])), code('limit'));
      await assert.rejects(uploads.begin({...upload, bytes: 1_000_001}), code('limit'));
      await assert.rejects(uploads.begin({...upload, bytes: Number.NaN}), code('limit'));
    });

    it('keep what arrived before a sender broke off', async () => {
      const {uploads} = store.tenant('acme');
      const breaking = Readable.from(
        (function* () {
          yield content.subarray(0, 300);
          throw new Error('broke off');
        })(),
      );
      await assert.rejects(uploads.append(upload, 0, breaking), /broke off/);
      assert.deepEqual(await uploads.append(upload, 300, part(300, 1000)), {kind: 'stored', bytes: 1000});
    });

    it('are taken over by the same sender from a connection that hangs', async () => {
      const {uploads} = store.tenant('acme');
      const hanging = new Readable({read: () => undefined});
      hanging.push(content.subarray(0, 100));
      const hung = uploads.append(upload, 0, hanging);
      const failed = assert.rejects(hung, code('cancelled'));
      while (((await uploads.state(upload)) as {offset: number}).offset < 100)
        await new Promise(setImmediate);
      const first = await uploads.append(upload, 0, part(0, 1000));
      await failed;
      assert.deepEqual(first, {kind: 'wrongOffset', offset: 100});
      assert.deepEqual(await uploads.append(upload, 100, part(100, 1000)), {kind: 'stored', bytes: 1000});
    });

    it('of two senders of one content do not disturb each other', async () => {
      const acme = store.tenant('acme');
      const other = {...upload, uploader: 'u2'};
      await acme.uploads.append(upload, 0, part(0, 500));
      await acme.uploads.append(other, 0, part(0, 700));
      assert.deepEqual(await acme.uploads.append(upload, 500, part(500, 1000)), {
        kind: 'stored',
        bytes: 1000,
      });
      assert.deepEqual(await acme.uploads.append(other, 700, part(700, 1000)), {kind: 'stored', bytes: 1000});
      assert.equal(await acme.verify(upload.sha256), 'sound');
    });

    it('are limited in number, and dropped when they are stale', async () => {
      const clock = new ManualClock();
      store = await openStore({clock, limits: {maxPartialUploads: 2, staleUploadMs: 1000, reserveBytes: 0}});
      const {uploads} = store.tenant('acme');
      for (const uploader of ['u1', 'u2']) await uploads.append({...upload, uploader}, 0, part(0, 10));
      await assert.rejects(uploads.begin({...upload, uploader: 'u3'}), code('limit'));
      const partial = path.join(folder, 'acme', 'partial');
      for (const [index, name] of (await readdir(partial)).sort().entries()) {
        const at = (clock.wallNow() - (index === 0 ? 1001 : 999)) / 1000;
        await utimes(path.join(partial, name), at, at);
      }
      assert.equal(await store.dropStaleUploads(), 1);
      assert.deepEqual(await uploads.state(upload), {kind: 'partial', offset: 0});
      assert.deepEqual(await uploads.state({...upload, uploader: 'u2'}), {kind: 'partial', offset: 10});
      assert(!existsSync(path.join(partial, `${upload.sha256}.u1.1000`)));
    });
  });

  it('writes files that only its owner may read', async () => {
    const {sha256} = await store.tenant('acme').put(Buffer.from('x'));
    const file = path.join(folder, 'acme', 'blobs', sha256.slice(0, 2), sha256);
    const handle = await open(file);
    assert.equal((await handle.stat()).mode & 0o777, 0o600);
    await handle.close();
    assert.equal(await readFile(file, 'utf8'), 'x');
  });
});
