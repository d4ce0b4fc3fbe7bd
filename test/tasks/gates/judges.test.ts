/** Gates that others judge: another agent, or a person. Who it may be, what comes of the answer, and that neither a lead nor an author is needed meanwhile. */
import assert from 'node:assert/strict';
import type {GateFailurePolicy, QualityGateConfig} from '../../../coordinator/protocol/gate.ts';
import {ApprovalRecord} from '../../../coordinator/protocol/model/facts.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import type {JsonValue} from '../../../coordinator/runtime/json.ts';
import {putRecord, readRecords} from '../../../coordinator/store/records.ts';
import {done, keys, type Work} from '../fakeFleet.ts';
import {client, Harness, planOf, promptWork} from '../leadHarness.ts';

const TIMEOUT_MS = 60_000;
const review = (onFailure: GateFailurePolicy = 'fail'): QualityGateConfig => ({
  name: 'second pair of eyes',
  type: 'review',
  onFailure,
  timeoutMs: TIMEOUT_MS,
});
const approval = (more: {onFailure?: GateFailurePolicy; timeoutMs?: number} = {}): QualityGateConfig => ({
  name: 'sign-off',
  type: 'approval',
  message: 'ship it?',
  onFailure: 'fail',
  ...more,
});
const verdict =
  (passed: boolean, findings: JsonValue = []): Work =>
  () => ({
    outcome: 'succeeded',
    result: {summary: 'reviewed', value: {passed, findings}},
  });

describe('Gates that others judge', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  /** As `work`, but for reviews. */
  const reviewing =
    (judge: Work, work: Work = () => done): Work =>
    (assign, agent) =>
      assign.taskId.startsWith('_review') ? judge(assign, agent) : work(assign, agent);

  async function question(test: (record: ApprovalRecord) => boolean): Promise<ApprovalRecord> {
    const read = async (): Promise<ApprovalRecord | undefined> =>
      (await readRecords(harness.store, ApprovalRecord, keys.approvals('s-1'))).records
        .map(({value}) => value)
        .find(test);
    const found = await harness.until(read, record => record !== undefined);
    assert.ok(found);
    return found;
  }

  const waiting = ({state}: ApprovalRecord): boolean => state.kind === 'waiting';

  /** As the service of approvals does it. */
  async function answer(record: ApprovalRecord, kind: 'allow' | 'deny', message?: string): Promise<void> {
    const state = {kind: 'answered', answer: {kind, message}, by: client.id, at: record.askedAt + 5};
    await harness.store.txn({then: [putRecord(keys.approval('s-1', record.id), {...record, state})]});
  }

  describe('a review', () => {
    it('is done by another agent than the author, and its verdict is kept with who gave it', async () => {
      const work = reviewing(verdict(true, [{severity: 'minor', file: 'a.txt', line: 3, message: 'a typo'}]));
      for (const id of ['a-1', 'a-2']) await harness.fleet.add({id, work});
      await harness.start(
        planOf([
          {id: 'one', work: promptWork, gates: [review()]},
          {id: 'two', dependsOn: ['one']},
        ]),
      );
      const session = await harness.untilEnded();
      assert.equal(session.state, 'succeeded');
      assert.equal(session.counts.total, 2);
      const [author] = await harness.attempts('one');
      const [reviewer] = await harness.attempts('_review-one');
      assert.notEqual(author?.agentId, reviewer?.agentId);
      const [evidence] = (await harness.task('one')).gates ?? [];
      assert.equal(evidence?.passed, true);
      assert.equal(evidence?.judge, reviewer?.agentId);
      assert.equal(evidence?.output, '- minor a.txt:3: a typo');
      const {task} =
        harness.fleet.agents
          .get(reviewer?.agentId ?? '')
          ?.assigned.find(one => one.taskId === '_review-one') ?? {};
      assert.match(
        task?.work.kind === 'prompt' ? task.work.prompt : '',
        /task "one"[\s\S]*It was asked:\ndo it[\s\S]*done/,
      );
    });

    it('waits and says so while only the author is there', async () => {
      await harness.fleet.add({id: 'a-1', slots: 4, work: reviewing(verdict(true))});
      await harness.start(planOf([{id: 'one', gates: [review()]}]));
      const waits = await harness.until(
        () => harness.task('_review-one').catch(() => undefined),
        record => record?.waitingFor !== undefined,
      );
      assert.match(waits?.waitingFor?.message ?? '', /affinity/);
      assert.equal((await harness.task('one')).state, 'verifying');
      await harness.fleet.add({id: 'a-2', work: reviewing(verdict(true))});
      assert.equal((await harness.untilEnded()).state, 'succeeded');
    });

    it('that finds something starts the task again with the findings, and is done anew', async () => {
      let reviews = 0;
      const judge: Work = (assign, agent) => {
        reviews += 1;
        return verdict(reviews > 1, [{severity: 'major', message: 'it does not greet'}])(assign, agent);
      };
      for (const id of ['a-1', 'a-2']) await harness.fleet.add({id, slots: 2, work: reviewing(judge)});
      await harness.start(planOf([{id: 'one', gates: [review('retry')]}]));
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal((await harness.attempts('one')).length, 2);
      assert.equal((await harness.attempts('_review-one')).length, 2);
      const second = [...harness.fleet.agents.values()]
        .flatMap(agent => agent.assigned)
        .find(one => one.attemptId === 's-1.one.2');
      assert.match(second?.previous?.gates[0]?.output ?? '', /it does not greet/);
    });

    it('without a verdict is no review', async () => {
      for (const id of ['a-1', 'a-2']) await harness.fleet.add({id, work: reviewing(() => done)});
      await harness.start(planOf([{id: 'one', gates: [review()]}]));
      await harness.untilEnded();
      const {state, gates} = await harness.task('one');
      assert.equal(state, 'failed');
      assert.equal(gates?.[0]?.error, 'the reviewer left no verdict');
    });

    it('leaves the slot of the author to others, so that two agents may review each other', async () => {
      for (const id of ['a-1', 'a-2']) await harness.fleet.add({id, work: reviewing(verdict(true))});
      await harness.start(planOf(['one', 'two'].map(id => ({id, gates: [review()]}))));
      assert.equal((await harness.untilEnded()).state, 'succeeded');
    });

    it('may spend what its author has left, though the author had been allotted all there is', async () => {
      const spend: Work = async (assign, agent) => {
        await agent.spend(assign, 0.25);
        return done;
      };
      for (const id of ['a-1', 'a-2']) await harness.fleet.add({id, work: reviewing(verdict(true), spend)});
      const tasks = [{id: 'one', work: promptWork, gates: [review()]}];
      await harness.start(planOf(tasks, {budgetUsd: 1, agents: 1}));
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal((await harness.attempts('one'))[0]?.budgetUsd, 1);
      assert.ok(((await harness.attempts('_review-one'))[0]?.budgetUsd ?? 0) > 0);
    });

    it('goes on under another lead, and needs neither the author nor a second review', async () => {
      const reviewed = deferred<void>();
      const release = deferred<void>();
      const work = reviewing(async () => {
        reviewed.resolve();
        await release.promise;
        return verdict(true)({} as never, {} as never);
      });
      for (const id of ['a-1', 'a-2']) await harness.fleet.add({id, work});
      await harness.start(planOf([{id: 'one', gates: [review()]}]));
      await reviewed.promise;
      const [author] = await harness.attempts('one');
      await harness.fleet.agents.get(author?.agentId ?? '')?.vanish();
      await harness.changeLead();
      release.resolve();
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal((await harness.attempts('one')).length, 1);
      assert.equal((await harness.attempts('_review-one')).length, 1);
    });

    it('ends with the session', async () => {
      const reviewed = deferred<void>();
      const work = reviewing(() => {
        reviewed.resolve();
        return undefined;
      });
      for (const id of ['a-1', 'a-2']) await harness.fleet.add({id, work});
      await harness.start(planOf([{id: 'one', gates: [review()]}]));
      await reviewed.promise;
      await harness.lead.endSession({sessionId: 's-1', mode: 'cancel'}, client);
      assert.equal((await harness.untilEnded()).state, 'cancelled');
      assert.equal((await harness.task('_review-one')).state, 'cancelled');
    });
  });

  describe('an approval', () => {
    const plan = (gate: QualityGateConfig) =>
      planOf([
        {id: 'one', gates: [gate]},
        {id: 'two', dependsOn: ['one']},
      ]);

    it('asks a person with what was changed, and keeps who answered', async () => {
      await harness.fleet.add({id: 'a-1'});
      await harness.start(plan(approval()));
      const asked = await question(waiting);
      assert.deepEqual(asked.request, {
        kind: 'decision',
        subject: 'gate',
        message: 'ship it?',
        gate: 'sign-off',
        summary: 'done',
        change: {files: 1, summary: 'changed a.txt'},
      });
      await answer(asked, 'allow');
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      const [evidence] = (await harness.task('one')).gates ?? [];
      assert.deepEqual(evidence, {
        gate: 'sign-off',
        type: 'approval',
        passed: true,
        exitCode: null,
        output: '',
        durationMs: 5,
        judge: client.id,
      });
    });

    it('that is refused fails the task with the words of the person, or starts it again with them', async () => {
      await harness.fleet.add({id: 'a-1'});
      await harness.start(plan(approval({onFailure: 'retry'})));
      await answer(await question(waiting), 'deny', 'say please');
      const again = await question(record => waiting(record) && record.attemptId === 's-1.one.2');
      await answer(again, 'deny', 'still not');
      const session = await harness.untilEnded();
      assert.equal(session.state, 'failed');
      assert.match(session.failure ?? '', /still not/);
      const second = harness.fleet.agents.get('a-1')?.assigned.find(one => one.attemptId === 's-1.one.2');
      assert.equal(second?.previous?.gates[0]?.output, 'say please');
    });

    it('is asked once and waits, whoever leads and whatever becomes of the agent', async () => {
      const agent = await harness.fleet.add({id: 'a-1'});
      await harness.start(plan(approval()));
      const asked = await question(waiting);
      await agent.vanish();
      await harness.changeLead();
      await harness.lead.stop();
      // Nobody leads when the person answers.
      await answer(asked, 'allow');
      harness.lead = harness.newLead();
      harness.lead.start();
      await harness.untilTask('one', ({state}) => state === 'succeeded');
      assert.equal((await harness.attempts('one')).length, 1);
      assert.equal(
        (await readRecords(harness.store, ApprovalRecord, keys.approvals('s-1'))).records.length,
        1,
      );
    });

    it('that nobody answers in time counts as a no', async () => {
      await harness.fleet.add({id: 'a-1'});
      await harness.start(plan(approval({timeoutMs: 50})));
      await harness.untilEnded();
      const {state, gates} = await harness.task('one');
      assert.equal(state, 'failed');
      assert.match(gates?.[0]?.output ?? '', /nobody answered within/);
      assert.equal((await question(() => true)).state.kind, 'withdrawn');
    });

    it('is withdrawn when a person waives it', async () => {
      await harness.fleet.add({id: 'a-1'});
      await harness.start(plan(approval()));
      await question(waiting);
      await harness.lead.controlSession(
        {sessionId: 's-1', action: {kind: 'waiveGate', taskId: 'one', gate: 'sign-off', reason: 'seen'}},
        client,
      );
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      await question(({state}) => state.kind === 'withdrawn');
    });
  });
});
