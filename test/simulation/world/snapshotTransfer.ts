/** Snapshots between two simulated replicas: the bytes first, onto the disk of the one that lags, then Raft's message that installs them. */
import type {InstallSnapshot} from '../../../coordinator/raft/messages.ts';
import type {SnapshotMark, SnapshotRequest} from '../../../coordinator/raft/types.ts';
import type {Disk} from '../../../coordinator/store/embedded/disk.ts';
import type {Replica} from './replica.ts';

export interface SentSnapshot {
  readonly mark: SnapshotMark;
  readonly bytes: Buffer;
}

interface Received {
  readonly mark: SnapshotMark;
  readonly file: string;
}

const PATIENCE_MS = 600;

export class SnapshotTransfer {
  private received: Received | undefined;
  private receiving = false;
  private files = 0;

  constructor(private readonly replica: Replica) {}

  send({to, index}: SnapshotRequest): void {
    const {replica} = this;
    const {node, settings, process} = replica;
    const newest = replica.snapshots.newest;
    if (!newest || newest.mark.index < index) {
      node.reportSnapshot(to, 'failed');
      return;
    }
    const {mark} = newest;
    let over = false;
    const end = (delivered: boolean): void => {
      if (over || !process.alive) return;
      over = true;
      const message = delivered ? node.snapshotMessage(to, mark) : undefined;
      if (message) settings.send(replica, message);
      node.reportSnapshot(to, message ? 'delivered' : 'failed');
      replica.pump();
    };
    process.after(PATIENCE_MS, () => end(false));
    readWhole(process.disk, newest.file).then(
      bytes =>
        replica.guarded(() =>
          settings.sendSnapshot(replica, to, {mark, bytes}, () => process.run(() => end(true))),
        ),
      () => replica.guarded(() => end(false)),
    );
  }

  /** `arrived` once the bytes are durable. */
  receive({mark, bytes}: SentSnapshot, arrived: () => void): void {
    const {replica} = this;
    if (!replica.isLive || this.receiving || replica.node.installing) return;
    this.receiving = true;
    this.files += 1;
    const file = `/data/received-${this.files}.tmp`;
    this.store(file, bytes).then(
      () =>
        replica.guarded(() => {
          this.receiving = false;
          this.received = {mark, file};
          arrived();
        }),
      () => {
        this.receiving = false;
      },
    );
  }

  step(message: InstallSnapshot): void {
    const {received, replica} = this;
    if (received?.mark.index !== message.mark.index || received.mark.term !== message.mark.term) return;
    replica.node.step(message);
  }

  /** The file of the snapshot that is to be installed now. */
  take(mark: SnapshotMark): string {
    const {received} = this;
    this.received = undefined;
    if (received?.mark.index !== mark.index) throw new Error('the snapshot was not received');
    return received.file;
  }

  private async store(file: string, bytes: Buffer): Promise<void> {
    const handle = await this.replica.process.disk.open(file, {create: true});
    await handle.write(bytes, 0);
    await handle.sync();
    await handle.close();
  }
}

async function readWhole(disk: Disk, file: string): Promise<Buffer> {
  const handle = await disk.open(file);
  try {
    return await handle.read(0, await handle.size());
  } finally {
    await handle.close();
  }
}
