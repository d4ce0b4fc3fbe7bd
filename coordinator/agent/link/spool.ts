/** What the agent keeps on disk until the hub has it: transcripts, bounded in bytes, and completions, which are never dropped. */
import {mkdir, readdir, rm} from 'node:fs/promises';
import path from 'node:path';
import type {Logger} from '../../observability/logger.ts';
import type {Fence} from '../../protocol/ids.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {AgentSettings} from '../agentSettings.ts';
import {ByteBudget} from './byteBudget.ts';
import {CompletionLog} from './completionLog.ts';
import {readSegment, type Segment} from './segmentFile.ts';
import {type RecoveredSegment, TranscriptSpool} from './transcriptSpool.ts';

export interface SpoolOptions {
  readonly stateDirectory: string;
  readonly settings: Pick<AgentSettings, 'spoolBytes' | 'segmentBytes'>;
  readonly wallNow: () => number;
  readonly logger: Logger;
}

export class Spool {
  private constructor(
    private readonly options: SpoolOptions,
    private readonly folder: string,
    readonly completions: CompletionLog,
    readonly budget: ByteBudget,
    /** Transcripts that an earlier run of the agent left. */
    readonly recovered: ReadonlyMap<string, TranscriptSpool>,
  ) {}

  static async open(options: SpoolOptions): Promise<Spool> {
    const folder = path.join(options.stateDirectory, 'spool');
    await mkdir(folder, {recursive: true, mode: 0o700});
    const completions = await CompletionLog.open(folder, options.logger);
    const budget = new ByteBudget(options.settings.spoolBytes);
    const recovered = new Map<string, TranscriptSpool>();
    const spool = new Spool(options, folder, completions, budget, recovered);
    for (const [attemptId, {fence, segments}] of await spool.leftSegments())
      recovered.set(attemptId, spool.transcript(attemptId, fence, segments));
    return spool;
  }

  /** The transcript of a new attempt. */
  transcript(attemptId: string, fence: Fence, segments: readonly RecoveredSegment[] = []): TranscriptSpool {
    const {settings, wallNow, logger} = this.options;
    const {segmentBytes} = settings;
    const {folder, budget} = this;
    return new TranscriptSpool({folder, attemptId, fence, segmentBytes, budget, wallNow, logger}, segments);
  }

  close(): Promise<void> {
    return this.completions.close();
  }

  private async leftSegments(): Promise<Map<string, {fence: Fence; segments: RecoveredSegment[]}>> {
    const left = new Map<string, {fence: Fence; segments: RecoveredSegment[]}>();
    const names = (await readdir(this.folder)).filter(name => /\.[0-9]{10}\.jsonl$/.test(name)).sort();
    for (const name of names) {
      const file = path.join(this.folder, name);
      const segment = await this.readLeft(file);
      if (!segment || segment.events.length === 0) {
        await rm(file, {force: true});
        continue;
      }
      const {attemptId, fence, firstSeq} = segment.header;
      const entry = left.get(attemptId) ?? {fence, segments: []};
      const bytes = segment.events.reduce((sum, event) => sum + JSON.stringify(event).length + 1, 0);
      entry.segments.push({file, firstSeq, lastSeq: firstSeq + segment.events.length - 1, bytes});
      left.set(attemptId, entry);
    }
    return left;
  }

  private async readLeft(file: string): Promise<Segment | undefined> {
    try {
      return await readSegment(file);
    } catch (error) {
      if (!isCoordinatorError(error, 'corrupt')) throw error;
      this.options.logger.warn('dropped an unreadable spool file', {file});
      return undefined;
    }
  }
}
