/** What a person does to single tasks of a session by the command line: real agents, real worktrees, real Claude Code (rehearsed). */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import {snapshotRows} from '../../coordinator/commands/local/connect.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {Fleet} from '../support/fleet.ts';
import {createProject, git} from '../support/gitProject.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {BUNDLE} from '../support/verbProcess.ts';
import {found} from '../support/waiting.ts';
import {type Ended, Running} from './person.ts';

const WAIT_MS = 60_000;
const SCRIPT = `tasks:
  talker:
    turns:
      - calls: [{tool: Bash, input: {command: tail -f README.md, description: Watch, timeout: 600000}}]
    replies:
      - when: {promptContains: in Welsh}
        turns:
          - calls: [{tool: Write, input: {file_path: "{{worktree}}/said.txt", content: "Shwmae\\n"}}]
          - Said in Welsh.
  writer:
    cases:
      - when: {promptContains: in Welsh}
        turns:
          - calls: [{tool: Write, input: {file_path: "{{worktree}}/greeting.txt", content: "Shwmae\\n"}}]
          - Written in Welsh.
    turns:
      - calls: [{tool: Write, input: {file_path: "{{worktree}}/greeting.txt", content: "Hello\\n"}}]
      - Written.
`;

describe('tasks under the hand of a person', function () {
  this.timeout(180_000);
  let rehearsal: RehearsalServer;
  let fleet: Fleet;
  let project: string;
  let run: SessionRun;
  before(async () => {
    const script = parseRehearsalScript(SCRIPT, 'script');
    rehearsal = await startRehearsalServer({clock: systemClock, logger: silentLogger, script});
    fleet = await Fleet.start({env: rehearsal.env});
    project = path.join(fleet.folder, 'project');
    createProject(project, {'README.md': 'Nothing yet.\n'});
    for (const id of ['a-1', 'a-2']) await fleet.startAgent({id, rehearsal: true});
    await fleet.whenOnline(['a-1', 'a-2']);
  });
  after(async () => {
    await fleet?.close();
    await rehearsal?.stop();
  });
  afterEach(() => run?.dispose());

  async function start(tasks: string): Promise<void> {
    const plan = `name: steered\ndefaults: {retry: {max: 0}}\ntasks:\n${tasks}`;
    run = await SessionRun.start(fleet, {plan, project, rehearsal: true});
  }

  function mcpx(...args: string[]): Promise<Ended> {
    const {url, token = ''} = fleet.endpoint;
    const {PATH = ''} = process.env;
    const home = path.join(fleet.folder, 'home');
    const env = {PATH, HOME: home, MCPX_HOME: home, MCPX_CONNECT: url, MCPX_TOKEN: token};
    const child = spawn(process.execPath, [BUNDLE, ...args], {env, stdio: ['ignore', 'pipe', 'pipe']});
    return new Running(child).ended;
  }

  async function expect(code: number, ...args: string[]): Promise<Ended> {
    const ended = await mcpx(...args);
    const logs = (): string => [...fleet.agents.values()].map(agent => agent.process.log(2000)).join('\n');
    assert.equal(ended.code, code, `mcpx ${args.join(' ')}\n${ended.stdout}\n${ended.stderr}${logs()}`);
    return ended;
  }

  const task = (id: string, look: (task: TaskRecord) => boolean, what: string): Promise<TaskRecord> =>
    run.until(
      ({tasks}) => {
        const record = tasks.get(id);
        return record && look(record) ? record : undefined;
      },
      WAIT_MS,
      what,
    );

  /** The view may still show an earlier end. */
  const succeeded = (): Promise<true> =>
    run.until(({session}) => session?.state === 'succeeded' || undefined, WAIT_MS, 'the session to succeed');

  const attempts = (taskId: string): string[] =>
    [...run.state.attempts.values()]
      .filter(attempt => attempt.taskId === taskId)
      .sort((a, b) => a.number - b.number)
      .map(({outcome, agentId}) => `${outcome} on ${agentId}`);

  const resultFile = async (name: string): Promise<string> =>
    git(project, 'show', `${await run.fetchResult()}:${name}`);

  const asked = () => rehearsal.requests.filter(({taskId}) => taskId === 'talker');

  const file = (name: string): string => path.join(fleet.folder, name);

  it('gates run again where the work was done, though the coordinator is killed meanwhile', async () => {
    const [mark, go] = [file('mark'), file('go')];
    await start(`
  - id: make
    run: echo $MCPX_ATTEMPT_ID > made.txt
    gates: [{name: mark, command: "test -e ${mark} && while [ ! -e ${go} ]; do sleep 0.05; done", onFailure: fail}]
  - {id: after, dependsOn: make, run: "cp made.txt after.txt"}
`);
    assert.equal((await run.ended(WAIT_MS)).state, 'failed');
    writeFileSync(mark, '');
    const done = await expect(0, 'sessions', 'rerun-gates', 'last', 'make');
    assert.equal(done.stdout, `${run.id}/make: its gates run again\n`);
    assert.match(done.stderr, /The session runs again/);
    await task('make', ({state, attempts: count}) => state === 'verifying' && count === 2, 'the gate to run');
    await fleet.coordinator.kill();
    await fleet.startCoordinator();
    writeFileSync(go, '');
    await succeeded();
    const [agentId = ''] = new Set(
      [...run.state.attempts.values()].filter(one => one.taskId === 'make').map(one => one.agentId),
    );
    assert.deepEqual(attempts('make'), [`failed on ${agentId}`, `succeeded on ${agentId}`]);
    assert.equal(await resultFile('after.txt'), `${run.id}.make.1`);
  });

  it('gates whose worktree is gone are not run, and nothing is changed', async () => {
    await start(`  - {id: make, run: "true", gates: [{command: "false", onFailure: fail}]}\n`);
    await run.ended(WAIT_MS);
    const [attempt] = run.state.attempts.values();
    assert.ok(attempt);
    const folder = path.join(fleet.agent(attempt.agentId).stateFolder, 'workspaces/attempts', attempt.id);
    // Only that: beside it, its agent still writes.
    rmSync(path.join(folder, 'worktree'), {recursive: true});
    const gone = await expect(1, 'sessions', 'rerun-gates', 'last', 'make');
    assert.match(gone.stderr, /does not have the worktree of attempt \S+ any more.*retry task make/);
    assert.deepEqual([run.state.session?.state, run.state.tasks.get('make')?.attempts], ['failed', 1]);
  });

  it('a result counts although its gate failed, with the reason', async () => {
    await start(`
  - {id: make, run: "echo made > made.txt", gates: [{name: strict, command: "echo too long; exit 3", onFailure: fail}]}
  - {id: after, dependsOn: make, run: "cat made.txt made.txt > after.txt"}
`);
    assert.equal((await run.ended(WAIT_MS)).state, 'failed');
    assert.match((await expect(2, 'sessions', 'waive', 'last', 'make')).stderr, /--reason/);
    const wrong = await expect(1, 'sessions', 'waive', 'last', 'make', '--gate', 'lax', '--reason', 'x');
    assert.match(wrong.stderr, /task make has no gate "lax"; its gates are strict/);
    await expect(
      0,
      'sessions',
      'waive',
      'last',
      'make',
      '--gate',
      'strict',
      '--reason',
      'the limit is too low',
    );
    await succeeded();
    const evidence = run.state.tasks.get('make')?.gates?.[0];
    assert.deepEqual(
      [evidence?.passed, evidence?.exitCode, evidence?.output, evidence?.waived?.reason],
      [false, 3, 'too long\n', 'the limit is too low'],
    );
    assert.equal(await resultFile('after.txt'), 'made\nmade');
    const shown = await expect(0, 'sessions', 'show', 'last');
    assert.match(shown.stdout, /make: gate strict was waived by client\S*: the limit is too low/);
  });

  it('a task moves to the agent that is named, and its attempt ends', async () => {
    await start(
      `  - {id: slow, run: "case $MCPX_ATTEMPT_ID in *.1) sleep 1021;; esac; echo done > slow.txt"}\n`,
    );
    const {agentId} = await run.running('slow', WAIT_MS);
    const other = agentId === 'a-1' ? 'a-2' : 'a-1';
    const unknown = await expect(1, 'sessions', 'reassign', 'last', 'slow', '--agent', 'a-9');
    assert.match(unknown.stderr, /there is no agent a-9: the task stays where it is/);
    await expect(0, 'sessions', 'reassign', 'last', 'slow', '--agent', other);
    await succeeded();
    assert.deepEqual(attempts('slow'), [`cancelled on ${agentId}`, `succeeded on ${other}`]);
    assert.equal(await resultFile('slow.txt'), 'done');
    const late = await expect(1, 'sessions', 'reassign', 'last', 'slow');
    assert.match(late.stderr, /has ended: succeeded/);
  });

  it('a note reaches Claude Code with the next attempt, and stays with the task', async () => {
    await start(`
  - id: writer
    prompt: Write a greeting.
    gates: [{name: language, command: "grep Shwmae greeting.txt", onFailure: fail}]
`);
    assert.equal((await run.ended(WAIT_MS)).state, 'failed');
    await expect(0, 'sessions', 'retry', 'last', 'writer', '--note', 'Write it in Welsh.');
    await succeeded();
    assert.equal(await resultFile('greeting.txt'), 'Shwmae');
    const shown = await expect(0, 'sessions', 'show', 'last');
    assert.match(shown.stdout, /writer: note of client\S*: Write it in Welsh\./);
  });

  it('tasks are added to a session that runs, after tasks that it has, and are in its result', async () => {
    const go = file('go-on');
    await start(`
  - {id: first, run: "echo first > first.txt"}
  - {id: slow, run: "while [ ! -e ${go} ]; do sleep 0.05; done; echo slow > slow.txt"}
`);
    await run.running('slow', WAIT_MS);
    const wrong = file('wrong.mcpx.yaml');
    writeFileSync(wrong, 'name: more\ntasks:\n  - {id: third, run: "true", dependsOn: [frist]}\n');
    const mistaken = await expect(2, 'sessions', 'add-tasks', 'last', wrong);
    assert.match(
      mistaken.stderr,
      /wrong\.mcpx\.yaml:3:\d+: error: .*no task is called "frist"; did you mean "first"/,
    );
    const more = file('more.mcpx.yaml');
    writeFileSync(
      more,
      'name: more\ntasks:\n  - {id: third, run: "cat first.txt slow.txt > third.txt", dependsOn: [slow, first]}\n  - {id: fourth, run: "echo fourth > fourth.txt"}\n',
    );
    const added = await expect(0, 'sessions', 'add-tasks', 'last', more, '--json');
    assert.deepEqual(JSON.parse(added.stdout), {session: run.id, added: ['third', 'fourth']});
    await fleet.coordinator.kill();
    await fleet.startCoordinator();
    assert.match((await expect(0, 'sessions', 'add-tasks', 'last', more)).stdout, /2 tasks added/);
    writeFileSync(go, '');
    await succeeded();
    assert.equal(run.state.tasks.size, 5);
    assert.equal(await resultFile('third.txt'), 'first\nslow');
    assert.equal(await resultFile('fourth.txt'), 'fourth');
    assert.match((await expect(1, 'sessions', 'add-tasks', 'last', more)).stderr, /has ended: succeeded/);
  });

  it('a running Claude Code is interrupted, told something else, and goes on with another model and mode', async () => {
    await start(
      '  - {id: talker, prompt: Talk., model: claude-opus-4-8, permissions: {allow: ["Bash(tail:*)"]}}\n',
    );
    const {id} = await run.running('talker', WAIT_MS);
    await found(() => (asked().length > 0 ? true : undefined), WAIT_MS, 'the model to be asked');
    assert.match((await expect(1, 'attempts', 'interrupt', 'last/nobody')).stderr, /has no task "nobody"/);
    assert.match(
      (await expect(2, 'attempts', 'interrupt', 'talker')).stderr,
      /neither an attempt nor SESSION\/TASK/,
    );
    await expect(0, 'attempts', 'model', id, 'claude-sonnet-5');
    await expect(0, 'attempts', 'mode', 'last/talker', 'ask');
    assert.match((await expect(2, 'attempts', 'mode', 'last/talker', 'never')).stderr, /never/);
    assert.equal((await expect(0, 'attempts', 'interrupt', 'last/talker')).stdout, `${id} is interrupted\n`);
    await expect(0, 'attempts', 'message', 'last/talker', 'Say it', 'in Welsh.');
    // In its new mode it asks, and the session's own rows say so.
    const approval = await found(
      async () =>
        (await snapshotRows(run.client, {view: 'session', sessionId: run.id})).flatMap(row =>
          row.kind === 'approval' ? [row.approval] : [],
        )[0],
      WAIT_MS,
      'the permission',
    );
    assert.deepEqual([approval.attemptId, approval.request.kind], [id, 'permission']);
    await expect(0, 'approvals', 'approve', approval.id);
    await succeeded();
    assert.equal(await resultFile('said.txt'), 'Shwmae');
    assert.equal(asked().at(-1)?.model, 'claude-sonnet-5');
    const late = await expect(1, 'attempts', 'message', 'last/talker', 'Too late.');
    assert.match(late.stderr, /is succeeded: no attempt of it runs/);
  });
});
