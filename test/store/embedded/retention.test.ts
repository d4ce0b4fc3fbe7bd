/** What keeps a long-lived store small: history is compacted by count and by bytes, snapshots replace log, and a newer level halts. */
import assert from 'node:assert/strict';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {COMMAND_LEVEL} from '../../../coordinator/store/commands.ts';
import {parseFrame} from '../../../coordinator/store/embedded/frame.ts';
import {FrameBuilder} from '../../../coordinator/store/embedded/logRecords.ts';
import {parseSegmentHeader, SEGMENT_HEADER_BYTES} from '../../../coordinator/store/embedded/segment.ts';
import type {EmbeddedSettings} from '../../../coordinator/store/embedded/settings.ts';
import {countWrites, FOLDER, LOG_ONLY, newDisk, openOn, SMALL, writeNumber} from './simulation.ts';

async function turns(clock: ManualClock, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    clock.advance(250);
    await new Promise<void>(resolve => setImmediate(resolve));
  }
}

describe('retention', () => {
  const cases: readonly [string, Partial<EmbeddedSettings>, number][] = [
    ['count', {historyRevisions: 20, historyBytes: 1e9}, 20],
    ['bytes', {historyRevisions: 1e9, historyBytes: 20_000}, 40],
  ];
  for (const [what, settings, most] of cases)
    it(`compacts history by ${what}`, async () => {
      const clock = new ManualClock();
      const store = await openOn(newDisk(), {...SMALL, ...settings}, {clock});
      for (let n = 1; n <= 200; n++) {
        await writeNumber(store, n);
        if (n % 10 === 0) await turns(clock, 3);
      }
      const {revision, compactRevision} = store.status();
      assert.equal(revision, 200);
      assert.ok(
        revision - compactRevision <= most && revision - compactRevision >= most / 4,
        `kept ${revision - compactRevision}`,
      );
      await store.get('last', {atRevision: compactRevision});
      await store.close();
    });

  it('keeps the files small however much is written', async () => {
    const disk = newDisk();
    const clock = new ManualClock();
    const store = await openOn(disk, SMALL, {clock});
    const sizes: number[] = [];
    for (let n = 1; n <= 300; n++) {
      await writeNumber(store, n);
      await turns(clock, 1);
      sizes.push(store.status().bytesOnDisk);
    }
    assert.ok(Math.max(...sizes) < 150_000, String(Math.max(...sizes)));
    await store.close();
    const again = await openOn(disk);
    assert.equal(await countWrites(again), 300);
    await again.close();
  });

  it('lets a backup read on over a compaction', async () => {
    const store = await openOn(newDisk(), LOG_ONLY);
    for (let n = 0; n < 1200; n++)
      await store.txn({then: [{kind: 'put', key: `k/${String(n).padStart(4, '0')}`, value: 'old'}]});
    const backup = await store.backup('k/');
    let count = 0;
    for await (const kv of backup.kvs) {
      assert.equal(kv.value, 'old');
      if (count === 10) {
        const {revision} = await store.txn({then: [{kind: 'deletePrefix', prefix: 'k/'}]});
        await store.compact(revision);
        for (let n = 0; n < 5; n++) await store.txn({then: [{kind: 'put', key: 'x', value: ''}]});
      }
      count += 1;
    }
    assert.equal(count, 1200);
    await store.close();
  });
});

describe('levels', () => {
  it('a command of a newer level in the log stops the start', async () => {
    const disk = newDisk();
    const store = await openOn(disk, LOG_ONLY);
    await writeNumber(store, 1);
    const {term} = store.status();
    await store.close();
    const path = `${FOLDER}/log-0000000001.seg`;
    const content = disk.content(path);
    const parsed = parseSegmentHeader(content);
    assert.ok(parsed.kind === 'header');
    let offset = SEGMENT_HEADER_BYTES;
    let frames = 0;
    for (;;) {
      const found = parseFrame(content, offset, parsed.header.salt);
      if (found.kind !== 'frame') break;
      offset = found.next;
      frames += 1;
    }
    // Entries so far: the leader's empty one, the incarnation, the write.
    const entry = {index: 4, term, kind: 'command', data: Buffer.from([COMMAND_LEVEL + 1, 1])} as const;
    const frame = new FrameBuilder().build(
      {term, vote: 'n1', commit: 3},
      [entry],
      frames + 1,
      parsed.header.salt,
    );
    content.set(frame, offset);
    disk.replace(path, content);
    await assert.rejects(
      openOn(disk, LOG_ONLY),
      error =>
        isCoordinatorError(error, 'incompatible') && error.message.includes(`level ${COMMAND_LEVEL + 1}`),
    );
  });
});
