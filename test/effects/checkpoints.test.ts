/** Checkpoints of conversations on a real store: written by the attempt that holds the fence, found by the one after it. */
import assert from 'node:assert/strict';
import {Checkpoints} from '../../coordinator/effects/checkpoints.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {AttemptRecord, RefusalRecord} from '../../coordinator/protocol/model/attempt.ts';
import {CHECKPOINT_FORMAT, type Checkpoint} from '../../coordinator/protocol/model/checkpoint.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {readRecord, readRecords} from '../../coordinator/store/records.ts';
import {agentPrincipal, endAttempt, keys, type PlacedAttempt, placeAttempt} from '../fixtures/attempts.ts';
import {type EffectServices, effectServices} from '../fixtures/effectServices.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

const isStale = (error: unknown) => isProtocolError(error, 'staleFence');

describe('checkpoints of attempts', () => {
  let test: TestStore;
  let services: EffectServices;
  let checkpoints: Checkpoints;

  beforeEach(async () => {
    test = await openTestStore();
    services = await effectServices(test.store);
    checkpoints = new Checkpoints({fences: services.fences, clock: systemClock});
  });
  afterEach(async () => {
    services.dispose();
    await test.remove();
  });

  const after = (calls: number): Checkpoint => ({
    format: CHECKPOINT_FORMAT,
    conversation: 'c',
    claude: '2.1.330',
    calls,
    seq: calls,
    transcript: [{sha256: 'a'.repeat(64), bytes: 1}],
  });
  const save = ({attemptId, fence, principal}: PlacedAttempt, calls: number) =>
    checkpoints.save({attemptId, fence, checkpoint: after(calls)}, principal);
  const newest = async ({attemptId, fence, principal}: PlacedAttempt) =>
    (await checkpoints.newest({attemptId, fence}, principal))?.checkpoint.calls;

  it('are found by the next attempt, the newest only, and not by the one that made them', async () => {
    const first = await placeAttempt(test.store);
    await save(first, 1);
    await save(first, 2);
    assert.equal(await newest(first), undefined);
    await endAttempt(test.store, first.attemptId, {outcome: 'lost'});
    const second = await placeAttempt(test.store, {number: 2, agentId: 'a-2'});
    assert.equal(await newest(second), 2);
  });

  it('of a zombie are refused, said, and change nothing', async () => {
    const zombie = await placeAttempt(test.store);
    await save(zombie, 1);
    await endAttempt(test.store, zombie.attemptId, {outcome: 'lost'});
    const second = await placeAttempt(test.store, {number: 2, agentId: 'a-2'});
    await assert.rejects(save(zombie, 9), isStale);
    await assert.rejects(newest(zombie), isStale);
    assert.equal(await newest(second), 1);
    const {records} = await readRecords(test.store, RefusalRecord, keys.refusals('s-1'));
    assert.deepEqual(
      records.map(({value}) => [value.effect, value.detail]),
      [['checkpoint', 'after 9 tool calls']],
    );
  });

  it('are not written in the name of an attempt of another agent', async () => {
    const first = await placeAttempt(test.store);
    await assert.rejects(save({...first, principal: agentPrincipal('a-2')}, 1), error =>
      isProtocolError(error, 'forbidden'),
    );
  });

  it('that an attempt went on from stand in its record, under its fence', async () => {
    const first = await placeAttempt(test.store);
    await endAttempt(test.store, first.attemptId, {outcome: 'lost'});
    const {attemptId, fence, principal} = await placeAttempt(test.store, {number: 2, agentId: 'a-2'});
    const from = {attemptId: first.attemptId, agentId: 'a-1', calls: 4};
    await checkpoints.taken({attemptId, fence, from}, principal);
    const record = await readRecord(test.store, AttemptRecord, keys.attempt(attemptId));
    assert.deepEqual(record?.value.continued, from);
    await assert.rejects(
      checkpoints.taken({attemptId: first.attemptId, fence: first.fence, from}, first.principal),
      isStale,
    );
  });
});
