/** A snapshot between two members over real sockets: whole or not at all, and from where it was cut off when it is sent again. */
import assert from 'node:assert/strict';
import {mkdtemp, readdir, readFile, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {silentLogger} from '../../../../coordinator/observability/logger.ts';
import {initialConfiguration} from '../../../../coordinator/raft/configuration.ts';
import {systemClock} from '../../../../coordinator/runtime/clock.ts';
import {type Deferred, deferred} from '../../../../coordinator/runtime/deferred.ts';
import {seededRandom, systemRandom} from '../../../../coordinator/runtime/random.ts';
import {type Disk, realDisk} from '../../../../coordinator/store/embedded/disk.ts';
import {PeerNetwork} from '../../../../coordinator/store/embedded/peers/peerNetwork.ts';
import {DEFAULT_PEER_SETTINGS} from '../../../../coordinator/store/embedded/peers/peerSettings.ts';
import type {SnapshotSource} from '../../../../coordinator/store/embedded/peers/transport.ts';
import {snapshotName, writeSnapshot} from '../../../../coordinator/store/embedded/snapshotFile.ts';
import {freePort} from '../../../support/freePorts.ts';

const MARK = {index: 9, term: 2, configuration: initialConfiguration(['a', 'b'])};
const CHUNK = 32 * 1024;
const CHUNKS = 24;

describe('a snapshot that is sent to another member', function () {
  this.timeout(60_000);
  let folder: string;
  let open: PeerNetwork[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mcpx-peers-'));
  });
  afterEach(async () => {
    for (const network of open) await network.stop();
    open = [];
    await rm(folder, {recursive: true, force: true});
  });

  async function join(
    node: string,
    ports: ReadonlyMap<string, number>,
    disk: Disk = realDisk,
    arrived?: Deferred<SnapshotSource>,
  ): Promise<PeerNetwork> {
    const addresses = new Map([...ports].map(([id, port]) => [id, `ws://127.0.0.1:${port}`]));
    const network = new PeerNetwork({
      identity: {
        cluster: 'test',
        node,
        secret: 'a secret of the tests',
        address: addresses.get(node) ?? '',
        tls: undefined,
      },
      environment: {
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
        disk,
        folder: path.join(folder, node),
        settings: {...DEFAULT_PEER_SETTINGS, snapshotChunkBytes: CHUNK, snapshotWindow: 2},
      },
      listen: {host: '127.0.0.1', port: ports.get(node) ?? 0},
    });
    open.push(network);
    await realDisk.makeFolder(path.join(folder, node));
    await network.start({
      message: () => undefined,
      unreachable: () => undefined,
      gone: () => undefined,
      call: async () => '',
      snapshotArrived: source => arrived?.resolve(source),
      wantsSnapshot: () => true,
      removed: () => undefined,
      isRemoved: () => false,
    });
    network.setPeers(addresses);
    return network;
  }

  it('goes on behind what had arrived when the receiver was cut off', async () => {
    const ports = new Map([
      ['a', await freePort()],
      ['b', await freePort()],
    ]);
    const sender = await join('a', ports);
    const random = seededRandom(1);
    const chunks = Array.from({length: CHUNKS}, () => Buffer.from(random.hex(CHUNK), 'hex'));
    await writeSnapshot(realDisk, path.join(folder, 'a'), MARK, chunks);
    const file = path.join(folder, 'a', snapshotName(MARK.index));
    const total = (await stat(file)).size;
    const half = deferred<void>();
    const first = await join(
      'b',
      ports,
      counting(bytes => bytes > total / 2 && half.resolve()),
    );
    const cut = assert.rejects(sender.sendSnapshot('b', {mark: MARK, file}));
    await half.promise;
    await first.stop();
    await cut;
    let written = 0;
    const arrived = deferred<SnapshotSource>();
    await join(
      'b',
      ports,
      counting(bytes => (written = bytes)),
      arrived,
    );
    await sender.sendSnapshot('b', {mark: MARK, file});
    const {file: received} = await arrived.promise;
    assert.ok((await readFile(received)).equals(await readFile(file)));
    assert.ok(written > 0 && written < total * 0.75, `${written} of ${total} bytes were sent again`);
    assert.equal((await readdir(path.join(folder, 'b'))).length, 1);
  });

  it('stays for its owner while the next one comes in', async () => {
    const ports = new Map([
      ['a', await freePort()],
      ['b', await freePort()],
    ]);
    const sender = await join('a', ports);
    const arrived = deferred<SnapshotSource>();
    await join('b', ports, realDisk, arrived);
    for (const index of [9, 10])
      await writeSnapshot(realDisk, path.join(folder, 'a'), {...MARK, index}, [
        Buffer.from(`up to ${index}`),
      ]);
    const fileOf = (index: number): string => path.join(folder, 'a', snapshotName(index));
    await sender.sendSnapshot('b', {mark: MARK, file: fileOf(9)});
    const first = await arrived.promise;
    await sender.sendSnapshot('b', {mark: {...MARK, index: 10}, file: fileOf(10)});
    assert.ok((await readFile(first.file)).equals(await readFile(fileOf(9))));
  });
});

/** The disk of this machine; `wrote` hears how many bytes were written in all. */
function counting(wrote: (bytes: number) => void): Disk {
  let bytes = 0;
  return {
    ...realDisk,
    async open(file, options) {
      const handle = await realDisk.open(file, options);
      return {
        ...handle,
        async write(data, position) {
          await handle.write(data, position);
          bytes += data.length;
          wrote(bytes);
        },
      };
    },
  };
}
