/** The transcript spool on a real disk: order, acknowledgement, bounds, and what a restart finds. */
import assert from 'node:assert/strict';
import {appendFileSync, mkdirSync, readdirSync, rmSync} from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import {Spool} from '../../../coordinator/agent/link/spool.ts';
import type {TranscriptSpool} from '../../../coordinator/agent/link/transcriptSpool.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import type {TranscriptEvent} from '../../../coordinator/protocol/transcript.ts';
import {temporaryFolder} from '../supervisor/support.ts';

const ATTEMPT = 's-1.task.1';
const FENCE = {store: 'store-1', attempt: ATTEMPT, revision: 5};

function event(number: number, bytes = 10): TranscriptEvent {
  return {kind: 'output', at: 0, stream: 'stdout', text: `${number} `.padEnd(bytes, 'x')};
}
const numberOf = (each: TranscriptEvent): number =>
  each.kind === 'output' ? Number.parseInt(each.text, 10) : -1;

describe('transcript spool', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let opened: Spool[];

  beforeEach(() => {
    folder = temporaryFolder();
    opened = [];
  });
  afterEach(async () => {
    for (const spool of opened) await spool.close();
    folder.remove();
  });

  async function open(limits: {spoolBytes?: number; segmentBytes?: number} = {}): Promise<Spool> {
    const settings = {spoolBytes: 1_000_000, segmentBytes: 2000, ...limits};
    const spool = await Spool.open({
      stateDirectory: folder.path,
      settings,
      wallNow: () => 7,
      logger: silentLogger,
    });
    opened.push(spool);
    return spool;
  }
  const files = (): string[] =>
    readdirSync(path.join(folder.path, 'spool')).filter(name => name.startsWith(ATTEMPT));

  async function drained(transcript: TranscriptSpool, batchEvents = 7): Promise<TranscriptEvent[]> {
    const all: TranscriptEvent[] = [];
    while (!transcript.isDrained) {
      const {firstSeq, events} = await transcript.batch(batchEvents, 10_000);
      assert.equal(firstSeq, transcript.ackedSeq + 1);
      assert(events.length > 0);
      all.push(...events);
      transcript.acknowledge(firstSeq + events.length - 1);
    }
    return all;
  }

  it('gives every event back in order, over many segments on disk', async () => {
    const transcript = (await open()).transcript(ATTEMPT, FENCE);
    for (let number = 1; number <= 500; number++) {
      transcript.append(event(number, 100));
      if (number % 10 === 0) await transcript.flush();
    }
    assert(files().length > 10);
    const numbers = (await drained(transcript)).map(numberOf);
    assert.deepEqual(
      numbers,
      Array.from({length: 500}, (_, index) => index + 1),
    );
    await transcript.flush();
    assert(files().length <= 1, 'acknowledged segments are gone');
    await transcript.remove();
    assert.deepEqual(files(), []);
  });

  it('keeps what is not acknowledged whatever the order of writing, sending and acknowledging', async () => {
    const step = fc.oneof(
      fc.record({kind: fc.constant('append' as const), bytes: fc.integer({min: 5, max: 900})}),
      fc.record({kind: fc.constant('flush' as const)}),
      fc.record({kind: fc.constant('send' as const), events: fc.integer({min: 1, max: 9})}),
      fc.record({kind: fc.constant('lose' as const), events: fc.integer({min: 1, max: 9})}),
    );
    const spool = await open();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, {maxLength: 60}), async steps => {
        const transcript = spool.transcript(`s-1.task.${++run}`, FENCE);
        const received: TranscriptEvent[] = [];
        let appended = 0;
        for (const each of steps) {
          if (each.kind === 'append') transcript.append(event(++appended, each.bytes));
          else if (each.kind === 'flush') await transcript.flush();
          else {
            const {firstSeq, events} = await transcript.batch(each.events, 1500);
            if (each.kind === 'lose') continue;
            received.push(...events);
            transcript.acknowledge(firstSeq + events.length - 1);
          }
        }
        received.push(...(await drained(transcript)));
        assert.deepEqual(
          received.map(numberOf),
          Array.from({length: appended}, (_, index) => index + 1),
        );
        await transcript.remove();
      }),
      {numRuns: 60},
    );
  });

  it('marks one gap where events did not fit, and takes events again when there is room', async () => {
    const spool = await open({spoolBytes: 4000, segmentBytes: 500});
    const transcript = spool.transcript(ATTEMPT, FENCE);
    for (let number = 1; number <= 40; number++) transcript.append(event(number, 200));
    await transcript.flush();
    assert(spool.budget.usedBytes <= 4000);
    const first = await drained(transcript);
    transcript.append(event(41));
    transcript.finish();
    const rest = await drained(transcript);
    const gaps = [...first, ...rest].filter(each => each.kind === 'gap');
    assert.deepEqual(gaps, [{kind: 'gap', at: 7, dropped: 40 - first.length}]);
    assert.deepEqual(rest.map(numberOf), [-1, 41]);
  });

  it('marks the gap at the end too, though nothing fits any more', async () => {
    const spool = await open({spoolBytes: 1000, segmentBytes: 500});
    const transcript = spool.transcript(ATTEMPT, FENCE);
    for (let number = 1; number <= 10; number++) transcript.append(event(number, 200));
    transcript.finish();
    const all = await drained(transcript);
    assert.equal(all.at(-1)?.kind, 'gap');
  });

  it('leaves room for others: one transcript takes half of the bound at most', async () => {
    const spool = await open({spoolBytes: 10_000});
    const greedy = spool.transcript(ATTEMPT, FENCE);
    for (let number = 1; number <= 100; number++) greedy.append(event(number, 200));
    const other = spool.transcript('s-1.other.1', FENCE);
    other.append(event(1, 200));
    assert.equal(other.lastSeq, 1);
    assert(spool.budget.usedBytes <= 6000);
  });

  it('bounds its memory and marks a gap when the disk refuses, and goes on when it takes again', async () => {
    const spool = await open({segmentBytes: 500});
    const transcript = spool.transcript(ATTEMPT, FENCE);
    const spoolFolder = path.join(folder.path, 'spool');
    rmSync(spoolFolder, {recursive: true});
    for (let number = 1; number <= 20; number++) {
      transcript.append(event(number, 100));
      await transcript.flush();
    }
    assert(transcript.lastSeq < 20);
    mkdirSync(spoolFolder);
    await transcript.flush();
    transcript.append(event(21, 100));
    await transcript.flush();
    const all = await drained(transcript);
    assert.equal(all.filter(each => each.kind === 'gap').length, 1);
    assert.equal(numberOf(all.at(-1) ?? event(0)), 21);
  });

  it('finds after a restart what was written and not acknowledged, without a torn last line', async () => {
    const before = (await open()).transcript(ATTEMPT, FENCE);
    for (let number = 1; number <= 60; number++) {
      before.append(event(number, 100));
      await before.flush();
    }
    const newest = files().sort().at(-1) ?? '';
    appendFileSync(path.join(folder.path, 'spool', newest), '{"kind":"output","at":0,"str');
    const spool = await open();
    const recovered = spool.recovered.get(ATTEMPT);
    assert(recovered);
    assert.deepEqual(recovered.fence, FENCE);
    const numbers = (await drained(recovered)).map(numberOf);
    assert.deepEqual(
      numbers,
      Array.from({length: 60}, (_, index) => index + 1),
    );
    await recovered.remove();
    assert.deepEqual(files(), []);
    assert.equal(spool.budget.usedBytes, 0);
  });
});
