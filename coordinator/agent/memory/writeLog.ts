/**
 * Offline writes that the hub has not answered for, in one append-only file of JSON lines. Sending them is memoryReplica.ts.
 *
 * A write counts once it is on disk, and is refused when it cannot be put there. Whoever comes while one write is under way joins the next.
 */
import {type FileHandle, mkdir, open, readFile} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import {OfflineWrite} from '../../protocol/commands/memory.ts';
import {Identifier, SessionId} from '../../protocol/ids.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {syncFolder, writeFileDurably} from '../../runtime/durableFile.ts';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';

const Line = z.union([
  z.object({v: z.literal(1), sessionId: SessionId, write: OfflineWrite}),
  z.object({
    v: z.literal(1),
    done: z.object({incarnation: Identifier, sequence: z.number().int().positive()}),
  }),
]);

export interface LoggedWrite {
  readonly sessionId: string;
  readonly write: OfflineWrite;
}

const FILE = 'writes.jsonl';
/** The file is rewritten without what is done beyond this size, if that is most of it. */
const REWRITE_BYTES = 1024 * 1024;

export class WriteLog {
  private readonly pending = new Map<string, LoggedWrite>();
  private queue: {readonly text: string; readonly sync: boolean}[] = [];
  private next: Deferred<void> | undefined;
  private running: Promise<void> | undefined;
  private fileBytes = 0;
  private liveBytes = 0;
  /** A failure may have left half a line. */
  private torn = false;

  private constructor(
    private readonly file: string,
    private handle: FileHandle,
    private readonly logger: Logger,
  ) {}

  /** Opens the log of `folder`, which is created, with whatever an earlier run has left in it. */
  static async open(folder: string, logger: Logger): Promise<WriteLog> {
    await mkdir(folder, {recursive: true, mode: 0o700});
    const file = path.join(folder, FILE);
    const left = writesIn(await readOrEmpty(file), file, logger);
    await writeFileDurably(file, [...left.values()].map(writeLine).join(''));
    const log = new WriteLog(file, await open(file, 'a', 0o600), logger);
    for (const [name, write] of left) log.pending.set(name, write);
    log.fileBytes = log.liveBytes = (await log.handle.stat()).size;
    return log;
  }

  /** Not answered yet, in the order in which they were made. */
  all(): LoggedWrite[] {
    return [...this.pending.values()];
  }

  /** Bytes of what is not answered yet. */
  get bytes(): number {
    return this.liveBytes;
  }

  /** Resolves once it is on disk. Rejects with `diskFull` or `unavailable`: then it is not kept. */
  async add(write: LoggedWrite): Promise<void> {
    const name = nameOf(write.write);
    const text = writeLine(write);
    this.pending.set(name, write);
    this.liveBytes += text.length;
    try {
      await this.enqueue(text, true);
    } catch (error) {
      if (this.pending.delete(name)) this.liveBytes -= text.length;
      const code = systemErrorCode(error) === 'ENOSPC' ? 'diskFull' : 'unavailable';
      throw new CoordinatorError(code, `a memory write could not be put on disk, and was not made`, {
        cause: error,
        hint: `Look at the disk of ${this.file}.`,
      });
    }
  }

  /** The hub has answered for it. Not synced: a write that is sent again is not taken again. */
  remove({incarnation, sequence}: OfflineWrite): void {
    const name = nameOf({incarnation, sequence});
    const write = this.pending.get(name);
    if (!write) return;
    this.pending.delete(name);
    this.liveBytes -= writeLine(write).length;
    this.enqueue(`${JSON.stringify({v: 1, done: {incarnation, sequence}})}\n`, false).catch(
      (error: unknown) =>
        this.logger.warn('an answered memory write stays on disk and is sent again', {
          file: this.file,
          error,
        }),
    );
  }

  async close(): Promise<void> {
    while (this.running) await this.running;
    await this.handle.close();
  }

  private enqueue(text: string, sync: boolean): Promise<void> {
    this.queue.push({text, sync});
    this.next ??= deferred<void>();
    const written = this.next.promise;
    this.running ??= this.drain();
    return written;
  }

  /** Never rejects. */
  private async drain(): Promise<void> {
    // Gathers what the same turn of the event loop adds.
    await Promise.resolve();
    while (this.next) {
      const waiting = this.next;
      const lines = this.queue;
      this.next = undefined;
      this.queue = [];
      try {
        await this.write(lines);
        waiting.resolve();
      } catch (error) {
        this.torn = true;
        waiting.reject(error);
      }
    }
    this.running = undefined;
  }

  private async write(lines: readonly {readonly text: string; readonly sync: boolean}[]): Promise<void> {
    const tooLong = this.fileBytes > REWRITE_BYTES && this.fileBytes > 2 * this.liveBytes;
    if (this.torn || tooLong) {
      // The lines are in `pending`, or gone from it, already.
      await this.rewrite();
      return;
    }
    const text = lines.map(line => line.text).join('');
    await this.handle.appendFile(text);
    this.fileBytes += Buffer.byteLength(text);
    if (lines.some(line => line.sync)) await this.handle.datasync();
  }

  private async rewrite(): Promise<void> {
    await writeFileDurably(this.file, this.all().map(writeLine).join(''));
    const old = this.handle;
    this.handle = await open(this.file, 'a', 0o600);
    await old.close();
    await syncFolder(path.dirname(this.file));
    this.torn = false;
    this.fileBytes = (await this.handle.stat()).size;
  }
}

function nameOf({incarnation, sequence}: Pick<OfflineWrite, 'incarnation' | 'sequence'>): string {
  return `${incarnation}/${sequence}`;
}

function writeLine({sessionId, write}: LoggedWrite): string {
  return `${JSON.stringify({v: 1, sessionId, write})}\n`;
}

async function readOrEmpty(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

/** A torn last line was never acknowledged to anybody, and is left out. */
function writesIn(text: string, file: string, logger: Logger): Map<string, LoggedWrite> {
  const left = new Map<string, LoggedWrite>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const parsed = Line.safeParse(parseLine(line));
    if (!parsed.success) logger.warn('left out an unreadable line', {file, bytes: line.length});
    else if ('done' in parsed.data) left.delete(nameOf(parsed.data.done));
    else {
      const {sessionId, write} = parsed.data;
      left.set(nameOf(write), {sessionId, write});
    }
  }
  return left;
}

/** `undefined`, which the schema refuses, for what is not JSON. */
function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
