import assert from 'node:assert/strict';
import {connectClient, type McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import type {TranscriptWatch} from '../../coordinator/client/transcriptWatch.ts';
import type {Caller} from '../../coordinator/hub/caller.ts';
import type {Hub} from '../../coordinator/hub/hub.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {TranscriptEvent} from '../../coordinator/protocol/transcript.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {seededRandom, systemRandom} from '../../coordinator/runtime/random.ts';
import {type HubFixture, hubFixture} from '../hub/support.ts';
import {CuttingProxy} from './cuttingProxy.ts';

const attemptId = 's.t.1';

/** A transcript that a hub serves: it grows, and tells followers about some of what is new. */
class GrowingTranscript {
  readonly events: TranscriptEvent[] = [];
  readonly followers = new Set<Caller>();
  ended = false;

  serve(hub: Hub): void {
    hub.handle('mcpx.transcript.follow', ({follow}, caller) => {
      for (const other of this.followers)
        if (other.connectionId === caller.connectionId) this.followers.delete(other);
      if (follow) this.followers.add(caller);
      return Promise.resolve({});
    });
    hub.handle('mcpx.transcript.read', ({fromSeq, limit}) => {
      const events = this.events.slice(fromSeq - 1, fromSeq - 1 + limit);
      return Promise.resolve({firstSeq: fromSeq, events, lastSeq: this.events.length, ended: this.ended});
    });
  }

  append(count: number, tell: boolean): void {
    const firstSeq = this.events.length + 1;
    for (let at = 0; at < count; at++) {
      const text = String(this.events.length + 1);
      this.events.push({kind: 'notice', at: 1, level: 'info', text});
    }
    const events = this.events.slice(firstSeq - 1);
    if (tell)
      for (const caller of this.followers)
        caller.notify('mcpx.transcript.events', {attemptId, firstSeq, events});
  }
}

describe('following a transcript', () => {
  let transcript: GrowingTranscript;
  let fixture: HubFixture;
  let proxy: CuttingProxy;
  let client: McpxClient;

  beforeEach(async () => {
    transcript = new GrowingTranscript();
    fixture = await hubFixture({}, hub => transcript.serve(hub));
    proxy = await CuttingProxy.open(fixture.port);
    client = connectClient({
      urls: [`ws://127.0.0.1:${proxy.port}`],
      token: () => 'client',
      openSocket: nodeSocket(),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      implementation: {name: 'test', version: '0'},
      settings: {minBackoffMs: 1, maxBackoffMs: 5},
      watchRetryMs: 5,
    });
  });
  afterEach(async () => {
    client.dispose();
    await proxy.close();
    await fixture.close();
  });

  function collect(watch: TranscriptWatch): {seqs: number[]; reached(seq: number): Promise<void>} {
    const seqs: number[] = [];
    let wake = (): void => undefined;
    watch.onEvents(({firstSeq, events}) => {
      for (const [at, event] of events.entries()) {
        assert.equal(event.kind === 'notice' && event.text, String(firstSeq + at));
        seqs.push(firstSeq + at);
      }
      wake();
    });
    return {
      seqs,
      async reached(seq) {
        while ((seqs.at(-1) ?? 0) < seq) {
          const woken = deferred<void>();
          wake = woken.resolve;
          await woken.promise;
        }
      },
    };
  }

  it('gets what was there, in windows, then what comes, once and in order', async () => {
    transcript.append(1200, false);
    const watch = client.transcript(attemptId);
    const collected = collect(watch);
    await collected.reached(1200);
    transcript.append(3, true);
    await collected.reached(1203);
    transcript.append(5, false);
    transcript.append(1, true);
    await collected.reached(1209);
    assert.deepEqual(
      collected.seqs,
      Array.from({length: 1209}, (_, at) => at + 1),
    );
    assert.equal(watch.nextSeq, 1210);
  });

  it('starts where it is told', async () => {
    transcript.append(10, false);
    const collected = collect(client.transcript(attemptId, 8));
    await collected.reached(10);
    assert.deepEqual(collected.seqs, [8, 9, 10]);
  });

  it('says that the transcript is complete', async () => {
    transcript.append(3, false);
    transcript.ended = true;
    const watch = client.transcript(attemptId);
    const collected = collect(watch);
    await new Promise<void>(resolve => watch.onEnd(resolve));
    assert.deepEqual(collected.seqs, [1, 2, 3]);
  });

  it('learns of an end that comes while it follows', async () => {
    transcript.append(1, false);
    const watch = client.transcript(attemptId);
    const ended = new Promise<void>(resolve => watch.onEnd(resolve));
    await new Promise(resolve => watch.onEvents(resolve));
    while (transcript.followers.size === 0) await new Promise(resolve => setImmediate(resolve));
    transcript.ended = true;
    const event: TranscriptEvent = {kind: 'state', at: 1, state: 'ended'};
    transcript.events.push(event);
    for (const caller of transcript.followers)
      caller.notify('mcpx.transcript.events', {attemptId, firstSeq: 2, events: [event]});
    await ended;
    assert.equal(watch.nextSeq, 3);
  });

  it('loses and repeats nothing over cuts', async () => {
    const seed = Number(process.env['MCPX_SEED'] ?? Date.now() % 2 ** 31);
    const random = seededRandom(seed);
    const collected = collect(client.transcript(attemptId));
    for (let step = 0; step < 150; step++) {
      transcript.append(1 + Math.floor(random.next() * 5), random.next() < 0.8);
      if (random.next() < 0.1) proxy.cut();
      await new Promise(resolve => setImmediate(resolve));
    }
    await client.whenConnected(5000);
    while (transcript.followers.size === 0) await new Promise(resolve => setImmediate(resolve));
    transcript.append(1, true);
    await collected.reached(transcript.events.length);
    assert.deepEqual(
      collected.seqs,
      transcript.events.map((_, at) => at + 1),
      `seed ${seed}`,
    );
  });

  it('unfollows when the last of its watches goes', async () => {
    transcript.append(1, false);
    const [first, second] = [client.transcript(attemptId), client.transcript(attemptId)];
    const collected = collect(second);
    await collected.reached(1);
    first.dispose();
    transcript.append(1, true);
    await collected.reached(2);
    second.dispose();
    while (transcript.followers.size > 0) await new Promise(resolve => setImmediate(resolve));
  });
});
