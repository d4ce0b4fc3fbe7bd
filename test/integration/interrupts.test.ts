/** Ctrl-C in a run: the session is cancelled, and whatever its attempts started is gone when the command has ended. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {found} from '../support/waiting.ts';
import {jsonReport, statuses} from './jsonReport.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const PLAN = `name: long
agents: 2
defaults: {retry: {max: 0}, permissions: {mode: acceptEdits, allow: ["Bash(tail:*)"]}}
tasks:
  - {id: command, run: "setsid sleep 1001 & echo half > half.txt; sleep 1002"}
  - {id: prompt, prompt: Watch the plan.}
  - {id: after, dependsOn: [command, prompt], run: "true"}
`;
const SCRIPT = `tasks:
  prompt:
    turns:
      - calls: [{tool: Bash, input: {command: tail -f long.mcpx.yaml, description: Watch, timeout: 600000}}]
      - Awake.
`;
const STUBBORN = `name: stubborn
agents: 1
tasks:
  - {id: deaf, run: "trap '' TERM INT HUP; while :; do sleep 1004; done"}
`;

describe('an interrupted run', function () {
  this.timeout(90_000);
  let person: Person;
  let repository: UserRepository;
  before(() => {
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'long.mcpx.yaml': PLAN,
      'long.rehearsal.yaml': SCRIPT,
      'stubborn.mcpx.yaml': STUBBORN,
    });
  });
  after(() => person.leave());

  function running(wanted: string): Promise<true> {
    const runs = (): true | undefined =>
      person.attemptProcesses().some(({command}) => command === wanted) || undefined;
    return found(runs, 30_000, wanted);
  }

  it('cancels its session, ends with 130 and leaves no process and no worktree', async () => {
    const before = repository.digest();
    const run = person.start(['run', 'long.mcpx.yaml', '--rehearse', '--json'], {cwd: repository.folder});
    await Promise.all([running('sleep 1001'), running('sleep 1002'), running('tail -f long.mcpx.yaml')]);
    run.signal('SIGINT');
    const ended = await run.ended;
    assert.equal(ended.code, 130, ended.stderr + person.logs());
    assert.deepEqual(
      person.attemptProcesses().map(({command}) => command),
      [],
    );
    const report = jsonReport(ended.stdout);
    assert.equal(report.status, 'cancelled');
    assert.deepEqual(statuses(report), {command: 'cancelled', prompt: 'cancelled', after: 'cancelled'});
    assert.equal(report.result, null);
    assert.match(ended.stderr, /Cancelling/);
    assert.deepEqual(person.attemptFolders(), []);
    assert.deepEqual(repository.digest(), before);
    const show = await person.expect(0, ['sessions', 'show', 'last']);
    assert.match(show.stdout, /cancelled/);
  });

  it('kills at the second interrupt what does not listen to the first', async () => {
    const run = person.start(['run', 'stubborn.mcpx.yaml', '--json'], {cwd: repository.folder});
    await running('sleep 1004');
    run.signal('SIGINT');
    await run.saw(/Cancelling/);
    run.signal('SIGINT');
    const interrupted = performance.now();
    const ended = await run.ended;
    assert.equal(ended.code, 130, ended.stderr + person.logs());
    assert.ok(performance.now() - interrupted < 4000, 'it did not wait for anybody');
    await found(
      () => (person.attemptProcesses().length === 0 ? true : undefined),
      5000,
      'the attempt to end',
    );
  });
});
