/** Runs in the background: they outlive the command that started them, and can be taken up again when their host is killed. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import {found} from '../support/waiting.ts';
import {observe, sessionFacts} from './observe.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const Begun = z.strictObject({session: z.string(), pid: z.number(), log: z.string(), agents: z.number()});
const Sessions = z.object({
  sessions: z.array(z.looseObject({id: z.string(), state: z.string(), host: z.enum(['running', 'gone'])})),
});
const Refusal = z.object({error: z.looseObject({code: z.string(), message: z.string()})});

const SCRIPT = `tasks:
  "*":
    turns:
      - calls: [{tool: Write, input: {file_path: "{{worktree}}/{{task}}.txt", content: "{{task}}\\n"}}]
      - Done.
`;

function waiting(go: string): string {
  return `name: waiting
agents: 1
tasks:
  - {id: first, prompt: Write one file.}
  - {id: second, dependsOn: first, run: "test -s first.txt; while ! test -e ${go}; do sleep 0.1; done; echo second > second.txt"}
`;
}

describe('a run in the background', function () {
  this.timeout(120_000);
  let person: Person;
  let repository: UserRepository;
  let go: string;
  beforeEach(() => {
    person = new Person();
    go = path.join(person.root, 'go');
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'waiting.mcpx.yaml': waiting(go),
      'waiting.rehearsal.yaml': SCRIPT,
      'here.mcpx.yaml': 'name: here\nagents: 1\ntasks: [{id: a, run: "true"}]\n',
      'bad.mcpx.yaml': 'name: bad\ntasks: [{id: a, run: x, dependsOn: b}]\n',
      'prompt.mcpx.yaml': 'name: prompt\nagents: 1\ntasks: [{id: a, prompt: Hello.}]\n',
    });
  });
  afterEach(() => person.leave());

  const line = (stdout: string): unknown => {
    assert.match(stdout, /^\{[^\n]*\}\n$/);
    return JSON.parse(stdout);
  };
  const verb = (code: number, ...args: string[]) => person.expect(code, args, {cwd: repository.folder});
  const begin = async (...args: string[]) =>
    Begun.parse(line((await verb(0, 'run', ...args, '--background', '--json')).stdout));
  const listed = async () =>
    Sessions.parse(line((await verb(0, 'sessions', 'list', '--json')).stdout)).sessions;
  const stateOf = async (session: string) => {
    const row = (await listed()).find(({id}) => id === session);
    return row && `${row.state} ${row.host}`;
  };
  const reaches = (session: string, state: string) =>
    found(
      async () => ((await stateOf(session)) === state ? true : undefined),
      60_000,
      `${session} to be ${state}`,
    );
  const secondRuns = () =>
    found(
      () => (person.attemptProcesses().some(({command}) => command === 'sleep 0.1') ? true : undefined),
      60_000,
      'the second task',
    );

  it('is announced once its session is stored, goes on without us, and fetches its result', async () => {
    const run = await begin('waiting.mcpx.yaml', '--rehearse');
    assert.equal(run.agents, 1);
    assert.ok(person.processes().some(({pid}) => pid === run.pid));
    assert.equal(await stateOf(run.session), 'running running');
    const twice = Refusal.parse(
      line((await verb(1, 'sessions', 'resume', run.session, '--background', '--json')).stdout),
    );
    assert.equal(twice.error.code, 'conflict');
    assert.match(twice.error.message, new RegExp(`by process ${run.pid}$`));
    writeFileSync(go, '');
    await reaches(run.session, 'succeeded gone');
    assert.equal(repository.show(`mcpx/${run.session}`, 'second.txt'), 'second');
    assert.match(readFileSync(run.log, 'utf8'), /second +succeeded/);
  });

  it('stays on this machine when it is told to, whatever context is current', async () => {
    await verb(0, 'context', 'add', 'nowhere', 'ws://127.0.0.1:9', '--token', 'none');
    await verb(0, 'context', 'use', 'nowhere');
    writeFileSync(go, '');
    const run = await begin('here.mcpx.yaml', '--here');
    await verb(0, 'sessions', 'show', run.session, '--here');
    assert.match(
      (await verb(2, 'sessions', 'show', '--here', '--connect', 'nowhere', run.session)).stderr,
      /--here/,
    );
    await verb(0, 'context', 'use');
    await reaches(run.session, 'succeeded gone');
  });

  it('is taken up again when its host was killed, repeats nothing that was done, and fetches its result', async () => {
    const run = await begin('waiting.mcpx.yaml', '--rehearse');
    await secondRuns();
    process.kill(run.pid, 'SIGKILL');
    await found(
      () => (person.attemptProcesses().length === 0 ? true : undefined),
      15_000,
      'the end of the attempts',
    );
    assert.equal(await stateOf(run.session), 'running gone');
    // From elsewhere, and without naming the plan: both are known.
    const resumed = Begun.parse(
      line((await person.expect(0, ['sessions', 'resume', run.session, '--background', '--json'])).stdout),
    );
    assert.equal(resumed.session, run.session);
    assert.notEqual(resumed.pid, run.pid);
    writeFileSync(go, '');
    await reaches(run.session, 'succeeded gone');
    assert.equal(repository.show(`mcpx/${run.session}`, 'second.txt'), 'second');
    await observe(person, async client => {
      const {attemptsOf, tasks} = await sessionFacts(client, run.session);
      assert.equal(attemptsOf('first').length, 1);
      assert.equal(attemptsOf('second').at(-1)?.outcome, 'succeeded');
      assert.equal(tasks.get('second')?.retries, 0);
    });
  });

  it('starts its coordinator again when that was killed', async () => {
    const run = await begin('waiting.mcpx.yaml', '--rehearse');
    await secondRuns();
    const killed = person.endpoint?.pid ?? 0;
    process.kill(killed, 'SIGKILL');
    await found(
      () => ((person.endpoint?.pid ?? killed) === killed ? undefined : true),
      30_000,
      'another coordinator',
    );
    writeFileSync(go, '');
    await reaches(run.session, 'succeeded gone');
    assert.equal(repository.show(`mcpx/${run.session}`, 'second.txt'), 'second');
  });

  it('leaves its session as it is when it is told to end, and a result that was not fetched is fetched by resuming', async () => {
    const run = await begin('waiting.mcpx.yaml', '--rehearse');
    await secondRuns();
    process.kill(run.pid, 'SIGTERM');
    await reaches(run.session, 'running gone');
    assert.match(readFileSync(run.log, 'utf8'), new RegExp(`the session stays.*resume ${run.session}`));
    writeFileSync(go, '');
    await verb(0, 'sessions', 'resume', run.session);
    repository.git('branch', '--quiet', '-D', `mcpx/${run.session}`);
    await verb(0, 'sessions', 'resume', run.session);
    assert.equal(repository.show(`mcpx/${run.session}`, 'second.txt'), 'second');
  });

  it('tells what keeps it from beginning, and leaves nothing behind then', async () => {
    const bad = await verb(2, 'run', 'bad.mcpx.yaml', '--background', '--json');
    assert.match(bad.stderr, /bad\.mcpx\.yaml:2:.*no task is called "b"/);
    assert.equal(Refusal.parse(line(bad.stdout)).error.code, 'plan');
    const unsigned = Refusal.parse(
      line((await verb(1, 'run', 'prompt.mcpx.yaml', '--background', '--json')).stdout),
    );
    assert.equal(unsigned.error.code, 'claude');
    assert.match(unsigned.error.message, /not signed in/);
    const homeless = await person.mcpx([
      'run',
      path.join(repository.folder, 'waiting.mcpx.yaml'),
      '--isolated',
      '--background',
      '--json',
    ]);
    assert.equal(homeless.code, 2);
    const outside = path.join(person.folder('outside'), 'p.mcpx.yaml');
    writeFileSync(outside, 'name: p\nagents: 1\ntasks: [{id: a, run: "true"}]\n');
    const late = await person.expect(1, ['run', outside, '--background', '--json']);
    assert.equal(
      Refusal.parse(line(late.stdout)).error.code,
      'git',
      'found out by the process in the background',
    );
    assert.match(late.stderr, /is not in a git repository/);
    const runs = path.join(person.mcpxHome, 'runs');
    assert.ok(!existsSync(runs) || readdirSync(runs).length === 0);
  });

  it('takes a plan from stdin, or one prompt for a task in the repository of the folder', async () => {
    const piped = person.start(['run', '--tasks-from', '-', '--background', '--json'], {
      cwd: repository.folder,
      stdin: 'pipe',
    });
    piped.child.stdin?.end('name: piped\nagents: 1\ntasks: [{id: a, run: "echo a > a.txt"}]\n');
    const ended = await piped.ended;
    assert.equal(ended.code, 0, ended.stderr);
    const {session} = Begun.parse(line(ended.stdout));
    await reaches(session, 'succeeded gone');
    assert.equal(repository.show(`mcpx/${session}`, 'a.txt'), 'a');
    const goal = await begin('--goal-task', 'Say what the repository is about.\nIn one line.', '--rehearse');
    await reaches(goal.session, 'succeeded gone');
    await observe(person, async client => {
      const {session: record, tasks} = await sessionFacts(client, goal.session);
      assert.equal(record.name, 'Say what the repository is about.');
      assert.ok(tasks.has('task'));
    });
    await verb(2, 'run', 'waiting.mcpx.yaml', '--goal-task', 'Both.');
    await verb(2, 'run');
  });
});
