/** One transcript that grows here: its tail, when to seal it, and who waits for what to be durable. */

import {staleFence} from '../effects/fences.ts';
import type {Logger} from '../observability/logger.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {Fence} from '../protocol/ids.ts';
import type {TranscriptEvent} from '../protocol/transcript.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Deferred, deferred} from '../runtime/deferred.ts';
import type {Disposable} from '../runtime/disposable.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {Principal} from '../security/principal.ts';
import {MAX_SEGMENT_EVENTS, type TranscriptSegments} from './transcriptSegments.ts';
import {type Accepted, TranscriptTail} from './transcriptTail.ts';

export interface OpenTranscriptOptions {
  readonly fence: Fence;
  readonly principal: Principal;
  readonly segments: TranscriptSegments;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: {readonly sealIntervalMs: number; readonly sealBytes: number};
  /** Of the durable events. */
  readonly lastSeq: number;
  /** Runs for what is new, in order. */
  readonly accepted: (fresh: Accepted) => void;
  /** Told how much memory became free. */
  readonly released: (bytes: number) => void;
}

interface Waiter {
  readonly seq: number;
  readonly done: Deferred<number>;
}

/** Longest pause between tries to seal, in ms. */
const MAX_RETRY_MS = 30_000;

export class OpenTranscript implements Disposable {
  readonly tail: TranscriptTail;
  private waiters: Waiter[] = [];
  private timer: Disposable | undefined;
  private sealing: Promise<void> | undefined;
  private sealedAt = Number.NEGATIVE_INFINITY;
  private failures = 0;
  private disposed = false;

  constructor(private readonly options: OpenTranscriptOptions) {
    this.tail = new TranscriptTail(options.lastSeq);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.timer?.dispose();
    this.options.released(this.tail.bytes);
    this.reject(new CoordinatorError('closed', 'the transcript was closed'));
  }

  /** Takes what is new and fits into `room` bytes. Throws `conflict` when events before these are missing. */
  async add(firstSeq: number, events: readonly TranscriptEvent[], room: number): Promise<void> {
    // The agent may have been elsewhere meanwhile.
    if (firstSeq > this.tail.lastSeq + 1) await this.catchUp();
    const added = this.tail.add(firstSeq, events, room);
    if (added.kind === 'gap')
      throw new ProtocolError('conflict', `event ${added.expected} is missing`, {
        expectedSeq: added.expected,
      });
    if (added.events.length === 0) return;
    this.options.accepted(added);
    this.plan();
  }

  /** Resolves with the number of the last durable event once it is at least `seq`. */
  durable(seq: number): Promise<number> {
    if (this.tail.durableSeq >= seq) return Promise.resolve(this.tail.durableSeq);
    if (this.disposed) return Promise.reject(new CoordinatorError('closed', 'the transcript was closed'));
    const waiter = {seq, done: deferred<number>()};
    this.waiters.push(waiter);
    this.plan();
    return waiter.done.promise;
  }

  /** Seals everything that is here. Rejects with the first failure. */
  async flush(): Promise<void> {
    const wanted = this.tail.lastSeq;
    while (this.tail.durableSeq < wanted && !this.disposed) await this.sealOnce();
  }

  private plan(): void {
    if (this.timer || this.sealing || this.disposed || this.tail.isEmpty) return;
    const {clock, settings} = this.options;
    const full = this.tail.bytes >= settings.sealBytes && this.failures === 0;
    const pause = Math.min(MAX_RETRY_MS, settings.sealIntervalMs * 2 ** this.failures);
    const wait = full ? 0 : Math.max(0, this.sealedAt + pause - clock.now());
    this.timer = clock.schedule(
      wait,
      () => {
        this.timer = undefined;
        void this.sealOnce().catch((error: unknown) => {
          const {fence, logger} = this.options;
          logger.warn('a piece of a transcript is not stored yet', {attemptId: fence.attempt, error});
        });
      },
      {background: true},
    );
  }

  /** One segment; a call during another's is that one. */
  private sealOnce(): Promise<void> {
    this.sealing ??= this.seal().finally(() => {
      this.sealing = undefined;
      this.sealedAt = this.options.clock.now();
      this.plan();
    });
    return this.sealing;
  }

  private async seal(): Promise<void> {
    const {segments, fence, principal, settings} = this.options;
    const batch = this.tail.batch(MAX_SEGMENT_EVENTS, settings.sealBytes);
    if (!batch) return;
    try {
      const outcome = await segments.seal(fence, principal, batch);
      this.failures = 0;
      if (outcome.kind === 'overtaken') await this.catchUp();
      else this.sealed(batch.lastSeq, outcome.kind === 'stale');
    } catch (error) {
      this.failures += 1;
      this.reject(error);
      throw error;
    }
  }

  /** A batch that came too late and could not be kept is dropped all the same: nobody will ask for it. */
  private sealed(seq: number, stale: boolean): void {
    this.options.released(this.tail.sealed(seq));
    if (stale) this.reject(staleFence(this.options.fence, 'the attempt was ended or replaced'));
    const {durableSeq} = this.tail;
    const ready = this.waiters.filter(waiter => waiter.seq <= durableSeq);
    this.waiters = this.waiters.filter(waiter => waiter.seq > durableSeq);
    for (const {done} of ready) done.resolve(durableSeq);
  }

  /** Learns what another coordinator has sealed. */
  private async catchUp(): Promise<void> {
    const {segments, fence} = this.options;
    this.sealed(await segments.lastSeq(fence.attempt), false);
  }

  private reject(error: unknown): void {
    for (const {done} of this.waiters.splice(0)) done.reject(error);
  }
}
