/** Feeds that are no rows: a session's plan, an attempt's transcript, the coordinator's own state. */
import type {TranscriptEvent} from '../../protocol/transcript.ts';
import type {Clock} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore, noDisposable} from '../../runtime/disposable.ts';
import {describeError} from '../../runtime/errors.ts';
import type {McpxClient} from '../mcpxClient.ts';
import type {PlanReader} from '../mirror/planReader.ts';
import {rowKey} from '../viewWatch.ts';
import type {FeedSink} from './rowFeed.ts';
import type {SharedViews} from './sharedViews.ts';

const RETRY_MS = 2000;
const HEALTH_PERIOD_MS = 3000;
/** Events of one message. */
const MAX_EVENTS = 500;

/** The plan now, and again whenever the session's record names another. */
export function followPlan(
  {views, plans, clock}: {views: SharedViews; plans: PlanReader; clock: Clock},
  sessionId: string,
  sink: FeedSink,
): Disposable {
  const lifetime = new DisposableStore();
  const {watch} = lifetime.add(views.hold({view: 'session', sessionId}));
  let shown: string | undefined;
  let timer = noDisposable;
  const read = async (sha256: string): Promise<void> => {
    try {
      const plan = await plans.read(sha256);
      if (!lifetime.isDisposed && shown === sha256) sink.emit({kind: 'plan', plan});
    } catch (error) {
      if (lifetime.isDisposed || shown !== sha256) return;
      sink.emit({kind: 'failed', message: describeError(error)});
      shown = undefined;
      timer.dispose();
      timer = clock.schedule(RETRY_MS, look);
    }
  };
  const look = (): void => {
    const row = watch.rows.get(rowKey({kind: 'session', id: sessionId}));
    if (row?.kind !== 'session' || row.session.plan === shown) return;
    shown = row.session.plan;
    void read(shown);
  };
  lifetime.add(watch.onUpdate(look));
  lifetime.add({dispose: () => timer.dispose()});
  look();
  return lifetime;
}

/** Events from `fromSeq` on, in messages of what came within `coalesceMs`. */
export function followTranscript(
  {client, clock, coalesceMs}: {client: McpxClient; clock: Clock; coalesceMs: number},
  {attemptId, fromSeq}: {attemptId: string; fromSeq: number},
  sink: FeedSink,
): Disposable {
  const lifetime = new DisposableStore();
  const watch = lifetime.add(client.transcript(attemptId, fromSeq));
  let next = fromSeq;
  let waiting: TranscriptEvent[] = [];
  let ended = false;
  let timer = noDisposable;
  const flush = (): void => {
    timer = noDisposable;
    do {
      const events = waiting.slice(0, MAX_EVENTS);
      waiting = waiting.slice(MAX_EVENTS);
      sink.emit({kind: 'transcript', firstSeq: next, events, ended: ended && waiting.length === 0});
      next += events.length;
    } while (waiting.length > 0);
  };
  const soon = (): void => {
    if (timer === noDisposable) timer = clock.schedule(coalesceMs, flush);
  };
  lifetime.add(
    watch.onEvents(({firstSeq, events}) => {
      if (firstSeq !== next + waiting.length) {
        // A gap that cannot be read: what waits goes first, under its own numbers.
        if (waiting.length > 0) flush();
        next = firstSeq;
      }
      waiting.push(...events);
      soon();
    }),
  );
  lifetime.add(
    watch.onEnd(() => {
      ended = true;
      soon();
    }),
  );
  lifetime.add({dispose: () => timer.dispose()});
  return lifetime;
}

/** The coordinator's state every few seconds, with the time that the question took. */
export function followHealth(
  {client, clock}: {client: McpxClient; clock: Clock},
  sink: FeedSink,
): Disposable {
  const over = new AbortController();
  let timer = noDisposable;
  const ask = async (): Promise<void> => {
    const began = clock.now();
    try {
      const info = await client.request('mcpx.cluster.info', {}, {signal: over.signal});
      if (!over.signal.aborted)
        sink.emit({kind: 'health', at: clock.wallNow(), info, latencyMs: clock.now() - began});
    } catch (error) {
      if (!over.signal.aborted) sink.emit({kind: 'failed', message: describeError(error)});
    }
    if (!over.signal.aborted) timer = clock.schedule(HEALTH_PERIOD_MS, () => void ask(), {background: true});
  };
  void ask();
  return {
    dispose() {
      over.abort();
      timer.dispose();
    },
  };
}
