/** Transcripts on a real store: in order, once, acknowledged when durable, over restarts, moves and the end of their attempts. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import type {TranscriptEvent} from '../../coordinator/protocol/transcript.ts';
import {type Clock, ManualClock, systemClock} from '../../coordinator/runtime/clock.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {
  type LiveEvents,
  TranscriptService,
  type TranscriptSettings,
} from '../../coordinator/transcripts/transcriptService.ts';
import {
  agentPrincipal,
  client,
  endAttempt,
  keys,
  type PlacedAttempt,
  placeAttempt,
} from '../fixtures/attempts.ts';
import {type EffectServices, effectServices} from '../fixtures/effectServices.ts';
import {eventually} from '../fixtures/eventually.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';
import {MemoryBlobs} from './blobs.ts';

const eventOf = (seq: number, text = `line ${seq}`): TranscriptEvent => ({
  kind: 'output',
  at: seq,
  stream: 'stdout',
  text,
});
const eventsOf = (from: number, to: number, text?: string): TranscriptEvent[] =>
  Array.from({length: to - from + 1}, (_, n) => eventOf(from + n, text));

interface Coordinator {
  readonly transcripts: TranscriptService;
  readonly services: EffectServices;
  /** Ends without a last write, as a kill does. */
  kill(): void;
}

describe('transcripts', () => {
  let test: TestStore;
  let blobs: MemoryBlobs;
  let running: Set<Coordinator>;

  const coordinator = async (
    clock: Clock = systemClock,
    settings: Partial<TranscriptSettings> = {sealIntervalMs: 5},
  ): Promise<Coordinator> => {
    const services = await effectServices(test.store);
    const transcripts = new TranscriptService({...services, blobs, clock, logger: silentLogger, settings});
    const made: Coordinator = {
      transcripts,
      services,
      kill() {
        transcripts.dispose();
        services.dispose();
        running.delete(made);
      },
    };
    running.add(made);
    return made;
  };

  beforeEach(async () => {
    test = await openTestStore();
    blobs = new MemoryBlobs();
    running = new Set();
  });
  afterEach(async () => {
    for (const {transcripts, services} of running) {
      await transcripts.stop();
      services.dispose();
    }
    await test.remove();
  });

  const update = (
    {transcripts}: Coordinator,
    {attemptId, fence, principal}: PlacedAttempt,
    firstSeq: number,
    events: TranscriptEvent[],
  ) => transcripts.update({attemptId, fence, firstSeq, events}, principal);
  const read = ({transcripts}: Coordinator, attemptId: string, fromSeq = 1, limit = 1000) =>
    transcripts.read({attemptId, fromSeq, limit}, client);
  const segmentCount = async (attemptId: string) =>
    (await test.store.range(keys.transcripts(attemptId))).kvs.length;

  it('acknowledges what is durable and gives it back in windows', async () => {
    const c = await coordinator();
    const attempt = await placeAttempt(test.store);
    for (let from = 1; from <= 100; from += 10)
      assert.deepEqual(await update(c, attempt, from, eventsOf(from, from + 9)), {ackedSeq: from + 9});
    const whole = await read(c, attempt.attemptId);
    assert.deepEqual(whole, {firstSeq: 1, events: eventsOf(1, 100), lastSeq: 100, ended: false});
    const window = await read(c, attempt.attemptId, 37, 30);
    assert.deepEqual(window.events, eventsOf(37, 66));
    assert.deepEqual((await read(c, attempt.attemptId, 101)).events, []);
  });

  it('tells followers at once, each event once, before anything is durable', async () => {
    const c = await coordinator();
    const attempt = await placeAttempt(test.store);
    const told: LiveEvents[] = [];
    c.transcripts.onEvents(one => told.push(one));
    const gate = deferred<void>();
    blobs.gate = gate.promise;
    const updates = [update(c, attempt, 1, eventsOf(1, 3)), update(c, attempt, 2, eventsOf(2, 5))];
    await eventually(async () => assert.equal(told.length, 2));
    assert.deepEqual(
      told.map(({firstSeq, events}) => [firstSeq, events.length]),
      [
        [1, 3],
        [4, 2],
      ],
    );
    assert.deepEqual((await read(c, attempt.attemptId, 2)).events, eventsOf(2, 5));
    gate.resolve();
    await Promise.all(updates);
  });

  it('says which event it expects when some are missing', async () => {
    const c = await coordinator();
    const attempt = await placeAttempt(test.store);
    await update(c, attempt, 1, eventsOf(1, 3));
    await assert.rejects(update(c, attempt, 6, eventsOf(6, 7)), (error: unknown) => {
      assert.ok(isProtocolError(error, 'conflict'));
      assert.deepEqual(error.data, {expectedSeq: 4});
      return true;
    });
  });

  it('seals at most once a second while segments are small, and at once when one is full', async () => {
    const clock = new ManualClock();
    const c = await coordinator(clock, {sealBytes: 64 * 1024});
    const attempt = await placeAttempt(test.store);
    const first = update(c, attempt, 1, eventsOf(1, 1));
    await eventually(async () => clock.advance(0));
    await eventually(async () => {
      clock.advance(0);
      assert.equal(await segmentCount(attempt.attemptId), 1);
    });
    await first;
    const slow = [2, 3, 4].map(seq => update(c, attempt, seq, eventsOf(seq, seq)));
    await eventually(async () => assert.equal((await read(c, attempt.attemptId)).lastSeq, 4));
    clock.advance(999);
    assert.equal(blobs.puts, 1);
    clock.advance(1);
    assert.deepEqual(await Promise.all(slow), Array(3).fill({ackedSeq: 4}));
    assert.equal(await segmentCount(attempt.attemptId), 2);
    const full = update(c, attempt, 5, eventsOf(5, 6, 'x'.repeat(40_000)));
    await eventually(async () => {
      clock.advance(0);
      assert.equal(await segmentCount(attempt.attemptId), 3);
    });
    clock.advance(1000);
    assert.deepEqual(await full, {ackedSeq: 6});
  });

  it('takes no more than fits and leaves the rest to be sent again', async () => {
    const c = await coordinator(systemClock, {sealIntervalMs: 5, maxAttemptBytes: 10_000});
    const attempt = await placeAttempt(test.store);
    const events = eventsOf(1, 20, 'x'.repeat(1000));
    let acked = 0;
    let rounds = 0;
    while (acked < 20) {
      const {ackedSeq} = await update(c, attempt, acked + 1, events.slice(acked));
      assert.ok(ackedSeq > acked && ackedSeq <= acked + 10);
      acked = ackedSeq;
      rounds += 1;
    }
    assert.ok(rounds > 1);
    const large = eventsOf(21, 21, 'y'.repeat(60_000));
    assert.deepEqual(await update(c, attempt, 21, large), {ackedSeq: 21});
    assert.deepEqual((await read(c, attempt.attemptId)).events, [...events, ...large]);
  });

  it('keeps unacknowledged events through a failure of the blob store', async () => {
    const c = await coordinator();
    const attempt = await placeAttempt(test.store);
    await update(c, attempt, 1, eventsOf(1, 1));
    blobs.failure = new CoordinatorError('diskFull', 'the disk is full');
    await assert.rejects(
      update(c, attempt, 2, eventsOf(2, 3)),
      (error: unknown) => error instanceof CoordinatorError && error.code === 'diskFull',
    );
    blobs.failure = undefined;
    assert.deepEqual(await update(c, attempt, 2, eventsOf(2, 3)), {ackedSeq: 3});
    assert.deepEqual((await read(c, attempt.attemptId)).events, eventsOf(1, 3));
  });

  it('refuses a zombie and every agent but its own', async () => {
    const c = await coordinator();
    const attempt = await placeAttempt(test.store);
    await update(c, attempt, 1, eventsOf(1, 2));
    await assert.rejects(
      update(c, {...attempt, principal: agentPrincipal('a-2')}, 3, eventsOf(3, 3)),
      error => isProtocolError(error, 'forbidden'),
    );
    await endAttempt(test.store, attempt.attemptId, {outcome: 'lost'});
    await assert.rejects(update(c, attempt, 3, eventsOf(3, 3)), error =>
      isProtocolError(error, 'staleFence'),
    );
    const other = {...attempt, fence: {...attempt.fence, store: 'before'}};
    await assert.rejects(update(c, other, 3, eventsOf(3, 3)), error => isProtocolError(error, 'staleFence'));
    await eventually(async () =>
      assert.deepEqual(await read(c, attempt.attemptId), {
        firstSeq: 1,
        events: eventsOf(1, 2),
        lastSeq: 2,
        ended: true,
      }),
    );
  });

  it('keeps the last events of an attempt that ended before they were stored', async () => {
    const c = await coordinator();
    const attempt = await placeAttempt(test.store);
    const gate = deferred<void>();
    blobs.gate = gate.promise;
    const last = update(c, attempt, 1, eventsOf(1, 3));
    await eventually(async () => assert.equal(blobs.puts, 1));
    await endAttempt(test.store, attempt.attemptId, {outcome: 'lost'});
    gate.resolve();
    await assert.rejects(last, error => isProtocolError(error, 'staleFence'));
    await eventually(async () => assert.deepEqual((await read(c, attempt.attemptId)).events, eventsOf(1, 3)));
  });

  it('costs nothing for an attempt without events', async () => {
    const c = await coordinator();
    const attempt = await placeAttempt(test.store);
    const {revision} = test.store.status();
    assert.deepEqual(await update(c, attempt, 1, []), {ackedSeq: 0});
    await c.transcripts.flush(attempt.attemptId);
    assert.equal(test.store.status().revision, revision);
    assert.equal(blobs.puts, 0);
  });

  it('goes on where it stood when the agent moves to another coordinator and back', async () => {
    const c = await coordinator();
    const attempt = await placeAttempt(test.store);
    await update(c, attempt, 1, eventsOf(1, 5));
    const d = await coordinator();
    await update(d, attempt, 4, eventsOf(4, 9));
    await update(c, attempt, 10, eventsOf(10, 12));
    await update(d, attempt, 13, eventsOf(13, 13));
    for (const each of [c, d])
      assert.deepEqual((await read(each, attempt.attemptId)).events, eventsOf(1, 13));
  });

  it('is whole, in order and without repeats after duplicates, overlaps, moves and kills', async () => {
    let session = 0;
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('send' as const),
          back: fc.nat(6),
          count: fc.nat(8),
          to: fc.nat(1),
        }),
      },
      {weight: 1, arbitrary: fc.record({kind: fc.constant('kill' as const), to: fc.nat(1)})},
      {weight: 1, arbitrary: fc.record({kind: fc.constant('fail' as const), to: fc.nat(1)})},
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, {minLength: 1, maxLength: 25}), async steps => {
        const attempt = await placeAttempt(test.store, {sessionId: `s-${session++}`});
        const nodes = [await coordinator(), await coordinator()];
        let acked = 0;
        let sent = 0;
        const pending: Promise<void>[] = [];
        for (const one of steps) {
          const node = nodes[one.to] as Coordinator;
          if (one.kind === 'kill') {
            node.kill();
            nodes[one.to] = await coordinator();
            // The agent sends again what was not acknowledged.
            sent = acked;
          } else if (one.kind === 'fail') {
            blobs.failure = new CoordinatorError('diskFull', 'the disk is full');
            await new Promise(resolve => setImmediate(resolve));
            blobs.failure = undefined;
          } else {
            const from = Math.max(1, sent + 1 - one.back);
            const to = from + one.count - 1;
            sent = Math.max(sent, to);
            const request = update(node, attempt, from, eventsOf(from, to)).then(
              ({ackedSeq}) => {
                acked = Math.max(acked, ackedSeq);
              },
              (error: unknown) => {
                if (!(error instanceof CoordinatorError) && !isProtocolError(error, 'conflict')) throw error;
                sent = acked;
              },
            );
            pending.push(request);
            if (one.count % 2 === 0) await request;
          }
        }
        await Promise.all(pending);
        const [node] = nodes as [Coordinator];
        assert.equal(
          (await update(node, attempt, acked + 1, eventsOf(acked + 1, acked + 2))).ackedSeq >= acked + 2,
          true,
        );
        const {events, lastSeq} = await read(node, attempt.attemptId);
        assert.ok(lastSeq >= acked + 2);
        assert.deepEqual(events, eventsOf(1, lastSeq));
        for (const each of nodes) each.kill();
      }),
      {numRuns: 40},
    );
  });
});
