/** The completion log on a real disk: nothing that was written is forgotten before it is removed, torn or not. */
import assert from 'node:assert/strict';
import {appendFileSync, mkdirSync, rmSync, statSync} from 'node:fs';
import path from 'node:path';
import {CompletionLog} from '../../../coordinator/agent/link/completionLog.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import type {TaskComplete} from '../../../coordinator/protocol/commands/attempt.ts';
import {NO_USAGE} from '../../../coordinator/protocol/usage.ts';
import {temporaryFolder} from '../supervisor/support.ts';

function completion(number: number, summary = 'done'): TaskComplete {
  const attemptId = `s-1.task.${number}`;
  return {
    attemptId,
    fence: {store: 'store-1', attempt: attemptId, revision: number},
    report: {outcome: 'succeeded', result: {summary}},
    usage: NO_USAGE,
    startedAt: 1,
    endedAt: 2,
    activeMs: 1,
  };
}

describe('completion log', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let log: CompletionLog | undefined;

  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(async () => {
    await log?.close();
    log = undefined;
    folder.remove();
  });
  async function open(): Promise<CompletionLog> {
    log = await CompletionLog.open(folder.path, silentLogger);
    return log;
  }
  const ids = (): number[] => (log?.all() ?? []).map(each => each.fence.revision);
  const file = (): string => path.join(folder.path, 'completions.jsonl');

  it('keeps over a restart what was added and not removed', async () => {
    const first = await open();
    await Promise.all([1, 2, 3].map(number => first.add(completion(number), true)));
    first.remove('s-1.task.2');
    await first.close();
    await open();
    assert.deepEqual(ids(), [1, 3]);
    assert.deepEqual(log?.all()[0], completion(1));
  });

  it('keeps what it added though it is killed at once: no close, a torn last line', async () => {
    const first = await open();
    await first.add(completion(1), true);
    appendFileSync(file(), '{"v":1,"completion":{"attemptId":"s-1.ta');
    const second = await open();
    assert.deepEqual(ids(), [1]);
    await second.add(completion(2), true);
    await open();
    assert.deepEqual(ids(), [1, 2]);
    await first.close();
    await second.close();
  });

  it('does not grow with what is done', async () => {
    const open1 = await open();
    const summary = 'x'.repeat(4000);
    for (let number = 1; number <= 1500; number++) {
      await open1.add(completion(number, summary), false);
      open1.remove(`s-1.task.${number}`);
    }
    await open1.add(completion(2000), true);
    assert(statSync(file()).size < 1_100_000, `${statSync(file()).size} bytes`);
    await open();
    assert.deepEqual(ids(), [2000]);
    await open1.close();
  });

  it('keeps a completion in memory when the disk refuses, and writes it down when it takes again', async () => {
    const first = await open();
    rmSync(folder.path, {recursive: true});
    // The file is open still: writing goes nowhere that a restart would find, so the log is made to rewrite.
    for (let number = 1; number <= 400; number++) {
      await first.add(completion(number, 'x'.repeat(4000)), false);
      if (number > 1) first.remove(`s-1.task.${number}`);
    }
    assert.deepEqual(ids(), [1]);
    mkdirSync(folder.path);
    await first.add(completion(401), true);
    await first.add(completion(402), true);
    await open();
    assert.deepEqual(ids(), [1, 401, 402]);
    await first.close();
  });
});
