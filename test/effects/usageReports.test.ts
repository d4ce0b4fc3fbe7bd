/** Usage on its way into attempt records: coalesced, never falling, never after the report. */
import assert from 'node:assert/strict';
import {UsageReports} from '../../coordinator/effects/usageReports.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {NO_USAGE, type Usage} from '../../coordinator/protocol/usage.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {readRecord} from '../../coordinator/store/records.ts';
import {agentPrincipal, endAttempt, keys, placeAttempt} from '../fixtures/attempts.ts';
import {type EffectServices, effectServices} from '../fixtures/effectServices.ts';
import {eventually} from '../fixtures/eventually.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

describe('usage reports', () => {
  let test: TestStore;
  let services: EffectServices;
  let usage: UsageReports;
  let clock: ManualClock;

  beforeEach(async () => {
    clock = new ManualClock();
    test = await openTestStore();
    services = await effectServices(test.store);
    usage = new UsageReports({...services, clock, logger: silentLogger});
  });
  afterEach(async () => {
    await usage.stop();
    services.dispose();
    await test.remove();
  });

  const cost = (costUsd: number): Usage => ({...NO_USAGE, costUsd});
  const place = async () => {
    const attempt = await placeAttempt(test.store);
    await eventually(async () => assert.ok(services.attempts.holds(attempt.fence)));
    return attempt;
  };
  const stored = async (attemptId: string) =>
    readRecord(test.store, AttemptRecord, keys.attempt(attemptId)).then(record => ({
      costUsd: record?.value.usage.costUsd,
      version: record?.version,
    }));

  it('writes the first report at once and the newest of the rest a second later', async () => {
    const {attemptId, principal} = await place();
    for (let n = 1; n <= 50; n++) usage.note(attemptId, cost(n), principal);
    await eventually(async () => assert.deepEqual(await stored(attemptId), {costUsd: 1, version: 2}));
    clock.advance(1000);
    await eventually(async () => assert.deepEqual(await stored(attemptId), {costUsd: 50, version: 3}));
    clock.advance(1000);
    usage.note(attemptId, cost(50), principal);
    usage.note(attemptId, cost(40), principal);
    clock.advance(1000);
    await usage.stop();
    assert.deepEqual(await stored(attemptId), {costUsd: 50, version: 3});
  });

  it('takes a metrics report for the agent’s own attempts only', async () => {
    const {attemptId} = await place();
    const report = {incarnation: 'i', counters: {}, attempts: [{attemptId, usage: cost(7)}]};
    usage.metrics({...report, agentId: 'a-2'}, agentPrincipal('a-2'));
    usage.metrics(
      {...report, agentId: 'a-1', attempts: [{attemptId: 's-1.none.1', usage: cost(1)}]},
      agentPrincipal('a-1'),
    );
    await usage.stop();
    assert.equal((await stored(attemptId)).version, 1);
    usage = new UsageReports({...services, clock, logger: silentLogger});
    usage.metrics({...report, agentId: 'a-1'}, agentPrincipal('a-1'));
    await eventually(async () => assert.equal((await stored(attemptId)).costUsd, 7));
  });

  it('keeps what waits when the fence falls, and what comes after that, and marks it for the totals', async () => {
    const {attemptId, principal} = await place();
    usage.note(attemptId, cost(1), principal);
    usage.note(attemptId, cost(2), principal);
    await eventually(async () => assert.equal((await stored(attemptId)).costUsd, 1));
    await endAttempt(test.store, attemptId, {outcome: 'cancelled'});
    await eventually(async () => assert.equal((await stored(attemptId)).costUsd, 2));
    usage.note(attemptId, cost(3), principal);
    usage.note(attemptId, cost(9), agentPrincipal('a-2'));
    await eventually(async () => assert.equal((await stored(attemptId)).costUsd, 3));
    await usage.stop();
    const record = await readRecord(test.store, AttemptRecord, keys.attempt(attemptId));
    assert.deepEqual([record?.value.usage.costUsd, record?.value.counted?.costUsd], [3, 1]);
    assert.ok(await test.store.get(keys.lateUsage(attemptId)));
  });

  it('leaves an attempt alone whose report told what it spent', async () => {
    const {attemptId, principal} = await place();
    const report = {outcome: 'succeeded', result: {summary: ''}} as const;
    await endAttempt(test.store, attemptId, {outcome: 'succeeded', report, usage: cost(2)});
    usage.note(attemptId, cost(3), principal);
    await usage.stop();
    assert.equal((await stored(attemptId)).costUsd, 2);
    assert.equal(await test.store.get(keys.lateUsage(attemptId)), undefined);
  });
});
