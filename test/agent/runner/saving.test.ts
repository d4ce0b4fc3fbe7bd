/** Between the end of the work and its report: no limit and no absence of the coordinator costs what was done. */
import assert from 'node:assert/strict';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import {assignment, run} from '../agentFixture.ts';
import {until} from '../supervisor/support.ts';
import {GitHub} from './gitHub.ts';

describe('result of an attempt', function () {
  this.timeout(40_000);
  let git: GitHub;

  beforeEach(async () => {
    git = await GitHub.open();
  });
  afterEach(() => git.close());

  /** Work that is done at once, whose ref the hub takes when `taken` resolves. */
  async function saving(task: {timeoutMs?: number; deadline?: number} = {}) {
    const taken = deferred<void>();
    git.hub.answers['mcpx.ref.update'] = async () => {
      await taken.promise;
      return {};
    };
    const workspace = await git.workspace();
    const agent = await git.start({settings: {clockTickMs: 20}});
    const assign = assignment('work', run('echo done > done.txt'), {workspace, task});
    await git.hub.send('mcpx.orchestrate.task.assign', assign);
    await until('it is saved', () => git.hub.of('mcpx.ref.update').length === 1);
    return {assign, taken, agent};
  }

  for (const [what, limit] of [
    ['timeout', () => ({timeoutMs: 400})],
    // Far enough for a loaded machine to have done the work by then.
    ['deadline', () => ({deadline: systemClock.wallNow() + 4000})],
  ] as const)
    it(`is not lost to a ${what} that passes while it is saved`, async () => {
      const late = systemClock.now() + 4500;
      const {assign, taken} = await saving(limit());
      await until('the limit has passed', () => systemClock.now() > late);
      taken.resolve();
      assert.equal((await git.hub.completion(assign.attemptId)).report.outcome, 'succeeded');
    });

  it('stands though a cancellation comes while it is saved', async () => {
    const {assign, taken} = await saving();
    await git.hub.send('mcpx.attempt.cancel', {attemptId: assign.attemptId, reason: 'late'});
    taken.resolve();
    assert.equal((await git.hub.completion(assign.attemptId)).report.outcome, 'succeeded');
  });

  it('is given up when the cancelled attempt is released too, and the attempt says so', async () => {
    const {assign} = await saving();
    const {attemptId} = assign;
    await git.hub.send('mcpx.attempt.cancel', {attemptId, reason: 'late'});
    await git.hub.send('mcpx.attempt.release', {attemptId, keep: false});
    assert.equal((await git.hub.completion(attemptId)).report.outcome, 'cancelled');
  });

  for (const [what, status, many] of [
    // The second is tried several times by a transfer itself.
    ['has no room', 507, 12],
    ['is out of order', 503, 60],
  ] as const)
    it(`waits for a coordinator that ${what}, however often it says so`, async () => {
      const workspace = await git.workspace();
      await git.start({settings: {retryMinMs: 5, retryMaxMs: 10}});
      let refusals = 0;
      git.trouble = (request, response) => {
        if (request.method !== 'PUT' || refusals >= many) return false;
        refusals++;
        request.resume();
        response.writeHead(status).end();
        return true;
      };
      const assign = assignment('work', run('echo done > done.txt'), {workspace});
      await git.hub.send('mcpx.orchestrate.task.assign', assign);
      const {report} = await git.hub.completion(assign.attemptId);
      assert.equal(report.outcome, 'succeeded');
      assert.equal(refusals, many);
      const notices = git.hub.events(assign.attemptId, 'notice').map(event => event.text);
      assert.equal(notices.filter(text => text.startsWith('the result waits here')).length, 1);
    });

  it('is begun from inputs that arrive after the coordinator was away', async () => {
    const workspace = await git.workspace();
    const agent = await git.start({settings: {retryMinMs: 5, retryMaxMs: 10}});
    let away = true;
    git.trouble = (_, response) => {
      if (away) response.destroy();
      return away;
    };
    const assign = assignment('work', run('cat a.txt'), {workspace});
    await git.hub.send('mcpx.orchestrate.task.assign', assign);
    await git.hub.until(
      'its inputs are named',
      () => git.hub.of('mcpx.coordinate.dependency.resolve').length > 0,
    );
    git.hub.cut({stayAway: true});
    await until('many tries have failed', () => !agent.link.isUp);
    const late = systemClock.now() + 1500;
    await until('it is away for long', () => systemClock.now() > late);
    away = false;
    git.hub.welcome();
    const {report} = await git.hub.completion(assign.attemptId);
    assert.equal(report.outcome, 'succeeded');
  });
});
