/** Damage to the files: a torn tail is cut off and said; anything else that is wrong stops the start. Never a silently different state. */
import assert from 'node:assert/strict';
import type {Entry} from '../../../coordinator/raft/types.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {seededRandom} from '../../../coordinator/runtime/random.ts';
import {SECTOR} from '../../../coordinator/store/embedded/frame.ts';
import {recoverLog} from '../../../coordinator/store/embedded/logRecovery.ts';
import {LogWriter} from '../../../coordinator/store/embedded/logWriter.ts';
import type {SimulatedDisk} from '../../../coordinator/store/embedded/simulatedDisk.ts';
import {snapshotName} from '../../../coordinator/store/embedded/snapshotFile.ts';
import {
  countWrites,
  FOLDER,
  LOG_ONLY,
  newDisk,
  openOn,
  recordingLogger,
  SMALL,
  writeNumber,
} from './simulation.ts';

const LOG = `${FOLDER}/log-0000000001.seg`;
/** The last one takes two sectors. */
const WRITES = 7;

/** A log of a few writes, closed: where its last frame starts, and where that ends. */
async function smallLog(): Promise<{disk: SimulatedDisk; content: Buffer; lastFrame: number; end: number}> {
  const disk = newDisk();
  const store = await openOn(disk, LOG_ONLY);
  for (let n = 1; n < WRITES; n++) await writeNumber(store, n);
  const lastFrame = Math.ceil(endOf(disk.content(LOG)) / SECTOR) * SECTOR;
  await writeNumber(store, WRITES);
  await store.close();
  const content = disk.content(LOG);
  const end = endOf(content);
  return {disk, content, lastFrame, end};
}

function endOf(content: Buffer): number {
  let end = content.length;
  while (content[end - 1] === 0) end -= 1;
  return end;
}

async function outcomeOf(
  disk: SimulatedDisk,
): Promise<{kind: 'opened'; writes: number; lines: string[]} | {kind: 'refused'; message: string}> {
  const {logger, lines} = recordingLogger();
  try {
    const store = await openOn(disk, LOG_ONLY, {logger});
    const writes = await countWrites(store);
    await store.close();
    return {kind: 'opened', writes, lines};
  } catch (error) {
    assert.ok(isCoordinatorError(error, 'corrupt'), String(error));
    return {kind: 'refused', message: error.message};
  }
}

describe('a torn tail of the log', function () {
  // Every byte, one after the other.
  this.timeout(180_000);

  for (const [how, cut] of [
    [
      'zeros',
      (content: Buffer, at: number) =>
        Buffer.concat([content.subarray(0, at), Buffer.alloc(content.length - at)]),
    ],
    ['a shorter file', (content: Buffer, at: number) => content.subarray(0, at)],
  ] as const)
    it(`is cut off and said at every byte of the last frame (${how})`, async () => {
      const {disk: whole, content, lastFrame, end} = await smallLog();
      for (let at = lastFrame; at < end; at++) {
        const disk = whole.restart();
        disk.replace(LOG, cut(content, at));
        const first = await outcomeOf(disk);
        assert.deepEqual(
          {kind: first.kind, writes: first.kind === 'opened' && first.writes},
          {kind: 'opened', writes: WRITES - 1},
          `cut at ${at}`,
        );
        const said = first.kind === 'opened' && first.lines.some(line => line.includes('cut off'));
        assert.equal(said, at > lastFrame, `cut at ${at}`);
        const store = await openOn(disk, LOG_ONLY);
        await writeNumber(store, WRITES);
        await store.close();
        const second = await outcomeOf(disk);
        assert.equal(second.kind === 'opened' && second.writes, WRITES, `write after the cut at ${at}`);
      }
    });
});

describe('a flipped bit in the log', function () {
  // Every byte, one after the other.
  this.timeout(180_000);

  it('never changes the state that is opened', async () => {
    const {disk: whole, content, end} = await smallLog();
    const counts = {refused: 0, harmless: 0};
    for (let offset = 0; offset < end; offset++) {
      const disk = whole.restart();
      disk.damage(LOG, offset, 1 << (offset % 8));
      const outcome = await outcomeOf(disk);
      if (outcome.kind === 'refused') {
        counts.refused += 1;
        assert.ok(outcome.message.includes(LOG) && /at byte \d+/.test(outcome.message), outcome.message);
      } else {
        // Only padding, which carries nothing, can be damaged without a refusal.
        assert.equal(outcome.writes, WRITES, `byte ${offset}`);
        assert.equal(content[offset], 0, `byte ${offset}`);
        counts.harmless += 1;
      }
    }
    assert.ok(counts.refused > 500, JSON.stringify(counts));
  });

  it('in a whole sector before the last frame refuses the start', async () => {
    const {lastFrame} = await smallLog();
    for (let frame = SECTOR; frame < lastFrame; frame += SECTOR) {
      const {disk, content} = await smallLog();
      content.fill(0, frame, frame + SECTOR);
      disk.replace(LOG, content);
      const outcome = await outcomeOf(disk);
      assert.equal(outcome.kind, 'refused', `sector at ${frame}`);
      const named = Number(/at byte (\d+)/.exec(outcome.kind === 'refused' ? outcome.message : '')?.[1]);
      assert.ok(named <= frame && named > frame - 2048, `sector at ${frame}, named ${named}`);
    }
  });
});

describe('damaged snapshots and missing files', function () {
  // Every byte, one after the other.
  this.timeout(180_000);

  /** A run with many snapshots, and the names of its files by kind. */
  async function longRun(): Promise<{disk: SimulatedDisk; snapshots: string[]; segments: string[]}> {
    const disk = newDisk();
    const store = await openOn(disk);
    for (let n = 1; n <= 60; n++) await writeNumber(store, n);
    await store.close();
    const paths = disk.paths();
    return {
      disk,
      snapshots: paths.filter(path => path.endsWith('.snap')),
      segments: paths.filter(path => path.endsWith('.seg')),
    };
  }

  it('keeps two snapshots and no log older than both', async () => {
    const {snapshots, segments} = await longRun();
    assert.equal(snapshots.length, 2);
    assert.ok(!segments.includes(LOG));
  });

  it('starts from the older snapshot at any flipped byte of the newer one, and says so', async () => {
    const {snapshots, disk: whole} = await longRun();
    const newest = snapshots.at(-1) ?? '';
    const size = whole.content(newest).length;
    for (let offset = 0; offset < size; offset += 41) {
      const disk = whole.restart();
      disk.damage(newest, offset, 0x10);
      const {logger, lines} = recordingLogger();
      const store = await openOn(disk, SMALL, {logger});
      assert.equal(await countWrites(store), 60, `byte ${offset}`);
      assert.ok(lines.some(line => line.includes('snapshot cannot be read') && line.includes(newest)));
      await store.close();
    }
  });

  it('starts from the log alone while it reaches back to the first entry', async () => {
    const disk = newDisk();
    const store = await openOn(disk, {...SMALL, snapshotEntries: 1000, snapshotLogBytes: 8000});
    const snapshots = (): string[] => disk.paths().filter(path => path.endsWith('.snap'));
    let written = 0;
    while (snapshots().length === 0) {
      written += 1;
      await writeNumber(store, written);
    }
    await store.close();
    assert.equal(snapshots().length, 1);
    disk.damage(snapshots()[0] ?? '', 40, 1);
    const again = await openOn(disk);
    assert.equal(await countWrites(again), written);
    await again.close();
  });

  it('refuses to start when no snapshot can be read and the log does not cover them', async () => {
    const {disk, snapshots} = await longRun();
    for (const file of snapshots) disk.damage(file, 40, 0x10);
    await assert.rejects(
      openOn(disk),
      error => isCoordinatorError(error, 'corrupt') && snapshots.every(file => error.message.includes(file)),
    );
  });

  it('refuses to start when a received snapshot cannot be read, for the log before it does not lead on', async () => {
    const {logger} = recordingLogger();
    const disk = newDisk();
    const hardState = {term: 1, vote: '', commit: 0};
    const entry = (index: number, term: number): Entry => ({
      index,
      term,
      kind: 'empty',
      data: new Uint8Array(0),
    });
    const none = {index: 0, term: 0};
    const log = await LogWriter.open({
      disk,
      folder: FOLDER,
      settings: {sync: 'auto', segmentBytes: 64 * 1024, firstSegmentBytes: 64 * 1024},
      random: seededRandom(1),
      logger,
      recovered: await recoverLog(disk, FOLDER, none, logger),
      begun: async () => undefined,
    });
    // Entries 2 and 3 were never committed, and the snapshot holds others.
    await log.append(hardState, [entry(1, 1), entry(2, 1), entry(3, 1)]);
    await log.restartAfter({index: 3, term: 2});
    assert.equal((await recoverLog(disk, FOLDER, none, logger)).entries.length, 3);
    await log.append({term: 2, vote: '', commit: 3}, [entry(4, 2)]);
    await log.close();
    const snapshot = await disk.open(`${FOLDER}/${snapshotName(3)}`, {create: true});
    await snapshot.close();
    await assert.rejects(recoverLog(disk, FOLDER, none, logger), error =>
      isCoordinatorError(error, 'corrupt'),
    );
    const covered = await recoverLog(disk, FOLDER, {index: 3, term: 2}, logger);
    assert.deepEqual(
      covered.entries.map(({index}) => index),
      [4],
    );
  });

  it('refuses to start without a segment, unless a snapshot covers all of it', async () => {
    const {segments} = await longRun();
    for (const [at, file] of segments.entries()) {
      const {disk} = await longRun();
      await disk.remove(file);
      const found = await openOn(disk).then(countWrites, error => error);
      // The oldest is kept for the older snapshot only.
      if (at === 0) assert.equal(found, 60, file);
      else assert.ok(isCoordinatorError(found, 'corrupt'), `${file}: ${String(found)}`);
    }
  });

  it('refuses to start without any log', async () => {
    const {disk} = await smallLog();
    await disk.remove(LOG);
    await assert.rejects(openOn(disk, LOG_ONLY), error => isCoordinatorError(error, 'corrupt'));
  });

  it('refuses a data directory of a newer format', async () => {
    const {disk} = await smallLog();
    disk.replace(`${FOLDER}/VERSION`, Buffer.from('{"format":3,"node":"n1","shape":"unknown"}'));
    await assert.rejects(openOn(disk, LOG_ONLY), error => isCoordinatorError(error, 'incompatible'));
  });
});
