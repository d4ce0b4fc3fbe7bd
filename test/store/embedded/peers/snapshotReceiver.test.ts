/** The end that takes snapshots in: whom it waits for, and for how long. */
import assert from 'node:assert/strict';
import {silentLogger} from '../../../../coordinator/observability/logger.ts';
import {initialConfiguration} from '../../../../coordinator/raft/configuration.ts';
import {ManualClock} from '../../../../coordinator/runtime/clock.ts';
import {seededRandom} from '../../../../coordinator/runtime/random.ts';
import type {FrameChannel} from '../../../../coordinator/store/embedded/peers/frameChannel.ts';
import {decodeFrame, encodeFrame} from '../../../../coordinator/store/embedded/peers/peerFrame.ts';
import {DEFAULT_PEER_SETTINGS} from '../../../../coordinator/store/embedded/peers/peerSettings.ts';
import {SnapshotReceiver} from '../../../../coordinator/store/embedded/peers/snapshotReceiver.ts';
import {SimulatedDisk} from '../../../../coordinator/store/embedded/simulatedDisk.ts';

const OFFER = encodeFrame({
  kind: 'offer',
  offer: {mark: {index: 9, term: 2, configuration: initialConfiguration(['a', 'b'])}, bytes: 100, crc: 1},
});

/** The sender's end. */
class Sender implements FrameChannel {
  readonly heard: string[] = [];
  private taker: (frame: Buffer) => void = () => undefined;
  private ended: () => void = () => undefined;

  send(frame: Uint8Array): void {
    this.heard.push(decodeFrame(frame, 'b', 'a').kind);
  }

  onFrame(take: (frame: Buffer) => void): void {
    this.taker = take;
  }

  onceClosed(ended: () => void): void {
    this.ended = ended;
  }

  close(): void {
    this.terminate();
  }

  terminate(): void {
    this.heard.push('closed');
    this.ended();
  }

  offer(): void {
    this.taker(OFFER);
  }
}

const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

describe('the receiver of snapshots', () => {
  it('hangs up on a sender that went silent, and takes the next one', async () => {
    const clock = new ManualClock();
    const random = seededRandom(1);
    const disk = new SimulatedDisk({random, durableWrites: true});
    const environment = {
      clock,
      random,
      disk,
      logger: silentLogger,
      folder: '/data',
      settings: DEFAULT_PEER_SETTINGS,
    };
    const listener = {snapshotArrived: () => undefined, wantsSnapshot: () => true};
    const receiver = new SnapshotReceiver(environment, 'b', listener);
    const [silent, early, next] = [new Sender(), new Sender(), new Sender()];
    for (const sender of [silent, early]) {
      receiver.accept('a', sender);
      sender.offer();
      await settled();
    }
    assert.deepEqual(silent.heard, ['have']);
    assert.deepEqual(early.heard, ['refused', 'closed']);
    clock.advance(DEFAULT_PEER_SETTINGS.snapshotPatienceMs);
    await settled();
    assert.deepEqual(silent.heard, ['have', 'closed']);
    receiver.accept('a', next);
    next.offer();
    await settled();
    assert.deepEqual(next.heard, ['have']);
  });
});
