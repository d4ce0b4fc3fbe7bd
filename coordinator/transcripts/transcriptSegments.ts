/** The durable part of transcripts: segment records in the store, each naming a blob of JSON lines. Ordering what comes in is left to others. */
import * as z from 'zod';
import type {Fences} from '../effects/fences.ts';
import type {Fence} from '../protocol/ids.ts';
import {TranscriptSegment} from '../protocol/model/facts.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {TranscriptEvent} from '../protocol/transcript.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {Principal} from '../security/principal.ts';
import {absent, exists, putRecord, storedRecord} from '../store/records.ts';
import type {ReadConsistency} from '../store/store.ts';
import type {Batch} from './transcriptTail.ts';

/** Keeps a blob; resolves once it is as durable as a record that names it has to be. */
export interface BlobSink {
  put(bytes: Uint8Array): Promise<{readonly sha256: string; readonly bytes: number}>;
}

export interface BlobSource {
  /** Rejects with `notFound`. */
  get(sha256: string): Promise<Uint8Array>;
}

/** Most events of one segment: part of the format, since a search for a sequence number relies on it. */
export const MAX_SEGMENT_EVENTS = 1024;

const PAGE = 64;
const READS_AT_ONCE = 8;

/** `overtaken`: another coordinator sealed these events. `stale`: the fence has fallen; `kept` tells whether they were kept nevertheless. */
export type Sealed =
  | {readonly kind: 'sealed'}
  | {readonly kind: 'overtaken'}
  | {readonly kind: 'stale'; readonly kept: boolean};

export class TranscriptSegments {
  constructor(
    private readonly fences: Fences,
    private readonly blobs: BlobSink & BlobSource,
  ) {}

  /** Number of the last durable event; 0 when there is none. A `local` answer may be too small, never too large. */
  async lastSeq(attemptId: string, consistency: ReadConsistency = 'strong'): Promise<number> {
    const prefix = this.fences.keys.transcripts(attemptId);
    const {kvs} = await this.fences.store.range(prefix, {order: 'descending', limit: 1, consistency});
    return kvs[0] ? storedRecord(TranscriptSegment, kvs[0]).value.lastSeq : 0;
  }

  /**
   * Stores a batch and names it under the fence. Events that came while the fence stood are kept when it falls before they are stored: they
   * are the last that is known of the attempt. A key that is taken means that the same events were sealed elsewhere, so segments neither
   * overlap nor leave gaps.
   */
  async seal(fence: Fence, principal: Principal, batch: Batch): Promise<Sealed> {
    const {keys, store} = this.fences;
    const blob = await this.blobs.put(Buffer.from(batch.text));
    const key = keys.transcriptSegment(fence.attempt, batch.firstSeq);
    const segment: TranscriptSegment = {
      v: RECORD_VERSION,
      principal: principal.id,
      artifact: blob.sha256,
      bytes: blob.bytes,
      firstSeq: batch.firstSeq,
      lastSeq: batch.lastSeq,
    };
    const put = putRecord(key, segment);
    const outcome = await this.fences.tryCommit(fence, {compare: [absent(key)], then: [put]});
    if (outcome.kind === 'done') return {kind: 'sealed'};
    if (outcome.kind === 'lost') return {kind: 'overtaken'};
    if (!this.fences.isOfThisStore(fence)) return {kind: 'stale', kept: false};
    const {succeeded} = await store.txn({
      compare: [absent(keys.live(fence.attempt)), exists(keys.attempt(fence.attempt)), absent(key)],
      then: [put],
    });
    return {kind: 'stale', kept: succeeded};
  }

  /** Durable events from `fromSeq` on. Errors: `corrupt`, `notFound` (a blob is gone). */
  async read(attemptId: string, fromSeq: number, limit: number): Promise<TranscriptEvent[]> {
    const segments = await this.find(attemptId, fromSeq, limit);
    const events: TranscriptEvent[] = [];
    for (let at = 0; at < segments.length; at += READS_AT_ONCE)
      for (const part of await Promise.all(segments.slice(at, at + READS_AT_ONCE).map(one => this.load(one))))
        events.push(...part);
    const skipped = fromSeq - (segments[0]?.firstSeq ?? fromSeq);
    return events.slice(skipped, skipped + limit);
  }

  /** The segments that hold the events, in order. */
  private async find(attemptId: string, fromSeq: number, limit: number): Promise<TranscriptSegment[]> {
    const {keys, store} = this.fences;
    const found: TranscriptSegment[] = [];
    // The segment with `fromSeq` begins at most so far before it.
    let after = keys.transcriptSegment(attemptId, Math.max(0, fromSeq - MAX_SEGMENT_EVENTS));
    for (;;) {
      const {kvs, more} = await store.range(keys.transcripts(attemptId), {after, limit: PAGE});
      for (const kv of kvs) {
        const {value} = storedRecord(TranscriptSegment, kv);
        if (value.lastSeq >= fromSeq) found.push(value);
        if (value.lastSeq >= fromSeq + limit - 1) return found;
        after = kv.key;
      }
      if (!more) return found;
    }
  }

  private async load(segment: TranscriptSegment): Promise<TranscriptEvent[]> {
    const text = Buffer.from(await this.blobs.get(segment.artifact)).toString('utf8');
    const lines = text.split('\n').filter(line => line !== '');
    try {
      const events = z.array(TranscriptEvent).parse(lines.map(line => JSON.parse(line)));
      if (events.length === segment.lastSeq - segment.firstSeq + 1) return events;
    } catch (error) {
      throw new CoordinatorError('corrupt', `transcript blob ${segment.artifact} is unreadable`, {
        cause: error,
      });
    }
    throw new CoordinatorError(
      'corrupt',
      `transcript blob ${segment.artifact} has the wrong number of events`,
    );
  }
}
