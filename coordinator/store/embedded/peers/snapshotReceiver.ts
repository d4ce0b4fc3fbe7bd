/** Takes in a snapshot file chunk by chunk. What is here of it stays when the connection breaks, and over a restart: the next try goes on behind it. */
import path from 'node:path';
import type {Disposable} from '../../../runtime/disposable.ts';
import {CoordinatorError, isCoordinatorError} from '../../../runtime/errors.ts';
import {crc32} from '../crc32.ts';
import type {DiskFile} from '../disk.ts';
import {readSnapshot} from '../snapshotFile.ts';
import type {FrameChannel} from './frameChannel.ts';
import {decodeFrame, encodeFrame, type PeerFrame, type SnapshotOffer} from './peerFrame.ts';
import type {PeerEnvironment} from './peerIdentity.ts';
import type {TransportListener} from './transport.ts';

const PART = /^incoming-.*\.part$/;
/** Whole, and its owner's: whoever sends another one must not find it. */
const WHOLE = /^received-.*\.part$/;

type Listener = Pick<TransportListener, 'snapshotArrived' | 'wantsSnapshot'>;

interface Incoming {
  readonly offer: SnapshotOffer;
  readonly file: DiskFile;
  have: number;
}

export class SnapshotReceiver {
  /** The connection whose snapshot is being written: one at a time. */
  private current: FrameChannel | undefined;
  private arrivals = 0;

  constructor(
    private readonly environment: PeerEnvironment,
    private readonly node: string,
    private readonly listener: Listener,
  ) {}

  /** A peer has opened a connection for a snapshot. */
  accept(from: string, channel: FrameChannel): void {
    let incoming: Incoming | undefined;
    let work = Promise.resolve();
    const {clock, settings} = this.environment;
    // A sender that vanished never says so, and while it is waited for nobody else's snapshot is taken in.
    const expectMore = (): Disposable =>
      clock.schedule(settings.snapshotPatienceMs, () => channel.terminate(), {background: true});
    let patience = expectMore();
    const fail = async (error: unknown): Promise<void> => {
      this.environment.logger.warn('a snapshot was not taken in', {from, error});
      const reason = error instanceof Error ? error.message : String(error);
      channel.send(encodeFrame({kind: 'refused', reason}));
      channel.close();
    };
    channel.onFrame(data => {
      patience.dispose();
      patience = expectMore();
      work = work
        .then(async () => {
          const frame = decodeFrame(data, from, this.node);
          incoming = await this.take(channel, incoming, frame);
        })
        .catch(fail);
    });
    channel.onceClosed(() => {
      patience.dispose();
      work = work
        .then(async () => {
          if (this.current === channel) this.current = undefined;
          await incoming?.file.close();
        })
        .catch((error: unknown) => this.environment.logger.warn('a snapshot file did not close', {error}));
    });
  }

  private async take(
    channel: FrameChannel,
    incoming: Incoming | undefined,
    frame: PeerFrame,
  ): Promise<Incoming | undefined> {
    if (frame.kind === 'offer' && !incoming) return this.begin(channel, frame.offer);
    if (frame.kind !== 'chunk' || !incoming)
      throw new CoordinatorError('corrupt', `a ${frame.kind} out of place`);
    const {offset, crc, data} = frame;
    if (offset !== incoming.have || crc32(data) !== crc)
      throw new CoordinatorError('corrupt', `the chunk at byte ${offset} is not the one that was sent`);
    await incoming.file.write(data, offset);
    incoming.have += data.length;
    if (incoming.have < incoming.offer.bytes) {
      channel.send(encodeFrame({kind: 'have', offset: incoming.have}));
      return incoming;
    }
    await this.finish(channel, incoming);
    return undefined;
  }

  private async begin(channel: FrameChannel, offer: SnapshotOffer): Promise<Incoming> {
    const {disk, folder} = this.environment;
    if (this.current || !this.listener.wantsSnapshot(offer.mark))
      throw new CoordinatorError('unavailable', 'no snapshot is wanted now');
    this.current = channel;
    const name = `incoming-${offer.mark.index}-${offer.mark.term}-${offer.bytes}-${offer.crc}.part`;
    for (const other of await disk.list(folder)) {
      // Of an earlier process: until the first one of this process has arrived.
      const isLeft = this.arrivals === 0 && WHOLE.test(other);
      if (isLeft || (PART.test(other) && other !== name)) await disk.remove(path.join(folder, other));
    }
    const isHere = (await disk.list(folder)).includes(name);
    const file = await disk.open(path.join(folder, name), isHere ? {} : {create: true});
    // The end is always sent again, so that finishing follows from a chunk.
    const have = Math.min(await file.size(), Math.max(0, offer.bytes - 1));
    channel.send(encodeFrame({kind: 'have', offset: have}));
    return {offer, file, have};
  }

  private async finish(channel: FrameChannel, {offer, file}: Incoming): Promise<void> {
    const {disk, folder} = this.environment;
    await file.sync();
    await file.close();
    try {
      const {mark} = await readSnapshot(disk, file.path, () => undefined);
      if (mark.index !== offer.mark.index || mark.term !== offer.mark.term)
        throw new CoordinatorError('corrupt', 'the snapshot is not the one that was offered');
    } catch (error) {
      if (isCoordinatorError(error, 'corrupt')) await disk.remove(file.path);
      throw error;
    }
    this.arrivals += 1;
    const whole = path.join(folder, `received-${offer.mark.index}-${offer.mark.term}-${this.arrivals}.part`);
    await disk.rename(file.path, whole);
    await disk.syncFolder(folder);
    if (!this.listener.wantsSnapshot(offer.mark)) {
      await disk.remove(whole);
      throw new CoordinatorError('unavailable', 'the snapshot is not wanted any more');
    }
    this.listener.snapshotArrived({mark: offer.mark, file: whole});
    channel.send(encodeFrame({kind: 'have', offset: offer.bytes}));
  }
}
