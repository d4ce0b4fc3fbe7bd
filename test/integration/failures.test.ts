/** Tasks that fail, hang, cost too much or lose their agent: what is tried again, what is not, and what is said. */
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {found} from '../support/waiting.ts';
import {jsonReport, outcomes, statuses} from './jsonReport.ts';
import {nextApproval, observe, sessionFacts} from './observe.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

describe('failures of tasks', function () {
  this.timeout(90_000);
  let person: Person;
  let repository: UserRepository;
  before(() => {
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      '.gitignore': '*.yaml\n',
    });
  });
  after(() => person.leave());

  function start(plan: string, script?: string, ...more: string[]) {
    repository.write({'plan.mcpx.yaml': plan, 'plan.rehearsal.yaml': script ?? ''});
    const args = [
      'run',
      'plan.mcpx.yaml',
      '--json',
      ...(script === undefined ? [] : ['--rehearse']),
      ...more,
    ];
    return person.start(args, {cwd: repository.folder});
  }

  function tasksOf(session: string): Promise<ReadonlyMap<string, TaskRecord>> {
    return observe(person, async client => (await sessionFacts(client, session)).tasks);
  }

  it('a flaky command is repeated after a growing pause, and knows itself by one key', async () => {
    const keys = path.join(person.root, 'keys.log');
    const ended = await start(`name: flaky
agents: 1
tasks:
  - id: flaky
    run: echo "$MCPX_TASK_KEY $MCPX_ATTEMPT_ID" >> ${keys}; test $(wc -l < ${keys}) -ge 3
    retry: {max: 5, backoff: 400ms}
  - {id: hopeless, run: "exit 9", retry: {max: 1, backoff: 100ms}}
`).ended;
    assert.equal(ended.code, 1, ended.stderr + person.logs());
    const report = jsonReport(ended.stdout);
    assert.deepEqual(outcomes(report, 'flaky'), ['failed', 'failed', 'succeeded']);
    assert.deepEqual(outcomes(report, 'hopeless'), ['failed', 'failed']);
    const lines = readFileSync(keys, 'utf8').trimEnd().split('\n');
    const [key, ...others] = lines.map(line => line.split(' ')[0] ?? '');
    assert.ok(key);
    assert.deepEqual(others, [key, key]);
    assert.equal(new Set(lines).size, 3, 'attempts have names of their own');
    const attempts = report.tasks.find(task => task.id === 'flaky')?.attempts ?? [];
    const pauses = attempts
      .slice(1)
      .map(({startedAt}, index) =>
        startedAt === null ? 0 : Date.parse(startedAt) - Date.parse(attempts[index]?.endedAt ?? startedAt),
      );
    // Each wait is drawn from the upper half of 400 ms and 800 ms.
    assert.ok((pauses[0] ?? 0) >= 190 && (pauses[1] ?? 0) >= 390, `${pauses}`);
    const tasks = await tasksOf(report.session);
    assert.equal(tasks.get('hopeless')?.failure?.kind, 'exit');
    assert.equal(tasks.get('flaky')?.retries, 2);
  });

  it('a failed session goes on where it failed once the cause is mended', async () => {
    const mended = path.join(person.root, 'mended');
    const ended = await start(`name: mend
agents: 1
defaults: {retry: {max: 0}}
tasks:
  - {id: good, run: "echo $MCPX_ATTEMPT_ID > good.txt"}
  - {id: bad, dependsOn: good, run: "test -e ${mended} && cp good.txt bad.txt"}
  - {id: last, dependsOn: bad, run: "cp bad.txt last.txt"}
`).ended;
    const report = jsonReport(ended.stdout);
    assert.deepEqual(statuses(report), {good: 'succeeded', bad: 'failed', last: 'cancelled'});
    writeFileSync(mended, '');
    await person.expect(0, ['sessions', 'resume', report.session], {cwd: repository.folder});
    assert.equal(repository.show(`mcpx/${report.session}`, 'last.txt'), `${report.session}.good.1`);
    const again = jsonReport((await person.expect(0, ['sessions', 'show', report.session, '--json'])).stdout);
    assert.deepEqual(
      ['good', 'bad', 'last'].map(id => outcomes(again, id)),
      [['succeeded'], ['failed', 'succeeded'], ['succeeded']],
    );
  });

  it('a timeout ends the whole tree, of a command and of a Claude Code', async () => {
    const run = start(
      `name: slow
agents: 1
defaults: {retry: {max: 0}, timeout: 5s, permissions: {mode: acceptEdits, allow: ["Bash(tail:*)"]}}
tasks:
  - {id: command, run: "setsid sleep 1005 & trap '' TERM; sleep 1006; sleep 1006"}
  - {id: silent, prompt: Say something.}
  - {id: tool, prompt: Watch.}
`,
      `tasks:
  silent: {turns: [{text: At last., hangMs: 600000}]}
  tool: {turns: [{calls: [{tool: Bash, input: {command: tail -f .gitignore, description: Watch, timeout: 600000}}]}, Done.]}
`,
    );
    await found(
      () => (person.attemptProcesses().some(({command}) => command === 'sleep 1005') ? true : undefined),
      30_000,
      'the command',
    );
    const ended = await run.ended;
    assert.equal(ended.code, 1, ended.stderr + person.logs());
    assert.deepEqual(
      person.attemptProcesses().map(({command}) => command),
      [],
    );
    const report = jsonReport(ended.stdout);
    const tasks = await tasksOf(report.session);
    for (const id of ['command', 'silent', 'tool']) {
      assert.equal(tasks.get(id)?.failure?.kind, 'timeout', id);
      assert.match(tasks.get(id)?.failure?.message ?? '', /5 ?s/);
    }
  });

  it('a deadline that has passed fails its task and lets the others go on', async () => {
    const ended = await start(`name: late
agents: 1
tasks:
  - {id: late, deadline: "2020-01-01T00:00:00Z", run: "true"}
  - {id: soon, deadline: "${new Date(Date.now() + 8000).toISOString()}", run: "sleep 1007"}
  - {id: ok, run: "true"}
`).ended;
    assert.equal(ended.code, 1, ended.stderr + person.logs());
    const report = jsonReport(ended.stdout);
    assert.deepEqual(statuses(report), {late: 'failed', soon: 'failed', ok: 'succeeded'});
    const tasks = await tasksOf(report.session);
    for (const id of ['late', 'soon']) assert.equal(tasks.get(id)?.failure?.kind, 'deadline', id);
    assert.match(ended.stderr, /not done by 2020-01-01T00:00:00/);
    assert.deepEqual(person.attemptProcesses(), []);
  });

  it('a spent budget starts no further prompt, says so, and goes on when it is raised', async () => {
    const ended = await start(
      `name: dear
agents: 1
budgetUsd: 0.5
tasks:
  - {id: dear, prompt: Think hard.}
  - {id: next, dependsOn: dear, prompt: Think again.}
`,
      `tasks:
  dear: {turns: [{text: Thought., usage: {inputTokens: 100000, outputTokens: 60000}}]}
  next: {turns: [Thought again.]}
`,
    ).ended;
    assert.equal(ended.code, 1, ended.stderr + person.logs());
    const report = jsonReport(ended.stdout);
    assert.deepEqual(outcomes(report, 'next'), []);
    assert.match(ended.stderr, /budget is spent/);
    const ways = /mcpx sessions budget (\S+) USD && mcpx sessions resume/.exec(ended.stderr);
    assert.equal(ways?.[1], report.session);
    const session = report.session;
    await person.expect(0, ['sessions', 'budget', session, '50']);
    const resumed = await person.expect(
      0,
      ['sessions', 'resume', session, '--rehearse', 'plan.mcpx.yaml', '--agents', '1'],
      {cwd: repository.folder},
    );
    assert.match(resumed.stdout, /next +succeeded/);
  });

  it('an agent that is killed loses its attempts: one is repeated, one must not be, one is for a person to decide', async () => {
    const run = start(
      `name: lost
agents: 1
tasks:
  - {id: again, retry: {max: 0}, run: "case $MCPX_ATTEMPT_ID in *.1) sleep 1008;; esac"}
  - {id: once, retry: {max: 3}, onLost: fail, run: "sleep 1009"}
  - {id: asks, retry: {max: 0}, onLost: ask, run: "case $MCPX_ATTEMPT_ID in *.1) sleep 1010;; esac"}
`,
      undefined,
      '--slots',
      '3',
    );
    const runs = (wanted: string) => person.attemptProcesses().some(({command}) => command === wanted);
    await found(
      () => (runs('sleep 1008') && runs('sleep 1009') && runs('sleep 1010') ? true : undefined),
      30_000,
      'all tasks',
    );
    const agent = person.processes().find(({command}) => / agent --join/.test(command));
    process.kill(agent?.pid ?? 0, 'SIGKILL');
    const decision = await nextApproval(person);
    assert.equal(decision.taskId, 'asks');
    assert.match(
      (await person.expect(0, ['approvals', 'list'])).stdout,
      /needs a decision: agent local-1 .*run it again\?/,
    );
    await person.expect(0, ['approvals', 'approve', decision.id]);
    const ended = await run.ended;
    assert.equal(ended.code, 1, ended.stderr + person.logs());
    const report = jsonReport(ended.stdout);
    assert.deepEqual(outcomes(report, 'again'), ['lost', 'succeeded']);
    assert.deepEqual(outcomes(report, 'once'), ['lost']);
    assert.deepEqual(outcomes(report, 'asks'), ['lost', 'succeeded']);
    const tasks = await tasksOf(report.session);
    assert.equal(tasks.get('once')?.failure?.kind, 'losses');
    assert.equal(tasks.get('again')?.retries, 0);
    assert.deepEqual(person.attemptProcesses(), []);
  });
});
