/** Which snapshots there are: the newest readable one to start from, two kept, and how far the log behind them may go. */
import path from 'node:path';
import type {Logger} from '../../observability/logger.ts';
import type {SnapshotMark} from '../../raft/types.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {StateMachine} from '../stateMachine.ts';
import {encodeState, StateDecoder} from '../stateSnapshot.ts';
import type {Disk} from './disk.ts';
import {readSnapshot, snapshotIndex, snapshotName, writeSnapshot} from './snapshotFile.ts';

/** The older one is for the day the newer one cannot be read; the log is kept back to it. */
const KEPT = 2;

export interface LoadedSnapshot {
  /** Undefined when there is none and the log must start at entry 1. */
  readonly mark: SnapshotMark | undefined;
  readonly machine: StateMachine;
}

export class Snapshots {
  /** Readable ones, oldest first. */
  private kept: {mark: SnapshotMark; bytes: number}[] = [];

  constructor(
    private readonly disk: Disk,
    private readonly folder: string,
    private readonly logger: Logger,
  ) {}

  /** Size of the newest one. */
  get lastBytes(): number {
    return this.kept.at(-1)?.bytes ?? 0;
  }

  /** The newest one, to send to a node that lacks what it covers. */
  get newest(): {readonly mark: SnapshotMark; readonly file: string} | undefined {
    const mark = this.kept.at(-1)?.mark;
    return mark && {mark, file: path.join(this.folder, snapshotName(mark.index))};
  }

  get bytesOnDisk(): number {
    return this.kept.reduce((sum, snapshot) => sum + snapshot.bytes, 0);
  }

  /** Log entries up to here are needed no more. */
  get coveredIndex(): number {
    return this.kept.length < KEPT ? 0 : (this.kept[0]?.mark.index ?? 0);
  }

  /** The newest readable one. Whether the log covers what follows it is for the log's recovery to say. */
  async load(): Promise<LoadedSnapshot & {readonly unreadable: readonly string[]}> {
    const names = await this.disk.list(this.folder);
    const indexes = names
      .map(snapshotIndex)
      .filter(index => index !== undefined)
      .sort((a, b) => b - a);
    const unreadable: string[] = [];
    let loaded: LoadedSnapshot | undefined;
    for (const index of indexes) {
      const file = path.join(this.folder, snapshotName(index));
      try {
        const decoder = new StateDecoder();
        const {mark, bytes} = await readSnapshot(this.disk, file, chunk => decoder.push(chunk));
        loaded ??= {mark, machine: decoder.finish()};
        this.kept.unshift({mark, bytes});
      } catch (error) {
        if (!isCoordinatorError(error, 'corrupt')) throw error;
        unreadable.push(file);
        this.logger.error('a snapshot cannot be read; trying to start without it', {file, error});
      }
      if (this.kept.length === KEPT) break;
    }
    return {...(loaded ?? {mark: undefined, machine: new StateMachine()}), unreadable};
  }

  /** Writes the state of now, which covers the log up to `mark`; more may be applied meanwhile. Rejects with the signal's reason. */
  async write(machine: StateMachine, mark: SnapshotMark, signal: AbortSignal): Promise<void> {
    const chunks = encodeState(machine);
    try {
      // Taking the first chunk fixes the view before anything else is applied.
      const first = chunks.next();
      const bytes = await writeSnapshot(this.disk, this.folder, mark, resumed(first, chunks, signal));
      this.keep({mark, bytes});
    } finally {
      chunks.return();
    }
    await this.removeOld();
  }

  /** Gives a received snapshot, whole and durable at `file`, its name, and returns the state that it holds. Throws `corrupt`. */
  async install(file: string): Promise<{mark: SnapshotMark; machine: StateMachine}> {
    const decoder = new StateDecoder();
    const {mark, bytes} = await readSnapshot(this.disk, file, chunk => decoder.push(chunk));
    const machine = decoder.finish();
    await this.disk.rename(file, path.join(this.folder, snapshotName(mark.index)));
    await this.disk.syncFolder(this.folder);
    this.keep({mark, bytes});
    await this.removeOld();
    return {mark, machine};
  }

  /** One that was received may be newer than one that was being written meanwhile. */
  private keep(snapshot: {mark: SnapshotMark; bytes: number}): void {
    this.kept = [...this.kept.filter(({mark}) => mark.index !== snapshot.mark.index), snapshot];
    this.kept.sort((a, b) => a.mark.index - b.mark.index);
  }

  private async removeOld(): Promise<void> {
    while (this.kept.length > KEPT) {
      const oldest = this.kept.shift();
      if (oldest) await this.disk.remove(path.join(this.folder, snapshotName(oldest.mark.index)));
    }
  }
}

function* resumed(
  first: IteratorResult<Uint8Array, void>,
  rest: Iterable<Uint8Array>,
  signal: AbortSignal,
): Generator<Uint8Array, void> {
  if (!first.done) yield first.value;
  for (const chunk of rest) {
    signal.throwIfAborted();
    yield chunk;
  }
}
