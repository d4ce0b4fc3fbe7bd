/** The snapshot that has arrived whole and waits for the leader's word to be installed: one at most. */
import type {Logger} from '../../observability/logger.ts';
import type {Position} from '../../raft/types.ts';
import {assert} from '../../runtime/assert.ts';
import type {Disk} from './disk.ts';
import type {SnapshotSource} from './peers/transport.ts';

export class ReceivedSnapshot {
  private source: SnapshotSource | undefined;

  constructor(
    private readonly disk: Disk,
    private readonly logger: Logger,
  ) {}

  arrived(source: SnapshotSource): void {
    if (this.source?.file !== source.file) this.drop();
    this.source = source;
  }

  has({index, term}: Position): boolean {
    return this.source?.mark.index === index && this.source.mark.term === term;
  }

  /** Its file, which is the caller's from now on. */
  take(mark: Position): string {
    assert(this.source && this.has(mark), `the snapshot up to entry ${mark.index} was not received`);
    const {file} = this.source;
    this.source = undefined;
    return file;
  }

  /** It is not wanted any more. */
  drop(): void {
    const {source} = this;
    this.source = undefined;
    if (source)
      this.disk
        .remove(source.file)
        .catch((error: unknown) =>
          this.logger.warn('a snapshot that is not needed could not be deleted', {error}),
        );
  }
}
