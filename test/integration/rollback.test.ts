/** Rollbacks with real agents and real git: compensations in worktrees of what they undo, through the command line, over the death of the coordinator. */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {Fleet} from '../support/fleet.ts';
import {createProject, git} from '../support/gitProject.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {BUNDLE} from '../support/verbProcess.ts';
import {type Ended, Running} from './person.ts';

const WAIT_MS = 120_000;

describe('rollbacks', function () {
  this.timeout(300_000);
  let fleet: Fleet;
  let project: string;
  let run: SessionRun;
  before(async () => {
    fleet = await Fleet.start();
    project = path.join(fleet.folder, 'project');
    createProject(project, {'README.md': 'Nothing yet.\n'});
    await fleet.startAgent({id: 'a-1', slots: 2});
    await fleet.whenOnline(['a-1']);
  });
  after(() => fleet?.close());
  afterEach(() => run?.dispose());

  function mcpx(...args: string[]): Promise<Ended> {
    const {url, token = ''} = fleet.endpoint;
    const {PATH = ''} = process.env;
    const home = path.join(fleet.folder, 'home');
    const env = {PATH, HOME: home, MCPX_HOME: home, MCPX_CONNECT: url, MCPX_TOKEN: token};
    const child = spawn(process.execPath, [BUNDLE, ...args], {env, stdio: ['ignore', 'pipe', 'pipe']});
    return new Running(child).ended;
  }

  const states = (): string[] =>
    ['base', 'page', '_result'].map(id => run.state.tasks.get(id)?.state ?? 'none');

  it('undo what is behind a point, are done again, and go on under the next coordinator', async () => {
    const [log, go] = [path.join(fleet.folder, 'log'), path.join(fleet.folder, 'go')];
    writeFileSync(log, '');
    const said = (): string[] => readFileSync(log, 'utf8').trim().split('\n');
    const plan = `name: undone
tasks:
  - id: base
    run: echo base > base.txt
    syncPoint: laid
    rollback: {compensate: 'ls *.txt >> ${log}; while [ ! -e ${go} ]; do sleep 0.05; done; echo "base of $MCPX_UNDONE_TASK" >> ${log}'}
  - id: page
    dependsOn: base
    run: echo page > page.txt
    rollback: {compensate: 'cat page.txt >> ${log}'}
`;
    run = await SessionRun.start(fleet, {plan, project});
    assert.equal((await run.ended(WAIT_MS)).state, 'succeeded');

    const back = await mcpx('rollback', 'last', '--to', 'laid', '--reason', 'too early');
    assert.equal(back.code, 0, `${back.stdout}${back.stderr}`);
    assert.match(
      back.stdout,
      /too early\nrolled back to the synchronisation point "laid": 2 tasks are undone/,
    );
    await run.until(
      ({session}) => session?.state === 'rolledBack' || undefined,
      WAIT_MS,
      'the first rollback',
    );
    assert.deepEqual(said(), ['page']);
    assert.deepEqual(states(), ['succeeded', 'rolledBack', 'rolledBack']);
    assert.equal(run.state.session?.result, undefined);

    assert.equal((await mcpx('sessions', 'resume', 'last', '--json')).code, 0);
    await run.until(
      ({session}) => session?.state === 'succeeded' || undefined,
      WAIT_MS,
      'the second success',
    );
    assert.equal(git(project, 'show', `${await run.fetchResult()}:page.txt`).trim(), 'page');

    await run.client.request('mcpx.orchestrate.session.end', {sessionId: run.id, mode: 'rollback'});
    await run.running('_undo-base', WAIT_MS);
    await fleet.coordinator.kill();
    await fleet.startCoordinator();
    assert.ok(!existsSync(go));
    writeFileSync(go, '');
    await run.until(
      ({session}) => session?.state === 'rolledBack' || undefined,
      WAIT_MS,
      'the end of the rollback',
    );
    assert.deepEqual(states(), ['rolledBack', 'rolledBack', 'rolledBack']);
    // Each where its task had left its files, the last first; and the command that ran was not run again.
    assert.deepEqual(said(), ['page', 'page', 'base.txt', 'base of base']);
  });
});
