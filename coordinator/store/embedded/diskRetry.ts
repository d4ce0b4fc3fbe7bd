/** Asks a full disk for space now and then, until there is some. */
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import {isOutOfSpace} from './replicaFaults.ts';
import type {ReplicaParts} from './replicaParts.ts';

export interface DiskRetryEnds {
  /** The log has the room for what comes next. */
  hasSpace(): void;
  /** Something else than space is amiss. */
  failed(error: unknown): void;
}

export class DiskRetry implements Disposable {
  private due: Disposable = noDisposable;

  constructor(
    private readonly parts: Pick<ReplicaParts, 'log' | 'clock' | 'settings'>,
    private readonly ends: DiskRetryEnds,
  ) {}

  /** In `diskRetryMs`, and again as long as it is full. */
  later(): void {
    const {clock, settings} = this.parts;
    this.due.dispose();
    this.due = clock.schedule(settings.diskRetryMs, () => void this.now(), {background: true});
  }

  dispose(): void {
    this.due.dispose();
  }

  private async now(): Promise<void> {
    try {
      await this.parts.log.reserve();
    } catch (error) {
      if (isOutOfSpace(error)) this.later();
      else this.ends.failed(error);
      return;
    }
    this.ends.hasSpace();
  }
}
