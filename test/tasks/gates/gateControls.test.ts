/** What people do about gates: rerun them where the work was done, or waive them; over changes of the lead too. */
import assert from 'node:assert/strict';
import type {GateEvidence, QualityGateConfig} from '../../../coordinator/protocol/gate.ts';
import {RefRecord} from '../../../coordinator/protocol/model/facts.ts';
import type {TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import {readRecord} from '../../../coordinator/store/records.ts';
import {eventually} from '../../fixtures/eventually.ts';
import {done, failing, keys, passed, type Work} from '../fakeFleet.ts';
import {client, Harness, planOf} from '../leadHarness.ts';

const hang = (): undefined => undefined;
const once = {max: 0, backoffMs: 0, maxBackoffMs: 0};
const gate = (name: string, onFailure: 'fail' | 'retry' = 'fail'): QualityGateConfig => ({
  name,
  type: 'command',
  command: `check ${name}`,
  onFailure,
  timeoutMs: 60_000,
});
const red = ({name}: QualityGateConfig): GateEvidence => ({
  gate: name,
  passed: false,
  exitCode: 1,
  output: `${name} is red`,
  durationMs: 1,
});
const commit = 'a'.repeat(40);
const committing: Work = () => ({outcome: 'succeeded', result: {summary: 'written', commit}});

describe('Controls of gates', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  describe('rerun of gates', () => {
    const plan = (more: Partial<TaskSpecification> = {}) =>
      planOf([
        {id: 'one', gates: [gate('lint'), gate('tests')], ...more},
        {id: 'two', dependsOn: ['one']},
      ]);

    it('checks the kept worktree again and takes the result of the earlier attempt', async () => {
      let healthy = false;
      const agent = await harness.fleet.add({
        id: 'a-1',
        work: committing,
        gate: config => (config.name === 'tests' && !healthy ? red(config) : passed(config)),
      });
      await harness.fleet.add({
        id: 'a-2',
        slots: 4,
        work: committing,
        gate: red,
        metadata: {rehearsal: true},
      });
      await harness.start(plan());
      assert.equal((await harness.untilEnded()).state, 'failed');
      await harness.control({kind: 'rerunGates', taskId: 'one'});
      await harness.untilTask('one', task => task.attempts === 2 && task.state === 'failed');
      assert.equal((await harness.untilEnded()).state, 'failed');
      healthy = true;
      assert.equal((await harness.control({kind: 'rerunGates', taskId: 'one'})).state, 'running');
      const ended = await harness.untilEnded();
      assert.deepEqual([ended.state, ended.counts.succeeded, ended.failure], ['succeeded', 2, undefined]);
      assert.deepEqual(
        agent.assigned.map(({attemptId, recheck}) => [attemptId, recheck?.attemptId, recheck?.result.commit]),
        [
          ['s-1.one.1', undefined, undefined],
          ['s-1.one.2', 's-1.one.1', commit],
          ['s-1.one.3', 's-1.one.1', commit],
          ['s-1.two.1', undefined, undefined],
        ],
      );
      const task = await harness.task('one');
      assert.deepEqual([task.result?.commit, task.recheck, task.retries], [commit, undefined, 0]);
      assert.deepEqual(
        task.gates?.map(one => one.passed),
        [true, true],
      );
      const ref = await readRecord(harness.store, RefRecord, keys.ref('s-1', 'one'));
      assert.equal(ref?.value.attemptId, 's-1.one.3');
      assert.equal(harness.auditedAs('session.rerunGates').length, 2);
    });

    it('is not turned into a run of the work by a lost agent or a change of the lead', async () => {
      let healthy = false;
      const agent = await harness.fleet.add({
        id: 'a-1',
        work: committing,
        gate: config => (healthy ? passed(config) : red(config)),
      });
      const other = await harness.fleet.add({id: 'a-2', slots: 4});
      await other.register({draining: true});
      await harness.start(plan({onLost: 'fail'}));
      await harness.untilEnded();
      await agent.register({draining: true});
      await other.register();
      await harness.control({kind: 'rerunGates', taskId: 'one'});
      await harness.untilTask('one', task => /takes new work/.test(task.waitingFor?.message ?? ''));
      await harness.changeLead();
      // Asked for again, since the answer was lost.
      await harness.control({kind: 'rerunGates', taskId: 'one'});
      healthy = true;
      agent.refuses = 'stopped';
      agent.incarnation = 'a-1-second';
      await agent.register();
      await harness.untilTask('one', task => task.attempts === 2);
      agent.refuses = undefined;
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.deepEqual(
        [...agent.assigned, ...other.assigned]
          .filter(({taskId}) => taskId === 'one')
          .map(({recheck}) => recheck?.attemptId),
        [undefined, 's-1.one.1'],
      );
    });

    it('says when the worktree is gone or its agent away, and changes nothing', async () => {
      const agent = await harness.fleet.add({id: 'a-1', gate: red});
      await harness.start(plan());
      await harness.untilEnded();
      agent.hasWorktrees = false;
      const before = await harness.task('one');
      await harness.refuses(
        {kind: 'rerunGates', taskId: 'one'},
        'notFound',
        /agent a-1 does not have the worktree of attempt s-1\.one\.1 any more.*retry task one/,
      );
      await agent.vanish();
      await eventually(async () => {
        const status = harness.lead.status();
        assert.equal(status.kind === 'leading' && status.agentsOnline, 0);
      });
      await harness.refuses({kind: 'rerunGates', taskId: 'one'}, 'agentDisconnected', /is not connected/);
      assert.deepEqual(await harness.task('one'), before);
      assert.deepEqual(
        [(await harness.session()).state, (await harness.task('two')).state],
        ['failed', 'cancelled'],
      );
    });

    it('is for gates that failed, not for work that failed', async () => {
      await harness.fleet.add({id: 'a-1', work: () => failing('exit')});
      await harness.start(plan({retry: once}));
      await harness.untilEnded();
      await harness.refuses(
        {kind: 'rerunGates', taskId: 'one'},
        'conflict',
        /did not fail by a gate \(exit\)/,
      );
      await harness.refuses({kind: 'rerunGates', taskId: 'two'}, 'conflict', /is cancelled/);
    });

    it('begins anew with a gate that is stuck', async () => {
      let asked = 0;
      const stuck = deferred<GateEvidence>();
      await harness.fleet.add({
        id: 'a-1',
        gate: config => {
          asked += 1;
          return asked === 2 ? stuck.promise : passed(config);
        },
      });
      await harness.start(plan());
      await eventually(async () => assert.equal(asked, 2));
      await harness.control({kind: 'rerunGates', taskId: 'one'});
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal((await harness.task('one')).attempts, 1);
      stuck.resolve(red(gate('tests')));
    });
  });

  describe('waiver of gates', () => {
    it('takes the result of a task that failed by its gates, with who said so and why', async () => {
      const agent = await harness.fleet.add({id: 'a-1', work: committing, gate: red});
      await harness.start(
        planOf([
          {id: 'one', gates: [gate('lint'), gate('tests')]},
          {id: 'two', dependsOn: ['one']},
        ]),
      );
      assert.equal((await harness.untilEnded()).state, 'failed');
      await harness.refuses(
        {kind: 'waiveGate', taskId: 'one', gate: 'lint', reason: 'flaky'},
        'conflict',
        /behind gate "lint" .* have not passed either: tests/,
      );
      await harness.refuses(
        {kind: 'waiveGate', taskId: 'one', gate: 'nine', reason: 'flaky'},
        'conflict',
        /has no gate "nine"; its gates are lint, tests/,
      );
      const action = {kind: 'waiveGate', taskId: 'one', reason: 'the linter is wrong'} as const;
      assert.equal((await harness.control(action)).state, 'running');
      const ended = await harness.untilEnded();
      assert.deepEqual([ended.state, ended.counts.succeeded, ended.failure], ['succeeded', 2, undefined]);
      const task = await harness.task('one');
      assert.deepEqual([task.result?.commit, task.failure, task.attempts], [commit, undefined, 1]);
      assert.deepEqual(
        task.gates?.map(({gate: name, passed: isPassed, output, waived}) => [
          name,
          isPassed,
          output,
          waived?.reason,
          waived?.by,
        ]),
        [
          ['lint', false, 'lint is red', 'the linter is wrong', client.id],
          ['tests', false, '', 'the linter is wrong', client.id],
        ],
      );
      assert.deepEqual(harness.auditedAs('session.waiveGate'), [[client.id, action]]);
      const ref = await readRecord(harness.store, RefRecord, keys.ref('s-1', 'one'));
      assert.deepEqual([ref?.value.commit, ref?.value.attemptId], [commit, 's-1.one.1']);
      assert.deepEqual(
        agent.assigned.map(({attemptId}) => attemptId),
        ['s-1.one.1', 's-1.two.1'],
      );
    });

    it('in a running session lets what was held back go on', async () => {
      const agent = await harness.fleet.add({
        id: 'a-1',
        slots: 2,
        work: ({taskId}) => (taskId === 'slow' ? undefined : done),
        gate: red,
      });
      await harness.start(
        planOf([{id: 'slow'}, {id: 'one', gates: [gate('lint')]}, {id: 'two', dependsOn: ['one']}]),
      );
      await harness.untilTask('two', task => task.state === 'cancelled');
      await harness.control({kind: 'waiveGate', taskId: 'one', gate: 'lint', reason: 'flaky'});
      await harness.untilTask('two', task => task.state === 'succeeded');
      // Asked for again, since the answer was lost.
      await harness.control({kind: 'waiveGate', taskId: 'one', gate: 'lint', reason: 'flaky'});
      const slow = agent.assigned.find(({taskId}) => taskId === 'slow');
      assert.ok(slow);
      await agent.report(slow, done);
      assert.equal((await harness.untilEnded()).state, 'succeeded');
    });

    it("takes a merged result though the plan's gate failed on it", async () => {
      await harness.fleet.add({id: 'a-1', gate: red});
      await harness.start(planOf([{id: 'one'}], {gates: [gate('build')]}));
      assert.equal((await harness.untilEnded()).state, 'failed');
      await harness.control({kind: 'waiveGate', taskId: '_result', reason: 'known'});
      assert.equal((await harness.untilEnded()).state, 'succeeded');
    });

    it('of a gate that is stuck lets the others run, over a change of the lead', async () => {
      const stuck = deferred<GateEvidence>();
      const asked: string[] = [];
      let hold = true;
      await harness.fleet.add({
        id: 'a-1',
        work: committing,
        gate: config => {
          asked.push(config.name);
          return config.name === 'slow' || (config.name === 'last' && hold) ? stuck.promise : passed(config);
        },
      });
      await harness.start(planOf([{id: 'one', gates: [gate('first'), gate('slow'), gate('last')]}]));
      const saw = (name: string) => eventually(async () => assert.ok(asked.includes(name), name));
      await saw('slow');
      await harness.control({kind: 'waiveGate', taskId: 'one', gate: 'slow', reason: 'it hangs'});
      await saw('last');
      await harness.changeLead();
      hold = false;
      await harness.control({kind: 'rerunGates', taskId: 'one'});
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      const task = await harness.task('one');
      assert.deepEqual(
        task.gates?.map(one => [one.gate, one.passed, one.waived?.reason]),
        [
          ['first', true, undefined],
          ['slow', false, 'it hangs'],
          ['last', true, undefined],
        ],
      );
      assert.equal(task.waived, undefined);
      assert.equal(asked.filter(name => name === 'slow').length, 1);
    });

    it('is refused without a failed gate', async () => {
      const agent = await harness.fleet.add({id: 'a-1', work: hang});
      await harness.start(planOf([{id: 'one', gates: [gate('lint')]}]));
      await harness.fleet.until(() => agent.assigned.length === 1);
      await harness.refuses(
        {kind: 'waiveGate', taskId: 'one', reason: 'impatient'},
        'conflict',
        /no gate of it runs, and none has failed/,
      );
    });
  });
});
