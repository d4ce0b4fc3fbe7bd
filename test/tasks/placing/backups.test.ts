/** Backups of stragglers: both attempts run, the first accepted completion counts, and whatever becomes of one leaves the other at work. */
import assert from 'node:assert/strict';
import {AttemptEffects} from '../../../coordinator/effects/attemptEffects.ts';
import {Fences} from '../../../coordinator/effects/fences.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import type {TaskAssign} from '../../../coordinator/protocol/commands/attempt.ts';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {DEFAULT_TENANT} from '../../../coordinator/protocol/ids.ts';
import type {AttemptReport} from '../../../coordinator/protocol/model/attempt.ts';
import type {TaskRecord} from '../../../coordinator/protocol/model/task.ts';
import {NO_USAGE} from '../../../coordinator/protocol/usage.ts';
import {delay, systemClock} from '../../../coordinator/runtime/clock.ts';
import type {Principal} from '../../../coordinator/security/principal.ts';
import {done, type FakeAgent, failing, keys, type Work} from '../fakeFleet.ts';
import {client, Harness, planOf, promptWork} from '../leadHarness.ts';

type Task = Parameters<typeof planOf>[0][number];

const hang: Work = () => undefined;
/** Far more than its estimate. */
const LONG_MS = 30_000;

const late = (patch: Partial<Task> = {}): Task => ({id: 'one', estimateMs: 1000, speculate: true, ...patch});

describe('Backups of stragglers', function () {
  this.timeout(60_000);
  let harness: Harness;
  let fences: Fences;
  let effects: AttemptEffects;
  let first: FakeAgent;
  let second: FakeAgent;

  beforeEach(async () => {
    harness = await Harness.open();
    const {store} = harness;
    fences = new Fences({store, tenant: DEFAULT_TENANT, clock: systemClock, logger: silentLogger});
    effects = new AttemptEffects({fences, clock: systemClock, logger: silentLogger});
  });
  afterEach(async () => {
    fences.dispose();
    await harness.close();
  });

  /** One task that `a-1` has for far too long, with `a-2` idle. */
  async function straggling(task: Task, rest: Parameters<typeof planOf>[1] = {}): Promise<void> {
    first = await harness.fleet.add({id: 'a-1', work: hang});
    await harness.start(planOf([task], rest));
    await harness.fleet.until(() => first.assigned.length === 1);
    second = await harness.fleet.add({id: 'a-2', work: hang});
    await harness.untilTask('one', ({state}) => state === 'running');
  }

  /** Time passes, a look of the scheduler at a time. */
  async function timePasses(until: () => boolean, looks = 200): Promise<boolean> {
    for (let look = 0; look < looks && !until(); look += 1) {
      harness.clock.jump(LONG_MS);
      await delay(systemClock, 20);
    }
    return until();
  }

  /** As `straggling`, until its backup runs on `a-2`. */
  async function doubled(task: Task, rest: Parameters<typeof planOf>[1] = {}): Promise<TaskRecord> {
    await straggling(task, rest);
    assert.ok(await timePasses(() => second.assigned.length === 1), 'no backup began');
    return harness.untilTask('one', ({backupAttempt}) => backupAttempt !== undefined);
  }

  const assigned = (agent: FakeAgent): TaskAssign => {
    const assign = agent.assigned.at(-1);
    assert.ok(assign);
    return assign;
  };
  const principalOf = (agent: FakeAgent): Principal => ({
    id: `agent:${agent.id}`,
    tenant: DEFAULT_TENANT,
    role: 'agent',
    agentId: agent.id,
  });

  /** Its completion, as the coordinator takes it; false when it is refused as stale. */
  async function completes(agent: FakeAgent, report: AttemptReport = done, costUsd = 0): Promise<boolean> {
    const {attemptId, fence} = assigned(agent);
    const usage = {...NO_USAGE, costUsd};
    try {
      await effects.complete(
        {attemptId, fence, report, usage, startedAt: 1, endedAt: 2, activeMs: 1},
        principalOf(agent),
      );
      return true;
    } catch (error) {
      if (isProtocolError(error, 'staleFence')) return false;
      throw error;
    }
  }

  const outcomes = async (): Promise<unknown[]> =>
    (await harness.attempts('one')).map(({agentId, outcome}) => [agentId, outcome]);

  it('begins one beside the attempt that takes too long, and says why', async () => {
    const task = await doubled(late());
    assert.deepEqual(
      [task.state, task.currentAttempt, task.backupAttempt, task.attempts],
      ['running', 's-1.one.1', 's-1.one.2', 2],
    );
    const [straggler, backup] = await harness.attempts('one');
    assert.equal(straggler?.rival, 's-1.one.2');
    assert.equal(backup?.backupOf?.attemptId, 's-1.one.1');
    assert.ok(backup.backupOf.elapsedMs > 2 * backup.backupOf.expectedMs, JSON.stringify(backup.backupOf));
    assert.deepEqual([backup.backup, assigned(second).backup], [true, true]);
  });

  it('takes the completion of the backup when that is first, and refuses the other', async () => {
    await doubled(late());
    assert.equal(await completes(second), true);
    assert.equal(await completes(first), false);
    const session = await harness.untilEnded();
    assert.equal(session.state, 'succeeded');
    assert.deepEqual(session.speculation, {begun: 1, won: 1, spentUsd: 0});
    assert.deepEqual(await outcomes(), [
      ['a-1', 'cancelled'],
      ['a-2', 'succeeded'],
    ]);
    const [loser] = await harness.attempts('one');
    assert.match(loser?.failure?.message ?? '', /attempt 2 on a-2 was done first/);
    assert.equal(loser?.refused, 1);
    const task = await harness.task('one');
    assert.deepEqual([task.retries, task.losses, task.lastAttempt], [0, 0, 's-1.one.2']);
    await harness.fleet.until(() => first.cancelled.length === 1);
  });

  it('takes the completion of the first attempt when that is first, and ends its backup', async () => {
    const check = {name: 'check', type: 'command', command: 'x', onFailure: 'fail', timeoutMs: 5000} as const;
    await doubled(late({gates: [check]}));
    assert.equal(await completes(first), true);
    assert.equal(await completes(second), false);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.deepEqual(await outcomes(), [
      ['a-1', 'succeeded'],
      ['a-2', 'cancelled'],
    ]);
    assert.equal((await harness.task('one')).lastAttempt, 's-1.one.1');
    assert.deepEqual((await harness.session()).speculation, {begun: 1, won: 0, spentUsd: 0});
  });

  it('accepts exactly one of two completions that come together', async () => {
    await doubled(late());
    const taken = await Promise.all([completes(first), completes(second)]);
    assert.deepEqual(taken.sort(), [false, true]);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    const won = (await harness.attempts('one')).filter(({outcome}) => outcome === 'succeeded');
    assert.equal(won.length, 1);
    assert.equal(won[0]?.report?.outcome, 'succeeded');
  });

  it('lets the backup go on when the first attempt is lost, at the cost of nothing', async () => {
    await doubled(late());
    await first.vanish();
    const task = await harness.untilTask('one', ({backupAttempt}) => backupAttempt === undefined);
    assert.deepEqual(
      [task.currentAttempt, task.losses, task.retries, task.state],
      ['s-1.one.2', 0, 0, 'running'],
    );
    assert.equal((await harness.attempts('one'))[1]?.backup, undefined);
    assert.equal(await completes(second), true);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
  });

  it('lets the first attempt go on when the backup is lost, and begins another', async () => {
    await doubled(late());
    await second.vanish();
    const task = await harness.untilTask('one', ({backupAttempt}) => backupAttempt === undefined);
    assert.deepEqual([task.currentAttempt, task.losses, task.retries], ['s-1.one.1', 0, 0]);
    const third = await harness.fleet.add({id: 'a-3', work: hang});
    assert.ok(await timePasses(() => third.assigned.length === 1), 'no other backup began');
    assert.equal(await completes(third), true);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
  });

  it('spends no retry when one of both fails, and one when the last does', async () => {
    await doubled(late({retry: {max: 0, backoffMs: 1, maxBackoffMs: 1}}));
    assert.equal(await completes(first, failing('exit')), true);
    const task = await harness.untilTask('one', ({currentAttempt}) => currentAttempt === 's-1.one.2');
    assert.deepEqual([task.retries, task.state], [0, 'running']);
    assert.equal(await completes(second, failing('exit', 'it failed again')), true);
    assert.equal((await harness.untilEnded()).state, 'failed');
    assert.equal((await harness.task('one')).failure?.message, 'it failed again');
  });

  it('keeps both when another lead takes over', async () => {
    await doubled(late());
    await harness.lead.stop();
    harness.lead = harness.newLead('c-2');
    harness.lead.start();
    await harness.until(
      async () => harness.lead.status(),
      status => status.kind === 'leading' && status.attempts === 2,
      '',
      '',
    );
    assert.equal(await completes(second), true);
    const session = await harness.untilEnded();
    assert.equal(session.state, 'succeeded');
    assert.deepEqual(session.speculation, {begun: 1, won: 1, spentUsd: 0});
    assert.deepEqual(await outcomes(), [
      ['a-1', 'cancelled'],
      ['a-2', 'succeeded'],
    ]);
  });

  it('ends both with the session, and moves neither beyond a new attempt when a person moves the task', async () => {
    await doubled(late());
    await harness.lead.controlSession(
      {sessionId: 's-1', action: {kind: 'reassignTask', taskId: 'one', agentId: 'a-2'}},
      client,
    );
    await harness.fleet.until(() => second.assigned.length === 2);
    assert.deepEqual(await outcomes(), [
      ['a-1', 'cancelled'],
      ['a-2', 'cancelled'],
      ['a-2', undefined],
    ]);
    assert.equal(await completes(first), false);
    await harness.lead.endSession({sessionId: 's-1', mode: 'cancel'}, client);
    assert.equal((await harness.untilEnded()).state, 'cancelled');
    assert.deepEqual((await outcomes()).at(-1), ['a-2', 'cancelled']);
    const lives = await harness.store.range(keys.lives);
    assert.equal(lives.kvs.length, 0);
  });

  it('takes the first completion while the session is paused', async () => {
    await doubled(late());
    await harness.lead.controlSession({sessionId: 's-1', action: {kind: 'pause'}}, client);
    assert.equal(await completes(second), true);
    await harness.untilTask('one', ({state}) => state === 'succeeded');
    assert.equal(await completes(first), false);
  });

  it('ends both when the session is rolled back', async () => {
    await doubled(late());
    await harness.lead.endSession({sessionId: 's-1', mode: 'rollback'}, client);
    assert.equal((await harness.untilEnded()).state, 'rolledBack');
    assert.deepEqual(await outcomes(), [
      ['a-1', 'cancelled'],
      ['a-2', 'cancelled'],
    ]);
    assert.deepEqual([await completes(first), await completes(second)], [false, false]);
  });

  it('judges the result of the backup where it was made, and tries again when a gate fails', async () => {
    const check = {
      name: 'check',
      type: 'command',
      command: 'x',
      onFailure: 'retry',
      timeoutMs: 5000,
    } as const;
    await doubled(late({gates: [check]}));
    const judged: string[] = [];
    second.gate = (gate, attemptId) => {
      judged.push(attemptId);
      const passed = judged.length > 1;
      return {gate: gate.name, passed, exitCode: passed ? 0 : 1, output: '', durationMs: 1};
    };
    first.gate = second.gate;
    first.work = () => done;
    second.work = first.work;
    assert.equal(await completes(second), true);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.equal(judged[0], 's-1.one.2');
    const task = await harness.task('one');
    assert.deepEqual([task.retries, task.attempts, task.lastAttempt], [1, 3, 's-1.one.3']);
  });

  it('lets a backup claim the fence before it completes, and write nothing before', async () => {
    await doubled(late());
    const {attemptId, fence} = assigned(second);
    const ref = {attemptId, fence, name: 'one', commit: 'a'.repeat(40)};
    await assert.rejects(effects.updateRef(ref, principalOf(second)), /runs beside s-1\.one\.1/);
    await effects.claim({attemptId, fence}, principalOf(second));
    await effects.claim({attemptId, fence}, principalOf(second));
    await effects.updateRef(ref, principalOf(second));
    assert.equal(await completes(first), false);
    await harness.untilTask('one', ({currentAttempt}) => currentAttempt === attemptId);
    assert.equal(await completes(second), true);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
  });

  it('begins none for prompts without a budget, nor for what must not run twice', async () => {
    for (const task of [late({work: promptWork}), late({onLost: 'fail'}), late({speculate: false})]) {
      await straggling(task);
      assert.equal(await timePasses(() => second.assigned.length > 0, 10), false, JSON.stringify(task));
      await harness.close();
      harness = await Harness.open();
    }
  });

  it('keeps half of the budget of a prompt for its backup, and shows what that spent', async () => {
    await doubled(late({work: promptWork, budgetUsd: 2}));
    assert.deepEqual([assigned(first).budgetUsd, assigned(second).budgetUsd], [1, 1]);
    assert.equal(await completes(second, done, 0.75), true);
    const session = await harness.untilEnded();
    assert.deepEqual(session.speculation, {begun: 1, won: 1, spentUsd: 0.75});
    assert.equal(session.spentUsd, 0.75);
    assert.equal((await harness.task('one')).usage.costUsd, 0.75);
  });
});
