/** Completions of attempts against a real store: one accepted report under a fence, and a trace of what came too late. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {AttemptEffects} from '../../coordinator/effects/attemptEffects.ts';
import {Fences} from '../../coordinator/effects/fences.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {AttemptRecord, type AttemptReport, RefusalRecord} from '../../coordinator/protocol/model/attempt.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {putRecord, readRecord, readRecords} from '../../coordinator/store/records.ts';
import {
  agentPrincipal,
  client,
  endAttempt,
  keys,
  type PlacedAttempt,
  placeAttempt,
  TENANT,
} from '../fixtures/attempts.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

const succeeded = (summary: string): AttemptReport => ({outcome: 'succeeded', result: {summary}});

describe('completion of an attempt', () => {
  let test: TestStore;
  let fences: Fences;
  let effects: AttemptEffects;
  const services: {dispose(): void}[] = [];

  const newEffects = (): AttemptEffects => {
    fences = new Fences({store: test.store, tenant: TENANT, clock: systemClock, logger: silentLogger});
    services.push(fences);
    return new AttemptEffects({fences, clock: systemClock, logger: silentLogger});
  };

  beforeEach(async () => {
    test = await openTestStore();
    effects = newEffects();
  });

  afterEach(async () => {
    for (const service of services.splice(0)) service.dispose();
    await test.remove();
  });

  const complete = (attempt: PlacedAttempt, report: AttemptReport, by = effects) =>
    by.complete(
      {
        attemptId: attempt.attemptId,
        fence: attempt.fence,
        report,
        usage: {...NO_USAGE, costUsd: 0.5},
        startedAt: 1,
        endedAt: 2,
        activeMs: 1,
      },
      attempt.principal,
    );
  const record = async (attemptId: string): Promise<AttemptRecord> => {
    const stored = await readRecord(test.store, AttemptRecord, keys.attempt(attemptId));
    assert(stored);
    return stored.value;
  };
  const refusals = async (sessionId = 's-1') =>
    (await readRecords(test.store, RefusalRecord, keys.refusals(sessionId))).records.map(({value}) => value);

  it('writes the report, the spend and the times, and leaves the fence standing', async () => {
    const attempt = await placeAttempt(test.store, {gated: false});
    assert.deepEqual(await complete(attempt, succeeded('done')), {accepted: true, gates: false});
    const {state, report, usage, startedAt, endedAt, activeMs} = await record(attempt.attemptId);
    assert.deepEqual(
      {state, report, costUsd: usage.costUsd, startedAt, endedAt, activeMs},
      {state: 'reported', report: succeeded('done'), costUsd: 0.5, startedAt: 1, endedAt: 2, activeMs: 1},
    );
    assert.ok(await test.store.get(keys.live(attempt.attemptId)));
  });

  it('accepts the same report again, also after the lead ended the attempt', async () => {
    const attempt = await placeAttempt(test.store);
    await complete(attempt, succeeded('done'));
    const {revision} = test.store.status();
    assert.deepEqual(await complete(attempt, succeeded('done')), {accepted: true, gates: true});
    assert.equal(test.store.status().revision, revision);
    await endAttempt(test.store, attempt.attemptId, {outcome: 'succeeded'});
    assert.deepEqual(await complete(attempt, succeeded('done')), {accepted: true, gates: true});
    assert.deepEqual(await refusals(), []);
  });

  it('refuses another report while the first one stands', async () => {
    const attempt = await placeAttempt(test.store);
    await complete(attempt, succeeded('one'));
    await assert.rejects(complete(attempt, succeeded('two')), error => isProtocolError(error, 'conflict'));
    assert.deepEqual((await record(attempt.attemptId)).report, succeeded('one'));
  });

  it('refuses a zombie, keeps what it said for people and marks the lost attempt as stale', async () => {
    const attempt = await placeAttempt(test.store);
    await endAttempt(test.store, attempt.attemptId, {outcome: 'lost'});
    await assert.rejects(complete(attempt, succeeded('late')), error => isProtocolError(error, 'staleFence'));
    const {outcome, refused, report} = await record(attempt.attemptId);
    assert.deepEqual({outcome, refused, report}, {outcome: 'stale', refused: 1, report: undefined});
    const [refusal] = await refusals();
    assert.equal(refusal?.effect, 'completion');
    assert.match(refusal?.detail ?? '', /late/);
    assert.deepEqual(refusal?.fence, attempt.fence);
  });

  it('refuses a fence of the store before its restoration', async () => {
    const attempt = await placeAttempt(test.store);
    const old = {...attempt, fence: {...attempt.fence, store: 'another'}};
    await assert.rejects(complete(old, succeeded('late')), error => isProtocolError(error, 'staleFence'));
    assert.equal((await refusals()).length, 1);
    assert.equal((await record(attempt.attemptId)).state, 'running');
  });

  it('keeps a bounded number of refusals of one attempt', async () => {
    const attempt = await placeAttempt(test.store);
    await endAttempt(test.store, attempt.attemptId, {outcome: 'lost'});
    for (let n = 0; n < fences.settings.maxRefusals + 3; n++)
      await assert.rejects(complete(attempt, succeeded(`${n}`)), error =>
        isProtocolError(error, 'staleFence'),
      );
    assert.equal((await refusals()).length, fences.settings.maxRefusals);
    assert.equal((await record(attempt.attemptId)).refused, fences.settings.maxRefusals);
  });

  it('agrees with a cancellation that the lead has recorded', async () => {
    const attempt = await placeAttempt(test.store);
    await endAttempt(test.store, attempt.attemptId, {outcome: 'cancelled'});
    assert.equal((await complete(attempt, {outcome: 'cancelled'})).accepted, true);
    // What it spent until then came with it.
    const {usage, counted} = await record(attempt.attemptId);
    assert.deepEqual([usage.costUsd, counted?.costUsd], [0.5, 0]);
    assert.ok(await test.store.get(keys.lateUsage(attempt.attemptId)));
    assert.deepEqual(await refusals(), []);
  });

  it('lets nobody but the agent of the attempt report', async () => {
    const attempt = await placeAttempt(test.store);
    for (const principal of [agentPrincipal('a-2'), client])
      await assert.rejects(complete({...attempt, principal}, succeeded('theirs')), error =>
        isProtocolError(error, 'forbidden'),
      );
    assert.equal((await record(attempt.attemptId)).state, 'running');
  });

  it('says that a report is too large before it reaches the store', async () => {
    const attempt = await placeAttempt(test.store);
    const report: AttemptReport = {outcome: 'succeeded', result: {summary: '', value: 'x'.repeat(70_000)}};
    await assert.rejects(complete(attempt, report), error => isProtocolError(error, 'tooLarge'));
  });

  it('keeps what was changed beside a report only where there is room for it, in bytes', async () => {
    const paths = {names: ['a.txt'], truncated: false};
    for (const [summary, kept] of [
      ['done', paths],
      ['\u8b80'.repeat(6000), undefined],
    ] as const) {
      const attempt = await placeAttempt(test.store, {taskId: kept ? 'small' : 'large'});
      const value = {...(await record(attempt.attemptId)), paths};
      await test.store.txn({then: [putRecord(keys.attempt(attempt.attemptId), value)]});
      await complete(attempt, succeeded(summary));
      assert.deepEqual((await record(attempt.attemptId)).paths, kept);
    }
  });

  it('takes one transaction and no read once the attempt is known', async () => {
    const attempt = await placeAttempt(test.store);
    const calls: string[] = [];
    const counted = new Proxy(test.store, {
      get(store, name, receiver) {
        const member: unknown = Reflect.get(store, name, receiver);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          if (name === 'get' || name === 'txn' || name === 'range') calls.push(String(name));
          return Reflect.apply(member, store, args);
        };
      },
    });
    const known = new Fences({store: counted, tenant: TENANT, clock: systemClock, logger: silentLogger});
    services.push(known);
    await known.attempts.read(keys.attempt(attempt.attemptId));
    calls.length = 0;
    await complete(
      attempt,
      succeeded('done'),
      new AttemptEffects({fences: known, clock: systemClock, logger: silentLogger}),
    );
    assert.deepEqual(calls, ['txn']);
  });

  it('accepts at most one report under a fence, whatever is interleaved', async () => {
    let session = 0;
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('complete' as const),
          attempt: fc.nat(2),
          by: fc.nat(1),
          report: fc.nat(2),
        }),
      },
      {weight: 2, arbitrary: fc.record({kind: fc.constantFrom('cancel' as const, 'supersede' as const)})},
      {weight: 1, arbitrary: fc.record({kind: fc.constant('breathe' as const)})},
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, {minLength: 2, maxLength: 16}), async steps => {
        const sessionId = `s-${session++}`;
        const attempts = [await placeAttempt(test.store, {sessionId})];
        const both = [newEffects(), newEffects()];
        const accepted = new Map<string, Set<number>>();
        const refused = new Map<string, number>();
        const report = async (attempt: PlacedAttempt, by: number, which: number): Promise<void> => {
          const {attemptId} = attempt;
          try {
            await complete(attempt, succeeded(`report ${which}`), both[by]);
            accepted.set(attemptId, (accepted.get(attemptId) ?? new Set()).add(which));
          } catch (error) {
            if (isProtocolError(error, 'staleFence'))
              refused.set(attemptId, (refused.get(attemptId) ?? 0) + 1);
            else if (!isProtocolError(error, 'conflict')) throw error;
          }
        };
        const pending: Promise<void>[] = [];
        for (const one of steps) {
          const current = attempts.at(-1) as PlacedAttempt;
          if (one.kind === 'breathe') await new Promise(resolve => setImmediate(resolve));
          else if (one.kind === 'cancel')
            pending.push(endAttempt(test.store, current.attemptId, {outcome: 'cancelled'}));
          else if (one.kind === 'complete')
            pending.push(
              report(attempts[one.attempt % attempts.length] as PlacedAttempt, one.by, one.report),
            );
          else {
            await endAttempt(test.store, current.attemptId, {outcome: 'lost'});
            attempts.push(await placeAttempt(test.store, {sessionId, number: attempts.length + 1}));
          }
        }
        await Promise.all(pending);
        const kept = await refusals(sessionId);
        for (const {attemptId} of attempts) {
          const [only, ...more] = accepted.get(attemptId) ?? [];
          assert.deepEqual(more, []);
          const final = await record(attemptId);
          assert.deepEqual(final.report, only === undefined ? undefined : succeeded(`report ${only}`));
          assert.equal(final.refused, refused.get(attemptId) ?? 0);
          assert.equal(kept.filter(refusal => refusal.attemptId === attemptId).length, final.refused);
        }
        for (const service of services.splice(1)) service.dispose();
      }),
      {numRuns: 80},
    );
  });
});
