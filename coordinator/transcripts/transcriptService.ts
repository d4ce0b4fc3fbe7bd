/**
 * Transcripts of attempts: takes events in order and once, tells followers at once, makes them durable in segments, and acknowledges only what
 * is durable. Spooling on the agent's side and the way to other coordinators' followers are left to others.
 */
import type * as z from 'zod';
import type {Fences} from '../effects/fences.ts';
import {requireFenceOf, staleFence} from '../effects/fences.ts';
import type {LiveAttempts} from '../effects/liveAttempts.ts';
import type {PathReports} from '../effects/pathReports.ts';
import type {UsageReports} from '../effects/usageReports.ts';
import type {Logger} from '../observability/logger.ts';
import type {StatusUpdate, StatusUpdated} from '../protocol/commands/attempt.ts';
import type {TranscriptRead, TranscriptWindow} from '../protocol/commands/watch.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {Fence} from '../protocol/ids.ts';
import type {TranscriptEvent} from '../protocol/transcript.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import type {Principal} from '../security/principal.ts';
import {OpenTranscript} from './openTranscript.ts';
import {type BlobSink, type BlobSource, TranscriptSegments} from './transcriptSegments.ts';

export interface TranscriptSettings {
  /** Least time between two segments of one attempt, in ms, while they are small. */
  readonly sealIntervalMs: number;
  /** A segment of this size is sealed at once. */
  readonly sealBytes: number;
  /** Events of one attempt in memory; what does not fit is for the agent to send again. */
  readonly maxAttemptBytes: number;
  /** Events of all attempts in memory. */
  readonly maxTotalBytes: number;
  /** Most bytes of events in one answer to a reader. */
  readonly maxWindowBytes: number;
}

export const TRANSCRIPT_SETTINGS: TranscriptSettings = {
  sealIntervalMs: 1000,
  sealBytes: 256 * 1024,
  maxAttemptBytes: 2 * 1024 * 1024,
  maxTotalBytes: 64 * 1024 * 1024,
  maxWindowBytes: 4 * 1024 * 1024,
};

export interface TranscriptServiceOptions {
  readonly fences: Fences;
  readonly attempts: LiveAttempts;
  readonly blobs: BlobSink & BlobSource;
  /** Takes the usage that comes with events. */
  readonly usage?: UsageReports;
  /** Takes the changed paths that come with events. */
  readonly paths?: PathReports;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings?: Partial<TranscriptSettings>;
}

/** Goes to followers as `mcpx.transcript.events`. */
export interface LiveEvents {
  readonly attemptId: string;
  readonly firstSeq: number;
  readonly events: readonly TranscriptEvent[];
}

export class TranscriptService implements Disposable {
  private readonly settings: TranscriptSettings;
  private readonly segments: TranscriptSegments;
  /** Transcripts that grow here. An attempt without events has none. */
  private readonly open = new Map<string, Promise<OpenTranscript>>();
  private readonly live = new Emitter<LiveEvents>();
  private readonly owned = new DisposableStore();
  private heldBytes = 0;

  /** New events, before they are durable; each once, in order, of attempts whose agents are connected here. */
  readonly onEvents = this.live.event;

  constructor(private readonly options: TranscriptServiceOptions) {
    this.settings = {...TRANSCRIPT_SETTINGS, ...options.settings};
    this.segments = new TranscriptSegments(options.fences, options.blobs);
    this.owned.add(this.live);
    this.owned.add(options.attempts.onGone(({attemptId}) => void this.close(attemptId)));
  }

  dispose(): void {
    this.owned.dispose();
    for (const opening of this.open.values())
      void opening.then(
        transcript => transcript.dispose(),
        () => undefined,
      );
    this.open.clear();
  }

  /** As `dispose`, after making durable what is here. */
  async stop(): Promise<void> {
    const attempts = [...this.open.keys()];
    await Promise.allSettled(attempts.map(attemptId => this.flush(attemptId)));
    this.dispose();
  }

  /**
   * Takes events and resolves when those of them that were taken are durable. Events that are known are passed over; those that do not fit
   * now are not acknowledged. Errors: `conflict` with `data.expectedSeq` (events are missing), `staleFence`, `forbidden`, `overloaded`; after
   * an error the agent sends again from the last acknowledgement on.
   */
  async update(
    params: z.infer<typeof StatusUpdate>,
    principal: Principal,
  ): Promise<z.infer<typeof StatusUpdated>> {
    const {attemptId, fence, firstSeq, events} = params;
    requireFenceOf(attemptId, fence);
    const {fences} = this.options;
    await fences.attemptOf(fence, principal);
    await this.checkFence(fence);
    if (params.usage) this.options.usage?.note(attemptId, params.usage, principal);
    if (params.paths) this.options.paths?.note(attemptId, params.paths);
    if (events.length === 0 && !this.open.has(attemptId))
      return {ackedSeq: await this.segments.lastSeq(attemptId, 'local')};
    const transcript = await this.opened(fence, principal);
    await transcript.add(firstSeq, events, this.room(transcript));
    if (params.final) await transcript.flush();
    const wanted = Math.min(firstSeq + events.length - 1, transcript.tail.lastSeq);
    return {ackedSeq: await transcript.durable(wanted)};
  }

  /** Makes everything that has come of the attempt durable, now; undefined when nothing has come. */
  flush(attemptId: string): Promise<void> | undefined {
    return this.open.get(attemptId)?.then(transcript => transcript.flush());
  }

  /** A window of the transcript, from the durable part or from what has just come. Errors: `notFound`. */
  read(
    params: z.infer<typeof TranscriptRead>,
    principal: Principal,
  ): Promise<z.infer<typeof TranscriptWindow>> {
    if (principal.role === 'agent') throw new ProtocolError('forbidden', 'transcripts are read by clients');
    return this.window(params);
  }

  /** As `read`, for a service that has looked at who asks. */
  async window({
    attemptId,
    fromSeq,
    limit,
  }: z.infer<typeof TranscriptRead>): Promise<z.infer<typeof TranscriptWindow>> {
    const {fences} = this.options;
    const attempt = await fences.attempts.read(fences.keys.attempt(attemptId));
    if (!attempt) throw new ProtocolError('notFound', `there is no attempt ${attemptId}`);
    const transcript = await this.open.get(attemptId);
    const sealed = await this.segments.lastSeq(attemptId);
    // After the wait, what is durable now is no longer in memory.
    const durable = Math.max(sealed, transcript?.tail.durableSeq ?? 0);
    const events =
      fromSeq <= durable
        ? await this.segments.read(attemptId, fromSeq, limit)
        : (transcript?.tail.read(fromSeq, limit) ?? []);
    const lastSeq = Math.max(durable, transcript?.tail.lastSeq ?? 0);
    const ended = attempt.value.state === 'ended' && (transcript?.tail.isEmpty ?? true);
    return {firstSeq: fromSeq, events: this.within(events), lastSeq, ended};
  }

  private within(events: readonly TranscriptEvent[]): TranscriptEvent[] {
    let bytes = 0;
    const end = events.findIndex((event, index) => {
      bytes += JSON.stringify(event).length;
      return index > 0 && bytes > this.settings.maxWindowBytes;
    });
    return events.slice(0, end < 0 ? events.length : end);
  }

  /** Bytes that the attempt's transcript may take now. */
  private room({tail}: OpenTranscript): number {
    const {maxAttemptBytes, maxTotalBytes} = this.settings;
    const total = maxTotalBytes - this.heldBytes;
    if (total <= 0 && tail.isEmpty)
      throw new ProtocolError('overloaded', 'too many events wait to be stored', {retryAfterMs: 1000});
    return Math.max(0, Math.min(maxAttemptBytes - tail.bytes, total));
  }

  private async checkFence(fence: Fence): Promise<void> {
    const {fences, attempts} = this.options;
    if (!fences.isOfThisStore(fence)) throw staleFence(fence, 'the store was restored from a backup');
    if (attempts.holds(fence)) return;
    // The picture in memory may lag behind an assignment.
    const live = await fences.store.get(fences.keys.live(fence.attempt));
    if (live?.createRevision !== fence.revision) throw staleFence(fence, 'the attempt was ended or replaced');
  }

  private opened(fence: Fence, principal: Principal): Promise<OpenTranscript> {
    const known = this.open.get(fence.attempt);
    if (known) return known;
    const {clock, logger} = this.options;
    const opening = this.segments.lastSeq(fence.attempt).then(
      lastSeq =>
        new OpenTranscript({
          fence,
          principal,
          segments: this.segments,
          clock,
          logger,
          settings: this.settings,
          lastSeq,
          accepted: ({firstSeq, events, bytes}) => {
            this.heldBytes += bytes;
            this.live.emit({attemptId: fence.attempt, firstSeq, events});
          },
          released: bytes => {
            this.heldBytes -= bytes;
          },
        }),
    );
    this.open.set(fence.attempt, opening);
    opening.catch(() => this.open.delete(fence.attempt));
    return opening;
  }

  /** The attempt is over: its last events are kept, and it needs no memory any more. */
  private async close(attemptId: string): Promise<void> {
    const opening = this.open.get(attemptId);
    if (!opening) return;
    const transcript = await opening.catch(() => undefined);
    try {
      await transcript?.flush();
    } catch (error) {
      this.options.logger.warn('the end of a transcript is lost', {attemptId, error});
    }
    if (this.open.get(attemptId) === opening) this.open.delete(attemptId);
    transcript?.dispose();
  }
}
