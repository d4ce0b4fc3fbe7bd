/**
 * Finished attempts that the hub has not acknowledged, on disk. Sending them is completionSender.ts.
 *
 * A disk that refuses does not lose a completion, it only stops surviving the agent; that is said in the log.
 */
import path from 'node:path';
import * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import {TaskComplete} from '../../protocol/commands/attempt.ts';
import {AttemptId} from '../../protocol/ids.ts';
import {parseJson} from '../../runtime/json.ts';
import {AppendLog, type LogFormat} from '../appendLog.ts';
import type {LogFiles} from '../logFiles.ts';

const Line = z.union([
  z.object({v: z.literal(1), completion: TaskComplete}),
  z.object({v: z.literal(1), done: AttemptId}),
]);

const FORMAT: LogFormat<TaskComplete> = {
  name: ({attemptId}) => attemptId,
  entryLine: completion => JSON.stringify({v: 1, completion}),
  doneLine: ({attemptId}) => JSON.stringify({v: 1, done: attemptId}),
  parse(line) {
    const {data} = Line.safeParse(parseJson(line));
    return data && ('done' in data ? {done: data.done} : {entry: data.completion});
  },
};

const FILE = 'completions.jsonl';

export class CompletionLog {
  private failing = false;

  private constructor(
    private readonly log: AppendLog<TaskComplete>,
    private readonly file: string,
    private readonly logger: Logger,
  ) {}

  /** Opens the log of `folder`, which exists, with whatever an earlier run of the agent has left in it. */
  static async open(folder: string, logger: Logger, files?: LogFiles): Promise<CompletionLog> {
    const file = path.join(folder, FILE);
    return new CompletionLog(await AppendLog.open({file, format: FORMAT, logger, files}), file, logger);
  }

  /** Not acknowledged yet, oldest first. */
  all(): TaskComplete[] {
    return this.log.all();
  }

  /** Resolves once it is in the file, and with `sync` once it is on disk; also when that failed. */
  async add(completion: TaskComplete, sync: boolean): Promise<void> {
    await this.noticing(this.log.add(completion, {sync, onFailure: 'keep'}));
  }

  /** Accepted, or refused for good. Not synced: sending one again does no harm. */
  remove(attemptId: string): void {
    void this.noticing(this.log.remove(attemptId));
  }

  async close(): Promise<void> {
    await this.log.close();
  }

  private async noticing(written: Promise<void>): Promise<void> {
    try {
      await written;
      this.failing = false;
    } catch (error) {
      if (!this.failing)
        this.logger.error('finished attempts cannot be written down and would be lost with this process', {
          file: this.file,
          error,
        });
      this.failing = true;
    }
  }
}
