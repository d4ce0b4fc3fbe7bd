/** The log of offline writes on a real disk: what was acknowledged is there after a kill, and what could not be kept was refused. */
import assert from 'node:assert/strict';
import {appendFileSync, readFileSync, statSync, truncateSync} from 'node:fs';
import path from 'node:path';
import {type LoggedWrite, WriteLog} from '../../../coordinator/agent/memory/writeLog.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {temporaryFolder} from '../supervisor/support.ts';

function logged(sequence: number, value = 'v', incarnation = 'run-1'): LoggedWrite {
  const fence = {store: 'store-1', attempt: 's-1.task.1', revision: 3};
  const write = {incarnation, sequence, fence, key: `k${sequence}`, value, timestamp: 1};
  return {sessionId: 's-1', write: {...write, base: {revision: 0}, clock: {[incarnation]: sequence}}};
}

describe('log of offline writes', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  const opened: WriteLog[] = [];
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(log => log.close().catch(() => undefined)));
    folder.remove();
  });
  const open = async (): Promise<WriteLog> => {
    const log = await WriteLog.open(path.join(folder.path, 'memory'), silentLogger);
    opened.push(log);
    return log;
  };
  const file = (): string => path.join(folder.path, 'memory', 'writes.jsonl');
  const sequences = (log: WriteLog): number[] => log.all().map(({write}) => write.sequence);

  it('has what was added and not answered, in order, whenever its process was killed', async () => {
    const first = await open();
    await Promise.all([1, 2, 3, 4].map(sequence => first.add(logged(sequence))));
    first.remove(logged(2).write);
    await first.add(logged(5));
    // No close: the next process finds what is on disk.
    const second = await open();
    assert.deepEqual(sequences(second), [1, 3, 4, 5]);
    assert.deepEqual(second.all()[0], logged(1));
  });

  it('has every acknowledged write, wherever its last line was torn', async () => {
    const first = await open();
    await first.add(logged(1));
    const acknowledged = statSync(file()).size;
    await first.add(logged(2));
    const whole = statSync(file()).size;
    for (let size = whole - 2; size >= acknowledged; size -= 7) {
      const text = readFileSync(file(), 'utf8');
      truncateSync(file(), size);
      const next = await open();
      assert.deepEqual(sequences(next), [1], `cut at ${size}`);
      await next.add(logged(3));
      assert.deepEqual(sequences(await open()), [1, 3], 'what follows a torn line is whole');
      truncateSync(file(), 0);
      appendFileSync(file(), text);
    }
  });

  it('tells runs apart, and forgets what was answered for one only', async () => {
    const log = await open();
    await log.add(logged(1, 'old', 'run-1'));
    await log.add(logged(1, 'new', 'run-2'));
    log.remove(logged(1, 'old', 'run-1').write);
    await log.close();
    assert.deepEqual(
      (await open()).all().map(({write}) => write.value),
      ['new'],
    );
  });

  it('stays small, however much goes through it', async () => {
    const log = await open();
    const long = 'x'.repeat(50_000);
    for (let sequence = 1; sequence <= 100; sequence++) {
      await log.add(logged(sequence, long));
      log.remove(logged(sequence).write);
    }
    await log.add(logged(101));
    assert.ok(statSync(file()).size < 2 * 1024 * 1024);
    assert.ok(log.bytes < 1000);
    assert.deepEqual(sequences(await open()), [101]);
  });
});
