/** The configuration in a snapshot's first chunk, and snapshots of the format that knew voters only. */
import assert from 'node:assert/strict';
import {initialConfiguration} from '../../../coordinator/raft/configuration.ts';
import {BinaryWriter} from '../../../coordinator/store/binary.ts';
import {crc32} from '../../../coordinator/store/embedded/crc32.ts';
import {readSnapshot, writeSnapshot} from '../../../coordinator/store/embedded/snapshotFile.ts';
import {newDisk} from './simulation.ts';

const FOLDER = '/snapshots';
const STATE = Buffer.from('state');

/** A file of version 1: mark, one chunk, end. */
function oldSnapshot(): Buffer {
  const writer = new BinaryWriter();
  writer.u32(0x5053584d);
  writer.u32(1);
  writer.integer(7);
  writer.integer(2);
  writer.u32(1);
  writer.text('n1');
  const chunks = [writer.finish(), STATE];
  const parts: Buffer[] = [];
  let whole = 0;
  for (const chunk of chunks) {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(chunk.length, 0);
    head.writeUInt32LE(crc32(chunk), 4);
    parts.push(head, chunk);
    whole = crc32(chunk, whole);
  }
  const footer = Buffer.alloc(16);
  footer.writeUInt32LE(whole, 4);
  footer.writeDoubleLE(chunks.length, 8);
  return Buffer.concat([...parts, footer]);
}

describe('a snapshot file', () => {
  it('brings back the configuration, a joint one with learners too', async () => {
    const disk = newDisk();
    await disk.makeFolder();
    const configuration = {
      voters: ['a', 'd'],
      outgoing: ['a', 'b', 'c'],
      learners: ['e'],
      learnersNext: ['b'],
    };
    await writeSnapshot(disk, FOLDER, {index: 9, term: 3, configuration}, [STATE]);
    const [name = ''] = await disk.list(FOLDER);
    const chunks: string[] = [];
    const {mark} = await readSnapshot(disk, `${FOLDER}/${name}`, chunk =>
      chunks.push(Buffer.from(chunk).toString()),
    );
    assert.deepEqual(mark, {index: 9, term: 3, configuration});
    assert.deepEqual(chunks, ['state']);
  });

  it('of version 1 has its voters', async () => {
    const disk = newDisk();
    await disk.makeFolder();
    const path = `${FOLDER}/old.snap`;
    const file = await disk.open(path, {create: true});
    await file.write(oldSnapshot(), 0);
    await file.close();
    const {mark} = await readSnapshot(disk, path, () => undefined);
    assert.deepEqual(mark, {index: 7, term: 2, configuration: initialConfiguration(['n1'])});
  });
});
