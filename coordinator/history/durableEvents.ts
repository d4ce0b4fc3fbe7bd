/** How much of each transcript of a session was durable at a revision. */
import {TranscriptSegment} from '../protocol/model/facts.ts';
import {storedRecord} from '../store/records.ts';
import type {KeyValue, Store} from '../store/store.ts';

/** Attempt id -> number of its last durable event. */
export type DurableEvents = ReadonlyMap<string, number>;

const PAGE = 500;

/** Segments of transcripts are written once: what was there at a revision is what was created by then, whatever was compacted since. */
export async function durableEvents(
  store: Store,
  prefix: string,
  atRevision: number,
): Promise<DurableEvents> {
  const newest = new Map<string, KeyValue>();
  for (let after: string | undefined; ; ) {
    const {kvs, more} = await store.range(prefix, {limit: PAGE, ...(after && {after})});
    for (const kv of kvs) {
      const attemptId = kv.key.slice(prefix.length).split('/', 1)[0] ?? '';
      // In order of their events.
      if (kv.createRevision <= atRevision) newest.set(attemptId, kv);
    }
    after = kvs.at(-1)?.key;
    if (!more) break;
  }
  return new Map(
    [...newest].map(([attemptId, kv]) => [attemptId, storedRecord(TranscriptSegment, kv).value.lastSeq]),
  );
}
