/**
 * Finished attempts that the hub has not acknowledged, in one append-only file of JSON lines. Sending them is completionSender.ts.
 *
 * Lines of many attempts share one write and one fsync: whoever comes while one is under way joins the next. A disk that refuses
 * does not lose a completion, it only stops surviving the agent; that is said in the log.
 */
import {type FileHandle, open, readFile} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import {TaskComplete} from '../../protocol/commands/attempt.ts';
import {AttemptId} from '../../protocol/ids.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {syncFolder, writeFileDurably} from '../../runtime/durableFile.ts';
import {systemErrorCode} from '../../runtime/errors.ts';

const Line = z.union([
  z.object({v: z.literal(1), completion: TaskComplete}),
  z.object({v: z.literal(1), done: AttemptId}),
]);

const FILE = 'completions.jsonl';
/** The file is rewritten without what is done beyond this size, if that is most of it. */
const REWRITE_BYTES = 1024 * 1024;

export class CompletionLog {
  private readonly pending = new Map<string, TaskComplete>();
  private queue: {text: string; sync: boolean}[] = [];
  private next: Deferred<void> | undefined;
  private running: Promise<void> | undefined;
  private failing = false;
  private liveBytes = 0;

  private constructor(
    private readonly file: string,
    private handle: FileHandle,
    private fileBytes: number,
    private readonly logger: Logger,
  ) {}

  /** Opens the log of `folder`, which exists, with whatever an earlier run of the agent has left in it. */
  static async open(folder: string, logger: Logger): Promise<CompletionLog> {
    const file = path.join(folder, FILE);
    const pending = pendingIn(await readOrEmpty(file), file, logger);
    await writeFileDurably(file, [...pending.values()].map(completionLine).join(''));
    const handle = await open(file, 'a', 0o600);
    const log = new CompletionLog(file, handle, (await handle.stat()).size, logger);
    for (const [id, completion] of pending) log.pending.set(id, completion);
    log.liveBytes = log.fileBytes;
    return log;
  }

  /** Not acknowledged yet, oldest first. */
  all(): TaskComplete[] {
    return [...this.pending.values()];
  }

  /** Resolves once it is in the file, and with `sync` once it is on disk. */
  add(completion: TaskComplete, sync: boolean): Promise<void> {
    const text = completionLine(completion);
    this.pending.set(completion.attemptId, completion);
    this.liveBytes += text.length;
    return this.enqueue(text, sync);
  }

  /** Accepted, or refused for good. Not synced: sending one again does no harm. */
  remove(attemptId: string): void {
    const completion = this.pending.get(attemptId);
    if (!completion) return;
    this.pending.delete(attemptId);
    this.liveBytes -= completionLine(completion).length;
    void this.enqueue(`${JSON.stringify({v: 1, done: attemptId})}\n`, false);
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

  private async drain(): Promise<void> {
    // Gathers what the same turn of the event loop adds.
    await Promise.resolve();
    while (this.next) {
      const waiting = this.next;
      const lines = this.queue;
      this.next = undefined;
      this.queue = [];
      await this.write(lines);
      waiting.resolve();
    }
    this.running = undefined;
  }

  private async write(lines: readonly {text: string; sync: boolean}[]): Promise<void> {
    const text = lines.map(line => line.text).join('');
    try {
      if (this.fileBytes > REWRITE_BYTES && this.fileBytes > 2 * this.liveBytes) await this.rewrite();
      else {
        await this.handle.appendFile(text);
        this.fileBytes += Buffer.byteLength(text);
        if (lines.some(line => line.sync)) await this.handle.datasync();
      }
      this.failing = false;
    } catch (error) {
      if (!this.failing)
        this.logger.error('finished attempts cannot be written down and would be lost with this process', {
          file: this.file,
          error,
        });
      this.failing = true;
      // What is torn now is mended by a rewrite at the next chance.
      this.fileBytes = Number.MAX_SAFE_INTEGER;
    }
  }

  /** The queue's lines are in `pending` or done already, so that the rewritten file has them. */
  private async rewrite(): Promise<void> {
    await writeFileDurably(this.file, this.all().map(completionLine).join(''));
    await this.handle.close();
    this.handle = await open(this.file, 'a', 0o600);
    await syncFolder(path.dirname(this.file));
    this.fileBytes = (await this.handle.stat()).size;
    this.liveBytes = this.fileBytes;
  }
}

function completionLine(completion: TaskComplete): string {
  return `${JSON.stringify({v: 1, completion})}\n`;
}

async function readOrEmpty(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

function pendingIn(text: string, file: string, logger: Logger): Map<string, TaskComplete> {
  const pending = new Map<string, TaskComplete>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const parsed = Line.safeParse(parseLine(line));
    if (!parsed.success) logger.warn('left out an unreadable line', {file, bytes: line.length});
    else if ('done' in parsed.data) pending.delete(parsed.data.done);
    else pending.set(parsed.data.completion.attemptId, parsed.data.completion);
  }
  return pending;
}

/** `undefined`, which the schema refuses, for what is not JSON. */
function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
