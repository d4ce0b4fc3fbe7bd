/** Sends the transcript of one attempt in order, one message in flight; an event is forgotten only once the hub has acknowledged it. */
import type {Logger} from '../../observability/logger.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import type {ChangedPaths} from '../../protocol/model/attempt.ts';
import type {Usage} from '../../protocol/usage.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {AgentSettings} from '../agentSettings.ts';
import {type AgentLink, PATIENT_FAULTS} from './agentLink.ts';
import type {TranscriptSpool} from './transcriptSpool.ts';

export interface TranscriptSenderOptions {
  readonly attemptId: string;
  readonly spool: TranscriptSpool;
  readonly link: AgentLink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: Pick<AgentSettings, 'flushMs' | 'batchEvents' | 'batchBytes'>;
  /** The hub refuses the attempt's effects from now on. */
  stale(): void;
}

export class TranscriptSender {
  private timer: Disposable = noDisposable;
  private armed = false;
  private sending = false;
  private usage: Usage | undefined;
  private paths: ChangedPaths | undefined;
  private readonly ended = new AbortController();
  private drained: Deferred<void> | undefined;

  constructor(private readonly options: TranscriptSenderOptions) {
    if (!options.spool.isDrained) this.wake();
  }

  /** There is something new in the spool. */
  wake(): void {
    if (this.armed || this.ended.signal.aborted) return;
    this.armed = true;
    const {clock, settings} = this.options;
    this.timer = clock.schedule(settings.flushMs, () => this.flush());
  }

  /** Travels with the next message. */
  setUsage(usage: Usage): void {
    this.usage = usage;
    this.wake();
  }

  /** Travels with the next message. */
  setPaths(paths: ChangedPaths): void {
    this.paths = paths;
    this.wake();
  }

  /** Resolves when the hub has everything, or nothing more is sent. */
  drain(): Promise<void> {
    if (this.isIdle || this.ended.signal.aborted) return Promise.resolve();
    this.drained ??= deferred();
    this.timer.dispose();
    if (this.sending) this.hurry();
    this.flush();
    return this.drained.promise;
  }

  /** Sends nothing more. */
  end(): void {
    this.ended.abort();
    this.timer.dispose();
    this.drained?.resolve();
  }

  /** What is under way waits for the hub to make it durable with what follows: nothing does. */
  private hurry(): void {
    const {attemptId, spool, link, logger} = this.options;
    const update = {attemptId, fence: spool.fence, firstSeq: 1, events: [], final: true};
    link.request('mcpx.status.update', update).catch((error: unknown) => {
      logger.debug('a transcript could not be hurried; it takes its time', {attemptId, error});
    });
  }

  private get isIdle(): boolean {
    return this.options.spool.isDrained && this.usage === undefined && this.paths === undefined;
  }

  private flush(): void {
    this.armed = false;
    void this.options.spool.flush();
    if (!this.sending) void this.send();
  }

  private async send(): Promise<void> {
    this.sending = true;
    try {
      while (!this.isIdle && !this.ended.signal.aborted) await this.sendOne();
    } catch (error) {
      this.failed(error);
    } finally {
      this.sending = false;
    }
    if (this.isIdle) {
      this.drained?.resolve();
      this.drained = undefined;
    }
  }

  private async sendOne(): Promise<void> {
    const {attemptId, spool, link, clock, settings} = this.options;
    const {signal} = this.ended;
    await link.whenUp(signal);
    const {firstSeq, events} = await spool.batch(settings.batchEvents, settings.batchBytes);
    const {usage, paths} = this;
    this.usage = undefined;
    this.paths = undefined;
    const before = spool.ackedSeq;
    const final = this.drained !== undefined;
    const update = {attemptId, fence: spool.fence, firstSeq, events, usage, paths, final};
    const {ackedSeq} = await link.deliver('mcpx.status.update', update, {
      signal,
      maxFaults: PATIENT_FAULTS,
    });
    spool.acknowledge(ackedSeq);
    // A hub that takes a message without keeping its events is not to be flooded.
    if (events.length > 0 && spool.ackedSeq === before) await link.pause(undefined, signal);
    else if (!this.isIdle && !this.drained && events.length < settings.batchEvents)
      await delay(clock, settings.flushMs, signal);
  }

  private failed(error: unknown): void {
    if (this.ended.signal.aborted || isCoordinatorError(error, 'closed')) return;
    const {attemptId, logger} = this.options;
    this.end();
    if (isProtocolError(error, 'staleFence')) this.options.stale();
    else logger.error('the rest of a transcript cannot be sent', {attemptId, error});
  }
}
