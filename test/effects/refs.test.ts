/** Refs of a session on a real store: moved by the attempts that they belong to, while these live. */
import assert from 'node:assert/strict';
import {AttemptEffects} from '../../coordinator/effects/attemptEffects.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {RefusalRecord} from '../../coordinator/protocol/model/attempt.ts';
import {RefRecord} from '../../coordinator/protocol/model/facts.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {readRecord, readRecords} from '../../coordinator/store/records.ts';
import {agentPrincipal, endAttempt, keys, type PlacedAttempt, placeAttempt} from '../fixtures/attempts.ts';
import {type EffectServices, effectServices} from '../fixtures/effectServices.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

const COMMITS = ['a', 'b', 'c'].map(digit => digit.repeat(40));

describe('refs of attempts', () => {
  let test: TestStore;
  let services: EffectServices;
  let effects: AttemptEffects;

  beforeEach(async () => {
    test = await openTestStore();
    services = await effectServices(test.store);
    effects = new AttemptEffects({fences: services.fences, clock: systemClock, logger: silentLogger});
  });
  afterEach(async () => {
    services.dispose();
    await test.remove();
  });

  const update = ({attemptId, fence, principal}: PlacedAttempt, name: string, commit = COMMITS[0] ?? '') =>
    effects.updateRef({attemptId, fence, name, commit}, principal);
  const commitOf = async (name: string) =>
    (await readRecord(test.store, RefRecord, keys.ref('s-1', name)))?.value.commit;

  it('moves a ref of its own task and of work in progress', async () => {
    const attempt = await placeAttempt(test.store);
    for (const name of ['build', 'build/part', 'wip/build']) {
      await update(attempt, name, COMMITS[0]);
      await update(attempt, name, COMMITS[1]);
      assert.equal(await commitOf(name), COMMITS[1]);
    }
  });

  it('keeps its hands off what belongs to other tasks', async () => {
    const build = await placeAttempt(test.store);
    const other = await placeAttempt(test.store, {taskId: 'test', agentId: 'a-2'});
    await update(build, 'wip/shared');
    for (const name of ['build', 'buildings/x', 'wip/shared'])
      await assert.rejects(update(other, name), error => isProtocolError(error, 'forbidden'));
    await assert.rejects(update({...build, principal: agentPrincipal('a-2')}, 'build'), error =>
      isProtocolError(error, 'forbidden'),
    );
    assert.equal(await commitOf('wip/shared'), COMMITS[0]);
  });

  it('takes a ref over from an earlier attempt of the task, and refuses that one from then on', async () => {
    const first = await placeAttempt(test.store);
    await update(first, 'wip/build', COMMITS[0]);
    await endAttempt(test.store, first.attemptId, {outcome: 'lost'});
    const second = await placeAttempt(test.store, {number: 2});
    await update(second, 'wip/build', COMMITS[1]);
    await assert.rejects(update(first, 'wip/build', COMMITS[2]), error =>
      isProtocolError(error, 'staleFence'),
    );
    assert.equal(await commitOf('wip/build'), COMMITS[1]);
    const {records} = await readRecords(test.store, RefusalRecord, keys.refusals('s-1'));
    assert.deepEqual(
      records.map(({value}) => [value.effect, value.detail]),
      [['ref', `wip/build to ${COMMITS[2]}`]],
    );
  });

  it('takes no name that git would not', async () => {
    const attempt = await placeAttempt(test.store);
    for (const name of ['wip/a..b', 'wip//x', 'wip/x/', 'wip/x.lock', 'wip/.x', 'wip/x.'])
      await assert.rejects(update(attempt, name), error => isProtocolError(error, 'invalidParams'));
  });

  it('settles on one of many concurrent moves', async () => {
    const attempt = await placeAttempt(test.store);
    await Promise.all(Array.from({length: 12}, (_, n) => update(attempt, 'build', COMMITS[n % 3])));
    assert.ok(COMMITS.includes((await commitOf('build')) ?? ''));
  });
});
