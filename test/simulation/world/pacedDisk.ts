/**
 * A simulated disk whose operations take simulated time, as one process sees it: they can be slow or hang, and after the process died none of its
 * operations ends. What the disk keeps is `SimulatedDisk`'s.
 */
import type {DirectoryLock} from '../../../coordinator/runtime/directoryLock.ts';
import type {Disk, DiskFile, OpenOptions} from '../../../coordinator/store/embedded/disk.ts';
import type {DiskOperation, SimulatedDisk} from '../../../coordinator/store/embedded/simulatedDisk.ts';
import type {Chance} from './chance.ts';
import type {Scheduler} from './scheduler.ts';

export interface DiskPace {
  /** Usual time of a write or a flush, ms. */
  delayMs: number;
  /** Nothing ends until this is false again. */
  hung: boolean;
}

/** Operations that end within the process's step: they change nothing. */
const INSTANT: ReadonlySet<DiskOperation> = new Set(['list', 'open', 'read']);

interface Waiting {
  readonly operation: DiskOperation;
  /** Carries the operation out, and has it answered later. */
  readonly begin: () => void;
}

export class PacedDisk implements Disk {
  private dead = false;
  /** Asked for and not carried out yet. */
  private readonly waiting = new Set<Waiting>();

  constructor(
    private readonly disk: SimulatedDisk,
    private readonly pace: DiskPace,
    private readonly scheduler: Scheduler,
    private readonly chance: Chance,
    /** Runs a step of the process that asked, now or when it is awake again. */
    private readonly wake: (step: () => void) => void,
  ) {}

  get durableWrites(): boolean {
    return this.disk.durableWrites;
  }

  /**
   * The process is gone. What it asked for last may have been carried out or not; with `tear`, in part: then the power is gone, too, and the disk
   * must be restarted.
   */
  die(tear: boolean): void {
    this.dead = true;
    for (const {operation, begin} of [...this.waiting]) {
      if (this.chance.happens(0.5)) continue;
      if (!tear) begin();
      else if (operation === 'write') {
        this.disk.options.fault = () => 'crash';
        begin();
        break;
      }
    }
    this.waiting.clear();
    this.scheduler.settled = true;
  }

  async makeFolder(): Promise<void> {}

  list(folder: string): Promise<string[]> {
    return this.run('list', () => this.disk.list(folder));
  }

  async open(path: string, options?: OpenOptions): Promise<DiskFile> {
    const file = await this.run('open', () => this.disk.open(path, options));
    return {
      path,
      // The memory is read when the write is carried out, as by a real one.
      write: (bytes, position) => this.run('write', () => file.write(bytes, position)),
      read: (position, length) => this.run('read', () => file.read(position, length)),
      sync: () => this.run('sync', () => file.sync()),
      size: () => file.size(),
      close: () => file.close(),
    };
  }

  rename(from: string, to: string): Promise<void> {
    return this.run('rename', () => this.disk.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.run('remove', () => this.disk.remove(path));
  }

  syncFolder(folder: string): Promise<void> {
    return this.run('syncFolder', () => this.disk.syncFolder(folder));
  }

  /** Who may have the directory is decided by the machine: it runs one process. */
  async lock(): Promise<DirectoryLock> {
    return {release: async () => undefined};
  }

  private run<T>(operation: DiskOperation, act: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const {scheduler, chance, pace} = this;
      if (this.dead) return;
      const answer = (settle: () => void): void => {
        const late = INSTANT.has(operation) ? 0 : chance.around(pace.delayMs / 2);
        const tell = (): void => {
          if (this.dead) return;
          if (pace.hung) {
            scheduler.after(5, tell);
            return;
          }
          this.wake(() => {
            scheduler.settled = true;
            settle();
          });
        };
        if (late === 0) tell();
        else scheduler.after(late, tell);
      };
      const waiting: Waiting = {
        operation,
        begin: () => {
          this.waiting.delete(waiting);
          scheduler.settled = true;
          act().then(
            value => answer(() => resolve(value)),
            (error: unknown) => answer(() => reject(error)),
          );
        },
      };
      if (INSTANT.has(operation)) {
        waiting.begin();
        return;
      }
      this.waiting.add(waiting);
      const start = (): void => {
        if (!this.waiting.has(waiting)) return;
        if (pace.hung) scheduler.after(5, start);
        else waiting.begin();
      };
      scheduler.after(chance.around(pace.delayMs / 2), start);
    });
  }
}
