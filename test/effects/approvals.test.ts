/** Approvals on a real store with two coordinators: asked once, answered once, told everywhere, withdrawn with their attempt. */
import assert from 'node:assert/strict';
import {type AnsweredApproval, Approvals} from '../../coordinator/effects/approvals.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {ApprovalAnswer, ApprovalRequest} from '../../coordinator/protocol/approval.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {putRecord, readRecord} from '../../coordinator/store/records.ts';
import type {Store} from '../../coordinator/store/store.ts';
import {
  agentPrincipal,
  client,
  endAttempt,
  keys,
  otherClient,
  type PlacedAttempt,
  placeAttempt,
} from '../fixtures/attempts.ts';
import {type EffectServices, effectServices} from '../fixtures/effectServices.ts';
import {eventually} from '../fixtures/eventually.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

const REQUEST: ApprovalRequest = {kind: 'permission', tool: 'Bash', input: {command: 'ls'}};
const ALLOW: ApprovalAnswer = {kind: 'allow', scope: 'once'};

describe('approvals', () => {
  let test: TestStore;
  let stops: (() => Promise<void>)[];
  let approvals: Approvals;

  const coordinator = async (id: string, store: Store = test.store): Promise<Approvals> => {
    const services: EffectServices = await effectServices(store, systemClock, id);
    const made = new Approvals({...services, clock: systemClock, logger: silentLogger});
    await made.start();
    stops.push(async () => {
      await made.stop();
      services.dispose();
    });
    return made;
  };

  beforeEach(async () => {
    stops = [];
    test = await openTestStore();
    approvals = await coordinator('c-1');
  });
  afterEach(async () => {
    for (const stop of stops) await stop();
    await test.remove();
  });

  const ask = ({attemptId, fence, principal}: PlacedAttempt, approvalId = 'p-1', request = REQUEST) =>
    approvals.ask({attemptId, fence, approvalId, request}, principal);
  const answer = (by = client, what: ApprovalAnswer = ALLOW, through = approvals) =>
    through.answer({sessionId: 's-1', approvalId: 'p-1', answer: what}, by);
  const record = async (approvalId = 'p-1') =>
    (await readRecord(test.store, ApprovalRecord, keys.approval('s-1', approvalId)))?.value;

  it('tells every coordinator the answer, once', async () => {
    const told: AnsweredApproval[][] = [[], []];
    for (const [index, each] of [approvals, await coordinator('c-2')].entries())
      each.onAnswered(one => told[index]?.push(one));
    const attempt = await placeAttempt(test.store);
    assert.deepEqual(await ask(attempt), {});
    assert.deepEqual(await ask(attempt), {});
    await answer();
    const expected = {agentId: 'a-1', attemptId: attempt.attemptId, approvalId: 'p-1', answer: ALLOW};
    await eventually(async () => assert.deepEqual(told, [[expected], [expected]]));
    const state = (await record())?.state;
    assert.ok(state?.kind === 'answered');
    assert.deepEqual([state.answer, state.by], [ALLOW, 'client:ada']);
  });

  it('gives the answer to an agent that asks again after a reconnect', async () => {
    const attempt = await placeAttempt(test.store);
    await ask(attempt);
    await answer();
    assert.deepEqual(await ask(attempt), {answer: ALLOW});
  });

  it('takes the first of many answers and tells the others who gave it', async () => {
    await ask(await placeAttempt(test.store));
    const elsewhere = await coordinator('c-2');
    const answers = await Promise.allSettled([
      answer(client),
      answer(otherClient, {kind: 'deny'}),
      answer(otherClient, {kind: 'deny'}, elsewhere),
      answer(client, ALLOW, elsewhere),
    ]);
    assert.equal(answers.filter(({status}) => status === 'fulfilled').length, 1);
    const state = (await record())?.state;
    assert.ok(state?.kind === 'answered');
    for (const one of answers) {
      if (one.status === 'fulfilled') continue;
      assert.ok(isProtocolError(one.reason, 'conflict'));
      assert.equal((one.reason.data as {by: string}).by, state.by);
    }
    const decided = (await test.store.range(keys.audit)).kvs.filter(kv =>
      kv.value.includes('approval.answer'),
    );
    assert.equal(decided.length, 1);
  });

  it('withdraws what an ended attempt still waits for, and takes no answer then', async () => {
    const attempt = await placeAttempt(test.store);
    await ask(attempt);
    await endAttempt(test.store, attempt.attemptId, {outcome: 'cancelled'});
    await assert.rejects(answer(), error => isProtocolError(error, 'conflict'));
    await eventually(async () => assert.equal((await record())?.state.kind, 'withdrawn'));
    await assert.rejects(answer(), error => isProtocolError(error, 'conflict'));
    await assert.rejects(ask(attempt), error => isProtocolError(error, 'staleFence'));
  });

  it('withdraws by itself when the attempt ends, also while no coordinator was there', async () => {
    const first = await placeAttempt(test.store);
    await ask(first);
    await endAttempt(test.store, first.attemptId, {outcome: 'lost'});
    await eventually(async () => assert.equal((await record())?.state.kind, 'withdrawn'));
    const second = await placeAttempt(test.store, {number: 2});
    await ask(second, 'p-2');
    for (const stop of stops.splice(0)) await stop();
    await endAttempt(test.store, second.attemptId, {outcome: 'lost'});
    await coordinator('c-3');
    await eventually(async () => assert.equal((await record('p-2'))?.state.kind, 'withdrawn'));
  });

  it('refuses the questions of a zombie, of other agents, and a taken id', async () => {
    const first = await placeAttempt(test.store);
    await ask(first);
    const second = await placeAttempt(test.store, {taskId: 'test', agentId: 'a-2'});
    await assert.rejects(ask(second), error => isProtocolError(error, 'conflict'));
    await assert.rejects(ask({...first, principal: agentPrincipal('a-2')}), error =>
      isProtocolError(error, 'forbidden'),
    );
    await endAttempt(test.store, second.attemptId, {outcome: 'lost'});
    await assert.rejects(ask(second, 'p-9'), error => isProtocolError(error, 'staleFence'));
    assert.equal(await record('p-9'), undefined);
  });

  it('leaves the lead’s own questions about an attempt to the lead', async () => {
    const told: AnsweredApproval[] = [];
    approvals.onAnswered(one => told.push(one));
    const attempt = await placeAttempt(test.store);
    await ask(attempt, 'p-2');
    const asked = await record('p-2');
    const request: ApprovalRequest = {kind: 'decision', subject: 'losses', message: 'lost three times'};
    await test.store.txn({then: [putRecord(keys.approval('s-1', 'p-1'), {...asked, id: 'p-1', request})]});
    await endAttempt(test.store, attempt.attemptId, {outcome: 'lost'});
    await eventually(async () => assert.equal((await record('p-2'))?.state.kind, 'withdrawn'));
    await answer();
    assert.equal((await record())?.state.kind, 'answered');
    await approvals.stop();
    assert.deepEqual(told, []);
  });

  it('withdraws a question that is seen after the end of its attempt', async () => {
    const held: (() => void)[] = [];
    const late = await coordinator(
      'c-2',
      new Proxy(test.store, {
        get(store, name) {
          const member: unknown = Reflect.get(store, name, store);
          if (name !== 'watch') return typeof member === 'function' ? member.bind(store) : member;
          return (...[prefix, options, listener]: Parameters<Store['watch']>) =>
            store.watch(prefix, options, message => {
              if (prefix === keys.allApprovals) held.push(() => listener(message));
              else listener(message);
            });
        },
      }),
    );
    const attempt = await placeAttempt(test.store);
    await ask(attempt);
    await approvals.stop();
    await endAttempt(test.store, attempt.attemptId, {outcome: 'lost'});
    await eventually(async () => assert.equal(held.length, 1));
    await new Promise(resolve => setImmediate(resolve));
    for (const deliver of held.splice(0)) deliver();
    await eventually(async () => assert.equal((await record())?.state.kind, 'withdrawn'));
    await late.stop();
  });

  it('wants an answer that fits the question', async () => {
    await ask(await placeAttempt(test.store));
    await assert.rejects(answer(client, {kind: 'answers', answers: {}}), error =>
      isProtocolError(error, 'invalidParams'),
    );
    assert.equal((await record())?.state.kind, 'waiting');
  });

  it('cuts what a tool was called with when it would not fit into a record', async () => {
    const input = {
      file: '/a',
      content: 'x'.repeat(200_000),
      edits: Array.from({length: 20}, () => 'y'.repeat(9000)),
    };
    await ask(await placeAttempt(test.store), 'p-1', {kind: 'permission', tool: 'Write', input});
    const kept = await record();
    assert.equal(kept?.['shortened'], true);
    assert.ok(kept?.request.kind === 'permission');
    assert.match(JSON.stringify(kept.request.input), /"file":"\/a".*more characters/);
  });
});
