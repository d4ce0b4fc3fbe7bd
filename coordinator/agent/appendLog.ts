/**
 * Entries that live until somebody is done with them, in one append-only file of JSON lines that survives the process and the power. What the
 * entries are is left to their owner.
 *
 * Whoever comes while a write is under way joins the next: many entries share one write and one flush. A write that failed is taken back at
 * once, so that what was refused is not found by the next process; after a flush that failed nothing of the file is believed, and it is
 * written anew.
 */
import type {Logger} from '../observability/logger.ts';
import {type Deferred, deferred} from '../runtime/deferred.ts';
import {type LogFile, type LogFiles, realLogFiles} from './logFiles.ts';

/** One line is one step: an entry comes, or the one of that name goes. */
export interface LogFormat<T> {
  name(entry: T): string;
  entryLine(entry: T): string;
  doneLine(entry: T): string;
  /** `undefined` for what is no line of this log. */
  parse(line: string): {readonly entry: T} | {readonly done: string} | undefined;
}

export interface AppendLogOptions<T> {
  readonly file: string;
  readonly format: LogFormat<T>;
  readonly logger: Logger;
  readonly files?: LogFiles | undefined;
  /** The file is written anew without what is done beyond this size, if that is most of it. */
  readonly rewriteBytes?: number | undefined;
}

export interface AddOptions {
  /** Resolve once it is on the disk, not only in the file. */
  readonly sync: boolean;
  /** `forget`: an entry that could not be written was never here. `keep`: it stays in memory, and is written with whatever comes next. */
  readonly onFailure: 'forget' | 'keep';
}

interface Held<T> {
  readonly entry: T;
  readonly line: string;
  readonly bytes: number;
  /** It belongs into the file: it is there, or is to be there with the next write. */
  isIn: boolean;
}

interface Step<T> {
  readonly line: string;
  readonly sync: boolean;
  /** Absent: an entry went. */
  readonly held?: Held<T> | undefined;
  readonly forget?: boolean | undefined;
}

interface Batch<T> {
  readonly steps: Step<T>[];
  readonly done: Deferred<void>;
}

const REWRITE_BYTES = 1024 * 1024;

export class AppendLog<T> {
  private readonly entries = new Map<string, Held<T>>();
  private next: Batch<T> | undefined;
  private running: Promise<void> | undefined;
  private liveBytes = 0;
  private fileBytes = 0;
  /** Lines of a write that failed, and that belong into the file all the same. */
  private missing: string[] = [];
  /** What the file holds is not known any more. */
  private mustRewrite = false;

  private constructor(
    private readonly options: AppendLogOptions<T>,
    private readonly files: LogFiles,
    private handle: LogFile,
  ) {}

  /** With whatever an earlier process has left. The folder exists. Rejects as the disk does. */
  static async open<T>(options: AppendLogOptions<T>): Promise<AppendLog<T>> {
    const files = options.files ?? realLogFiles;
    const left = entriesIn(await files.read(options.file), options);
    await files.replace(options.file, [...left.values()].map(({line}) => line).join(''));
    const log = new AppendLog(options, files, await files.open(options.file));
    for (const [name, held] of left) {
      log.entries.set(name, held);
      log.liveBytes += held.bytes;
    }
    log.fileBytes = log.liveBytes;
    return log;
  }

  /** In the order in which they came. */
  all(): T[] {
    return [...this.entries.values()].map(({entry}) => entry);
  }

  /** Bytes of all entries. */
  get bytes(): number {
    return this.liveBytes;
  }

  /** Rejects with the disk's error. */
  add(entry: T, {sync, onFailure}: AddOptions): Promise<void> {
    const {format} = this.options;
    const held = hold(entry, format.entryLine(entry), false);
    const name = format.name(entry);
    this.drop(name);
    this.entries.set(name, held);
    this.liveBytes += held.bytes;
    return this.enqueue({line: held.line, sync, held, forget: onFailure === 'forget'});
  }

  /** Not synced: the entry may come back after a power cut. Rejects with the disk's error, and then it may come back as well. */
  async remove(name: string): Promise<void> {
    const held = this.entries.get(name);
    if (!held) return;
    this.drop(name);
    await this.enqueue({line: `${this.options.format.doneLine(held.entry)}\n`, sync: false});
  }

  /** After what was begun. */
  async close(): Promise<void> {
    while (this.running) await this.running;
    await this.handle.close();
  }

  private drop(name: string): boolean {
    const held = this.entries.get(name);
    if (!held) return false;
    this.entries.delete(name);
    this.liveBytes -= held.bytes;
    return true;
  }

  private enqueue(step: Step<T>): Promise<void> {
    this.next ??= {steps: [], done: deferred<void>()};
    const {steps, done} = this.next;
    steps.push(step);
    this.running ??= this.drain();
    return done.promise;
  }

  /** Never rejects. */
  private async drain(): Promise<void> {
    // Gathers what the same turn of the event loop adds.
    await Promise.resolve();
    while (this.next) {
      const {steps, done} = this.next;
      this.next = undefined;
      try {
        await this.write(steps);
        done.resolve();
      } catch (error) {
        // Before anything else is written: what nobody may count on must not be among it.
        for (const step of steps) this.failed(step);
        await this.takeBack();
        done.reject(error);
      }
    }
    this.running = undefined;
  }

  private async write(steps: readonly Step<T>[]): Promise<void> {
    const {rewriteBytes = REWRITE_BYTES} = this.options;
    for (const {held} of steps) if (held) held.isIn = true;
    if (this.mustRewrite || (this.fileBytes > rewriteBytes && this.fileBytes > 2 * this.liveBytes)) {
      await this.rewrite();
      return;
    }
    const text = [...this.missing, ...steps.map(({line}) => line)].join('');
    await this.handle.append(text);
    if (steps.some(({sync}) => sync)) {
      this.mustRewrite = true;
      await this.handle.datasync();
      this.mustRewrite = false;
    }
    this.fileBytes += Buffer.byteLength(text);
    this.missing = [];
  }

  private failed({line, held, forget}: Step<T>): void {
    if (!held || !forget) {
      this.missing.push(line);
      return;
    }
    held.isIn = false;
    const name = this.options.format.name(held.entry);
    if (this.entries.get(name) === held) this.drop(name);
  }

  /** The file as it was before the write that failed; on a disk that refuses this too, the next write begins with it. */
  private async takeBack(): Promise<void> {
    try {
      if (this.mustRewrite) await this.rewrite();
      else await this.handle.truncate(this.fileBytes);
    } catch (error) {
      this.mustRewrite = true;
      const {logger, file} = this.options;
      logger.warn('a write that failed cannot be taken back yet', {file, error});
    }
  }

  /** Entries whose own write is still to come are left out: it may fail. */
  private async rewrite(): Promise<void> {
    const {file} = this.options;
    this.mustRewrite = true;
    const text = [...this.entries.values()]
      .filter(({isIn}) => isIn)
      .map(({line}) => line)
      .join('');
    await this.files.replace(file, text);
    const old = this.handle;
    this.handle = await this.files.open(file);
    this.fileBytes = Buffer.byteLength(text);
    this.missing = [];
    this.mustRewrite = false;
    await old.close();
  }
}

function hold<T>(entry: T, text: string, isIn: boolean): Held<T> {
  const line = `${text}\n`;
  return {entry, line, bytes: Buffer.byteLength(line), isIn};
}

/** A torn last line was never acknowledged to anybody, and is left out. */
function entriesIn<T>(text: string, {file, format, logger}: AppendLogOptions<T>): Map<string, Held<T>> {
  const left = new Map<string, Held<T>>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const step = parsed(format, line);
    if (!step) logger.warn('left out an unreadable line', {file, bytes: line.length});
    else if ('done' in step) left.delete(step.done);
    else left.set(format.name(step.entry), hold(step.entry, format.entryLine(step.entry), true));
  }
  return left;
}

/** Nothing that is in the file may keep the process from starting. */
function parsed<T>(format: LogFormat<T>, line: string): ReturnType<LogFormat<T>['parse']> {
  try {
    return format.parse(line);
  } catch {
    return undefined;
  }
}
