/** Changed paths on their way into attempt records: coalesced, only when they are new, never after the report. */
import assert from 'node:assert/strict';
import {bounded} from '../../coordinator/agent/workspace/changedPaths.ts';
import {PathReports} from '../../coordinator/effects/pathReports.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AttemptRecord, MAX_CHANGED_BYTES} from '../../coordinator/protocol/model/attempt.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {readRecord} from '../../coordinator/store/records.ts';
import {STORE_LIMITS} from '../../coordinator/store/store.ts';
import {endAttempt, keys, placeAttempt} from '../fixtures/attempts.ts';
import {type EffectServices, effectServices} from '../fixtures/effectServices.ts';
import {eventually} from '../fixtures/eventually.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

describe('changed paths of attempts', () => {
  let test: TestStore;
  let services: EffectServices;
  let reports: PathReports;
  let clock: ManualClock;

  beforeEach(async () => {
    clock = new ManualClock();
    test = await openTestStore();
    services = await effectServices(test.store);
    reports = new PathReports({...services, clock, logger: silentLogger});
  });
  afterEach(async () => {
    reports.dispose();
    services.dispose();
    await test.remove();
  });

  const place = async () => {
    const attempt = await placeAttempt(test.store);
    await eventually(async () => assert.ok(services.attempts.holds(attempt.fence)));
    return attempt;
  };
  const changed = (...names: string[]) => ({names, truncated: false});
  const stored = async (attemptId: string) => {
    const record = await readRecord(test.store, AttemptRecord, keys.attempt(attemptId));
    return {names: record?.value.paths?.names, version: record?.version};
  };

  it('are written at once, then the newest of them at most every two seconds, and only when they differ', async () => {
    const {attemptId} = await place();
    for (const name of ['a', 'b', 'c']) reports.note(attemptId, changed(name));
    await eventually(async () => assert.deepEqual(await stored(attemptId), {names: ['a'], version: 2}));
    clock.advance(1999);
    assert.equal((await stored(attemptId)).version, 2);
    clock.advance(1);
    await eventually(async () => assert.deepEqual(await stored(attemptId), {names: ['c'], version: 3}));
    clock.advance(2000);
    reports.note(attemptId, changed('c'));
    clock.advance(2000);
    reports.note(attemptId, changed('d'));
    await eventually(async () => assert.deepEqual(await stored(attemptId), {names: ['d'], version: 4}));
  });

  it('are not written of an attempt that is over', async () => {
    const {attemptId} = await place();
    reports.note(attemptId, changed('a'));
    reports.note(attemptId, changed('b'));
    await eventually(async () => assert.deepEqual((await stored(attemptId)).names, ['a']));
    await endAttempt(test.store, attemptId, {outcome: 'cancelled'});
    await eventually(async () => assert.equal(services.attempts.get(attemptId), undefined));
    clock.advance(10_000);
    reports.note(attemptId, changed('c'));
    clock.advance(10_000);
    const {version} = await stored(attemptId);
    await eventually(async () => assert.equal(version, 3));
    assert.deepEqual((await stored(attemptId)).names, ['a']);
  });

  it('fit into a record beside whatever else is in it', () => {
    for (const letter of ['x', '\u8b80', '"', '\u0001']) {
      const paths = bounded(
        Array.from({length: 500}, (_, index) => `${letter.repeat(60)}${index}`),
        false,
      );
      assert.ok(paths.truncated && paths.names.length > 10, letter);
      const bytes = Buffer.byteLength(JSON.stringify(paths));
      assert.ok(
        bytes < MAX_CHANGED_BYTES + 100 && bytes < STORE_LIMITS.maxRecordBytes / 4,
        `${letter}: ${bytes}`,
      );
    }
  });
});
