/** When a snapshot is due: once the log has outgrown the last one. One is written at a time. */
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import type {OpenedReplica} from './openReplica.ts';
import type {EmbeddedSettings} from './settings.ts';

type ScheduleSettings = Pick<EmbeddedSettings, 'snapshotEntries' | 'snapshotLogBytes' | 'diskRetryMs'>;

export class SnapshotSchedule {
  private readonly stopping = new AbortController();
  private writing: Promise<void> | undefined;
  private notBefore = 0;
  private last: {index: number; bytes: number};

  constructor(
    private readonly opened: OpenedReplica,
    private readonly parts: {
      readonly clock: Clock;
      readonly logger: Logger;
      readonly settings: ScheduleSettings;
    },
  ) {
    this.last = {index: opened.snapshotIndex, bytes: 0};
  }

  /** The state is that of a snapshot up to `index`. */
  restored(index: number): void {
    this.last = {index, bytes: this.opened.replica.appliedBytes};
  }

  writeIfDue(): void {
    const {settings, clock, logger} = this.parts;
    const {replica, snapshots, raft} = this.opened;
    // While one of the leader's is installed, state and configuration are not of one moment.
    if (this.writing || this.stopping.signal.aborted || raft.installing || clock.now() < this.notBefore)
      return;
    const entries = replica.applied.index - this.last.index;
    const bytes = replica.appliedBytes - this.last.bytes;
    // Never more often than the log outgrows the state: else a large state would be written over and over.
    if (
      bytes < snapshots.lastBytes ||
      (entries < settings.snapshotEntries && bytes < settings.snapshotLogBytes)
    )
      return;
    this.last = {index: replica.applied.index, bytes: replica.appliedBytes};
    this.writing = this.opened
      .snapshot(this.stopping.signal)
      .catch(error => {
        if (this.stopping.signal.aborted) return;
        logger.error('a snapshot could not be written', {error});
        const code = systemErrorCode(error);
        if (code !== 'ENOSPC' && code !== 'EDQUOT')
          replica.fail(new CoordinatorError('corrupt', 'the disk failed a snapshot', {cause: error}));
        this.notBefore = clock.now() + settings.diskRetryMs;
      })
      .finally(() => {
        this.writing = undefined;
      });
  }

  /** Gives up the one that is being written. */
  abort(): void {
    this.stopping.abort(new CoordinatorError('closed', 'the store is closing'));
  }

  async ended(): Promise<void> {
    await this.writing;
  }
}
