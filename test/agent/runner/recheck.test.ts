/** Gates that run once more, in the worktree that an earlier attempt left. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import type {Agent} from '../../../coordinator/agent/agent.ts';
import type {Params} from '../../../coordinator/protocol/commands/table.ts';
import {type Assign, assignment, run} from '../agentFixture.ts';
import {until} from '../supervisor/support.ts';
import {GitHub} from './gitHub.ts';

const check = {
  name: 'check',
  type: 'command',
  command: 'echo $COLOUR $MCPX_ATTEMPT_ID >> ignored/seen.txt; cat result.txt ignored/seen.txt',
  onFailure: 'fail',
  timeoutMs: 10_000,
} as const;

describe('gates that run once more', function () {
  this.timeout(60_000);
  let git: GitHub;
  let agent: Agent;
  let workspace: Assign['workspace'];
  beforeEach(async () => {
    git = await GitHub.open();
    agent = await git.start();
    git.hub.answers['mcpx.orchestrate.task.complete'] = params => {
      git.hub.completed.set(params.attemptId, params);
      return {accepted: true, gates: params.report.outcome === 'succeeded'};
    };
    workspace = await git.workspace({'.gitignore': 'ignored/\n'});
  });
  afterEach(() => git.close());

  const work = (number: number, recheck?: Assign['recheck']): Assign =>
    assignment('work', run('echo ran >> result.txt; mkdir ignored; echo kept > ignored/seen.txt'), {
      number,
      workspace,
      recheck,
      task: {gates: [check], env: {COLOUR: 'blue'}},
    });

  async function report(assign: Assign): Promise<Params<'mcpx.orchestrate.task.complete'>['report']> {
    assert.equal((await git.hub.send('mcpx.orchestrate.task.assign', assign)).kind, 'accepted');
    return (await git.hub.completion(assign.attemptId)).report;
  }

  async function output({attemptId, fence}: Assign): Promise<string> {
    await until('it waits for its gates', () => agent.attempts.get(attemptId)?.state.kind === 'gated');
    const params = {attemptId, fence, gate: check, env: {}};
    const {evidence} = await git.hub.send('mcpx.coordinate.quality.gate', params);
    assert.equal(evidence.error, undefined);
    return evidence.output;
  }

  const release = (attemptId: string, keep: boolean) =>
    git.hub.send('mcpx.attempt.release', {attemptId, keep});

  /** An attempt whose gates have run and whose worktree is kept: what its next one is told. */
  async function kept(): Promise<NonNullable<Assign['recheck']>> {
    const first = work(1);
    const {attemptId} = first;
    const reported = await report(first);
    assert.ok(reported.outcome === 'succeeded');
    assert.equal(await output(first), `ran\nkept\nblue ${attemptId}\n`);
    assert.deepEqual(await release(attemptId, true), {kept: true});
    return {attemptId, result: reported.result};
  }

  it('find everything that the work left, and report what it reported', async () => {
    const recheck = await kept();
    const second = work(2, recheck);
    assert.deepEqual(await report(second), {outcome: 'succeeded', result: recheck.result});
    assert.equal(
      await output(second),
      `ran\nkept\nblue ${recheck.attemptId}\nblue ${second.attemptId}\n`,
      'the work did not run again',
    );
    assert(!existsSync(git.attemptFolder(second.attemptId)));
    assert.deepEqual(await release(second.attemptId, true), {kept: true});
    assert(existsSync(git.attemptFolder(recheck.attemptId)));
    const third = work(3, recheck);
    assert.equal((await report(third)).outcome, 'succeeded');
    assert.match(await output(third), /work\.3\n$/);
    assert.deepEqual(await release(third.attemptId, false), {kept: false});
    assert(!existsSync(git.attemptFolder(recheck.attemptId)));
  });

  it('find it after the agent was started anew, and leave it when they lose their fence', async () => {
    const recheck = await kept();
    await agent.stop('restart', {now: true});
    agent = await git.start();
    const second = work(2, recheck);
    assert.equal((await report(second)).outcome, 'succeeded');
    await until('it waits for its gates', () => agent.attempts.get(second.attemptId)?.state.kind === 'gated');
    git.hub.stale = [second.attemptId];
    git.hub.cut();
    await until('it is over', () => agent.attempts.get(second.attemptId) === undefined);
    const seen = path.join(git.attemptFolder(recheck.attemptId), 'worktree/ignored/seen.txt');
    assert.match(readFileSync(seen, 'utf8'), /^kept\n/);
  });

  it('fail with what to do when the worktree is gone', async () => {
    const recheck = await kept();
    assert.deepEqual(await release(recheck.attemptId, false), {kept: false});
    assert.deepEqual(await release(recheck.attemptId, true), {kept: false});
    const gone = await report(work(2, recheck));
    assert.ok(gone.outcome === 'failed');
    assert.equal(gone.failure.kind, 'workspace');
    assert.match(gone.failure.message, /the worktree of attempt s-1\.work\.1 is gone.*retry the task/);
  });

  it('find the folder of an attempt without a repository', async () => {
    workspace = {kind: 'none'};
    const recheck = await kept();
    const second = work(2, recheck);
    assert.equal((await report(second)).outcome, 'succeeded');
    assert.match(await output(second), /^ran\nkept\n/);
  });
});
