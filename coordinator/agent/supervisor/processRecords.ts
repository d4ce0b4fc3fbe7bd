/**
 * What the agent started, on disk: one small file a process, so that the next agent on this folder can end what this one left.
 *
 * The files are written but not fsynced: they must survive the agent, not a power cut, which leaves no process to end.
 */
import {mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import {parseJson} from '../../runtime/json.ts';
import type {ProcessIdentity} from './processTable.ts';

export const ProcessRecord = z.object({
  v: z.literal(1),
  attemptId: z.string().min(1),
  agentRun: z.string().min(1),
  agent: z.object({pid: z.int().positive(), startedAt: z.string()}),
  boot: z.string(),
  pid: z.int().positive(),
  startedAt: z.string(),
});
export type ProcessRecord = z.infer<typeof ProcessRecord>;

export class ProcessRecords {
  constructor(
    private readonly folder: string,
    private readonly logger: Logger,
  ) {
    mkdirSync(folder, {recursive: true, mode: 0o700});
  }

  add(record: ProcessRecord): void {
    const file = this.fileOf(record);
    writeFileSync(`${file}.tmp`, JSON.stringify(record), {mode: 0o600});
    renameSync(`${file}.tmp`, file);
  }

  remove(process: ProcessIdentity): void {
    rmSync(this.fileOf(process), {force: true});
  }

  /** Everything recorded. A file that cannot be read is reported and dropped: nothing can be ended by it. */
  all(): ProcessRecord[] {
    const records: ProcessRecord[] = [];
    for (const name of readdirSync(this.folder)) {
      const file = path.join(this.folder, name);
      if (!name.endsWith('.json')) {
        rmSync(file, {force: true});
        continue;
      }
      const parsed = ProcessRecord.safeParse(parseJson(readFileSync(file, 'utf8')));
      if (parsed.success) records.push(parsed.data);
      else {
        this.logger.warn('dropped an unreadable process record', {file});
        rmSync(file, {force: true});
      }
    }
    return records;
  }

  /** A pid alone may come again while the record of its first owner is still needed. */
  private fileOf({pid, startedAt}: ProcessIdentity): string {
    return path.join(this.folder, `${pid}-${encodeURIComponent(startedAt)}.json`);
  }
}
