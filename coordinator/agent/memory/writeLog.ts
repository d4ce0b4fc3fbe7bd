/**
 * Offline writes that the hub has not answered for, on disk. Sending them is memoryReplica.ts. A write counts once it is on disk, and is refused
 * when it cannot be put there.
 */
import {mkdir} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import {OfflineWrite} from '../../protocol/commands/memory.ts';
import {Identifier, SessionId} from '../../protocol/ids.ts';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import {parseJson} from '../../runtime/json.ts';
import {AppendLog, type LogFormat} from '../appendLog.ts';
import type {LogFiles} from '../logFiles.ts';

const WriteName = z.object({incarnation: Identifier, sequence: z.number().int().positive()});
type WriteName = z.infer<typeof WriteName>;

const Line = z.union([
  z.object({v: z.literal(1), sessionId: SessionId, write: OfflineWrite}),
  z.object({v: z.literal(1), done: WriteName}),
]);

export interface LoggedWrite {
  readonly sessionId: string;
  readonly write: OfflineWrite;
}

const FORMAT: LogFormat<LoggedWrite> = {
  name: ({write}) => nameOf(write),
  entryLine: ({sessionId, write}) => JSON.stringify({v: 1, sessionId, write}),
  doneLine({write: {incarnation, sequence}}) {
    return JSON.stringify({v: 1, done: {incarnation, sequence}});
  },
  parse(line) {
    const {data} = Line.safeParse(parseJson(line));
    if (!data) return undefined;
    if ('done' in data) return {done: nameOf(data.done)};
    return {entry: {sessionId: data.sessionId, write: data.write}};
  },
};

const FILE = 'writes.jsonl';

export class WriteLog {
  private constructor(
    private readonly log: AppendLog<LoggedWrite>,
    private readonly file: string,
    private readonly logger: Logger,
  ) {}

  /** Opens the log of `folder`, which is created, with whatever an earlier run has left in it. */
  static async open(folder: string, logger: Logger, files?: LogFiles): Promise<WriteLog> {
    await mkdir(folder, {recursive: true, mode: 0o700});
    const file = path.join(folder, FILE);
    return new WriteLog(await AppendLog.open({file, format: FORMAT, logger, files}), file, logger);
  }

  /** Not answered yet, in the order in which they were made. */
  all(): LoggedWrite[] {
    return this.log.all();
  }

  /** Bytes of what is not answered yet. */
  get bytes(): number {
    return this.log.bytes;
  }

  /** Resolves once it is on disk. Rejects with `diskFull` or `unavailable`: then it is not kept. */
  async add(write: LoggedWrite): Promise<void> {
    try {
      await this.log.add(write, {sync: true, onFailure: 'forget'});
    } catch (error) {
      const code = systemErrorCode(error);
      throw new CoordinatorError(
        code === 'ENOSPC' || code === 'EDQUOT' ? 'diskFull' : 'unavailable',
        'a memory write could not be put on disk, and was not made',
        {cause: error, hint: `Look at the disk of ${this.file}.`},
      );
    }
  }

  /** The hub has answered for it. Not synced: a write that is sent again is not taken again. */
  remove(write: OfflineWrite): void {
    this.log.remove(nameOf(write)).catch((error: unknown) =>
      this.logger.warn('an answered memory write stays on disk and is sent again', {
        file: this.file,
        error,
      }),
    );
  }

  async close(): Promise<void> {
    await this.log.close();
  }
}

function nameOf({incarnation, sequence}: WriteName): string {
  return `${incarnation}/${sequence}`;
}
