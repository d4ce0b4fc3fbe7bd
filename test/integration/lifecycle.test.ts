/** Processes that come and go: one coordinator for all runs of a person, runs and coordinators that are killed, and the ends that they find by themselves. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {found, within} from '../support/waiting.ts';
import {jsonReport, outcomes, resultCommit, statuses} from './jsonReport.ts';
import {observe, sessionFacts} from './observe.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const QUICK = 'name: quick\nagents: 1\ntasks:\n  - {id: a, run: "echo a > a.txt"}\n';

/** Its second task ends when the file GO is there. */
function waiting(go: string): string {
  return `name: waiting
agents: 1
tasks:
  - {id: first, prompt: Write one file.}
  - {id: second, dependsOn: first, run: "test -s first.txt; while ! test -e ${go}; do sleep 0.1; done; echo second > second.txt"}
  - {id: third, dependsOn: second, prompt: Write another file.}
`;
}
const SCRIPT = `tasks:
  "*":
    turns:
      - calls: [{tool: Write, input: {file_path: "{{worktree}}/{{task}}.txt", content: "{{task}}\\n"}}]
      - Done.
`;

describe('the life of processes', function () {
  this.timeout(90_000);
  let person: Person;
  let repository: UserRepository;
  let go: string;
  beforeEach(() => {
    person = new Person();
    go = path.join(person.root, 'go');
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'quick.mcpx.yaml': QUICK,
      'waiting.mcpx.yaml': waiting(go),
      'waiting.rehearsal.yaml': SCRIPT,
    });
  });
  afterEach(() => person.leave());

  const coordinators = () => person.processes().filter(({command}) => /mcpx\.mjs coordinator /.test(command));
  const agents = () => person.processes().filter(({command}) => /mcpx\.mjs (agent|supervise)/.test(command));

  /** A rehearsed run whose second task waits for GO. */
  async function startWaiting() {
    const args = ['run', 'waiting.mcpx.yaml', '--rehearse', '--json'];
    const run = person.start(args, {cwd: repository.folder});
    await found(
      () => (person.attemptProcesses().some(({command}) => command === 'sleep 0.1') ? true : undefined),
      60_000,
      'the second task',
    );
    const [, session = ''] = await run.saw(/session (s-[0-9a-f]+)/);
    return {run, session};
  }

  it('a killed run takes its agents along, and its session is resumed without repeating what was done', async () => {
    const {run, session} = await startWaiting();
    run.signal('SIGKILL');
    await run.ended;
    await found(
      () => (agents().length === 0 && person.attemptProcesses().length === 0 ? true : undefined),
      15_000,
      'the end of agents and attempts',
    );
    assert.match((await person.expect(0, ['sessions', 'show', session])).stdout, /first +succeeded/);
    rmSync(path.join(person.mcpxHome, 'runs'), {recursive: true});
    const nameless = await person.expect(2, ['sessions', 'resume', session], {cwd: repository.folder});
    assert.match(nameless.stderr, /is a rehearsal: name its plan/);

    writeFileSync(go, '');
    const resumed = await person.expect(
      0,
      ['sessions', 'resume', session, '--rehearse', 'waiting.mcpx.yaml', '--agents', '1'],
      {cwd: repository.folder},
    );
    assert.match(resumed.stdout, /succeeded/);
    await observe(person, async client => {
      const {tasks, attemptsOf} = await sessionFacts(client, session);
      assert.deepEqual(
        ['first', 'second', 'third'].map(id => attemptsOf(id).at(-1)?.outcome),
        ['succeeded', 'succeeded', 'succeeded'],
      );
      assert.equal(attemptsOf('first').length, 1);
      assert.equal(attemptsOf('second').length, 2);
      assert.equal(tasks.get('second')?.retries, 0, 'a loss spends no retry');
    });
    for (const name of ['first', 'second', 'third'])
      assert.equal(repository.show(`mcpx/${session}`, `${name}.txt`), name);
  });

  /** multica#4336: a restart orphaned tasks. */
  it('a killed coordinator is started again by the run, which goes on', async () => {
    const {run} = await startWaiting();
    const killed = person.endpoint?.pid ?? 0;
    process.kill(killed, 'SIGKILL');
    await run.saw(/The coordinator had gone and was started again/);
    writeFileSync(go, '');
    const ended = await run.ended;
    assert.equal(ended.code, 0, ended.stderr + person.logs());
    const report = jsonReport(ended.stdout);
    assert.deepEqual(outcomes(report, 'second'), ['succeeded'], 'the attempt outlived the coordinator');
    assert.notEqual(person.endpoint?.pid, killed);
  });

  it('the emergency stop names who confirmed, and ends everything', async () => {
    const {run, session} = await startWaiting();
    const careless = await person.expect(2, ['stop']);
    assert.match(careless.stderr, /--all/);
    const stopped = await person.expect(0, ['stop', '--all', '--grace', '1', '--reason', 'fire']);
    assert.match(stopped.stdout, /1 session cancelled\nlocal-1: confirmed, 1 attempts? ended/);
    assert.deepEqual(person.attemptProcesses(), []);
    const ended = await run.ended;
    assert.equal(ended.code, 130, ended.stderr);
    assert.equal(jsonReport(ended.stdout).status, 'cancelled');
    assert.match((await person.expect(0, ['sessions', 'show', session])).stdout, /fire/);
  });

  it('runs that start at once share one coordinator, which ends by itself when all are done', async () => {
    const other = UserRepository.create(path.join(person.root, 'other'), person.env, {
      'quick.mcpx.yaml': QUICK,
    });
    // Long enough for a verb to begin on a busy machine.
    const env = {MCPX_SET: 'lingerMs=8000'};
    const ended = await Promise.all(
      [repository, other, repository].map(({folder}) =>
        person.mcpx(['run', 'quick.mcpx.yaml', '--json'], {cwd: folder, env}),
      ),
    );
    for (const {code, stderr} of ended) assert.equal(code, 0, stderr + person.logs());
    const [one, two, three] = ended.map(({stdout}) => jsonReport(stdout));
    assert.ok(one && two && three);
    assert.equal(coordinators().length, 1);
    const listed = await person.expect(0, ['sessions', 'list'], {env});
    for (const report of [one, two, three]) assert.ok(listed.stdout.includes(report.session));
    assert.equal(repository.show(resultCommit(one), 'a.txt'), 'a');
    assert.equal(other.show(resultCommit(two), 'a.txt'), 'a');
    assert.deepEqual(repository.branches(), ['main', `mcpx/${one.session}`, `mcpx/${three.session}`].sort());
    const doctor = await person.mcpx(['doctor']);
    assert.match(doctor.stdout, /coordinator: ws:\/\/127\.0\.0\.1:\d+, pid \d+/);
    await person.assertNothingRuns(30_000);
    assert.equal(person.endpoint, undefined);
    const gone = await person.expect(1, ['status']);
    assert.match(gone.stderr, /no coordinator of yours runs on this machine\n.*mcpx run/);
  });

  it('an isolated run leaves its result and nothing else', async () => {
    const ended = await person.expect(0, ['run', 'quick.mcpx.yaml', '--json', '--isolated'], {
      cwd: repository.folder,
    });
    const report = jsonReport(ended.stdout);
    assert.deepEqual(statuses(report), {a: 'succeeded'});
    assert.equal(repository.show(resultCommit(report), 'a.txt'), 'a');
    assert.deepEqual(person.processes(), []);
    assert.ok(!existsSync(person.mcpxHome));
    assert.deepEqual(readdirSync(person.temporary), []);
    // Claude Code keeps files of its own in a home.
    assert.deepEqual(
      readdirSync(person.home).filter(name => !name.startsWith('.claude')),
      [],
    );
  });

  it('an agent ends as soon as it is told to, though its starter holds its stdin', async () => {
    const coordinator = person.start(['coordinator']);
    await coordinator.saw(/the coordinator is ready/);
    const agent = person.start(['agent', '--claude', 'off', '--until-stdin-closes'], {stdin: 'pipe'});
    await agent.saw(/registered with the hub/);
    assert.match((await person.expect(0, ['status'])).stdout, /claude: disabled/);
    agent.signal('SIGTERM');
    assert.equal((await within(agent.ended, 5000, 'the agent to end')).code, 0);
    coordinator.signal('SIGTERM');
    assert.equal((await within(coordinator.ended, 5000, 'the coordinator to end')).code, 0);
    assert.equal(person.endpoint, undefined);
  });
});
