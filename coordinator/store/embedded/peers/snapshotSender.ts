/**
 * Sends one snapshot file over a connection of its own, so that heartbeats never wait behind it: in chunks with a checksum each, not faster than
 * allowed, from where the other end left off.
 */

import {delay} from '../../../runtime/clock.ts';
import {deferred} from '../../../runtime/deferred.ts';
import {CoordinatorError} from '../../../runtime/errors.ts';
import {crc32} from '../crc32.ts';
import type {DiskFile} from '../disk.ts';
import type {FrameChannel} from './frameChannel.ts';
import {decodeFrame, encodeFrame, type PeerFrame} from './peerFrame.ts';
import type {PeerEnvironment} from './peerIdentity.ts';
import type {SnapshotSource} from './transport.ts';

/** Where a snapshot file keeps the checksum over all of it, from its end. */
const CRC_FROM_END = 12;

/** Where a snapshot goes, and how to get there. */
export interface SnapshotRoute {
  readonly from: string;
  readonly to: string;
  /** Rejects with `unavailable` or `timeout`. */
  dial(): Promise<FrameChannel>;
}

/** What the other end has said, for those who wait for it. */
class Answers {
  have = -1;
  private failure: Error | undefined;
  private next = deferred<void>();

  take(frame: PeerFrame): void {
    if (frame.kind === 'have') this.have = frame.offset;
    else if (frame.kind === 'refused') this.fail(new CoordinatorError('unavailable', frame.reason));
    this.wake();
  }

  fail(error: Error): void {
    this.failure ??= error;
    this.wake();
  }

  /** Resolves at the first answer that `enough` holds for. */
  async until(enough: (have: number) => boolean): Promise<void> {
    while (!enough(this.have)) {
      if (this.failure) throw this.failure;
      await this.next.promise;
    }
  }

  private wake(): void {
    this.next.resolve();
    this.next = deferred();
  }
}

/** Resolves when the other end has it whole on its disk. Rejects with `unavailable`, `timeout` or the signal's reason. */
export async function sendSnapshot(
  environment: PeerEnvironment,
  {from, to, dial}: SnapshotRoute,
  {mark, file}: SnapshotSource,
  signal: AbortSignal,
): Promise<void> {
  const handle = await environment.disk.open(file);
  try {
    const bytes = await handle.size();
    const crc = (await handle.read(bytes - CRC_FROM_END, 4)).readUInt32LE(0);
    const channel = await dial();
    const answers = new Answers();
    const stop = (): void => channel.terminate();
    signal.addEventListener('abort', stop, {once: true});
    channel.onceClosed(() =>
      answers.fail(new CoordinatorError('unavailable', `${to} hung up during a snapshot`)),
    );
    channel.onFrame(frame => {
      try {
        answers.take(decodeFrame(frame, to, from));
      } catch {
        channel.terminate();
      }
    });
    try {
      signal.throwIfAborted();
      channel.send(encodeFrame({kind: 'offer', offer: {mark, bytes, crc}}));
      await sendChunks(environment, handle, bytes, channel, answers, signal);
    } finally {
      signal.removeEventListener('abort', stop);
      channel.terminate();
    }
  } finally {
    await handle.close();
  }
}

async function sendChunks(
  {clock, settings}: PeerEnvironment,
  handle: DiskFile,
  bytes: number,
  channel: FrameChannel,
  answers: Answers,
  signal: AbortSignal,
): Promise<void> {
  const {snapshotChunkBytes, snapshotWindow, snapshotBytesPerSecond, snapshotPatienceMs} = settings;
  const until = async (enough: (have: number) => boolean): Promise<void> => {
    const late = clock.schedule(snapshotPatienceMs, () =>
      answers.fail(new CoordinatorError('timeout', 'the other end takes no more of the snapshot')),
    );
    try {
      await answers.until(enough);
    } finally {
      late.dispose();
    }
  };
  await until(have => have >= 0);
  const from = answers.have;
  const startedAt = clock.now();
  for (let offset = from; offset < bytes; offset += snapshotChunkBytes) {
    await until(have => offset - have < snapshotWindow * snapshotChunkBytes);
    const aheadMs = ((offset - from) * 1000) / snapshotBytesPerSecond - (clock.now() - startedAt);
    if (aheadMs > 0) await delay(clock, aheadMs, signal);
    const data = await handle.read(offset, Math.min(snapshotChunkBytes, bytes - offset));
    channel.send(encodeFrame({kind: 'chunk', offset, crc: crc32(data), data}));
  }
  await until(have => have >= bytes);
}
