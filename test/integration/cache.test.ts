/** Results that are taken from earlier sessions, over real agents and real git: another agent goes on from them, and a person fetches them. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {Fleet} from '../support/fleet.ts';
import {createProject, git} from '../support/gitProject.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {jsonReport, resultCommit} from './jsonReport.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const WAIT_MS = 90_000;

/** Where "both" is reused, it has to stand on this session's "plain": else the two of them conflict in plain.txt. */
const PLAN = `name: reuse
tasks:
  - {id: kept, cache: true, run: "date +%s%N > kept.txt; printf 7 > $MCPX_RESULT", gates: ["test -s kept.txt"]}
  - {id: plain, run: "echo plain > plain.txt"}
  - {id: both, cache: true, dependsOn: [kept, plain], run: "cat kept.txt >> plain.txt; cat $MCPX_INPUTS > inputs.json"}
  - {id: last, dependsOn: [plain, both], run: "cat plain.txt base.txt > last.txt"}
`;

describe('results that are taken from the cache', function () {
  this.timeout(240_000);
  let fleet: Fleet;
  let project: string;
  const runs: SessionRun[] = [];

  before(async () => {
    fleet = await Fleet.start();
    project = path.join(fleet.folder, 'project');
    createProject(project, {'base.txt': 'base\n'});
    // The first commit names the repository.
    git(project, 'commit', '--quiet', '--allow-empty', '--message', 'Second');
  });
  after(async () => {
    for (const run of runs) run.dispose();
    await fleet?.close();
  });

  /** On an agent that has seen nothing yet. */
  async function onFreshAgent(id: string): Promise<SessionRun> {
    await fleet.startAgent({id, args: ['--claude', 'off']});
    await fleet.whenOnline([id]);
    const run = await SessionRun.start(fleet, {plan: PLAN, project});
    runs.push(run);
    assert.equal((await run.ended(WAIT_MS)).state, 'succeeded', run.describe());
    await fleet.agent(id).process.stop();
    return run;
  }
  const done = (run: SessionRun): string[] =>
    [...new Set([...run.state.attempts.values()].map(({taskId}) => taskId))].sort();
  const shown = async (run: SessionRun, file: string): Promise<string> =>
    git(project, 'show', `${await run.fetchResult()}:${file}`);
  const originOf = (run: SessionRun, taskId: string) => run.state.tasks.get(taskId)?.cached?.attemptId;

  it('are those of identical inputs, on top of whatever commits they are asked for', async () => {
    const first = await onFreshAgent('a-1');
    assert.deepEqual(done(first), ['_result', 'both', 'kept', 'last', 'plain']);
    const second = await onFreshAgent('a-2');
    assert.deepEqual(done(second), ['_result', 'last', 'plain'], second.describe());
    assert.equal(originOf(second, 'both'), `${first.id}.both.1`);
    const kept = second.state.tasks.get('kept');
    assert.deepEqual(
      [kept?.state, kept?.attempts, kept?.result?.value, kept?.gates?.length],
      ['succeeded', 0, 7, 1],
    );
    for (const file of ['kept.txt', 'plain.txt', 'last.txt'])
      assert.equal(await shown(second, file), await shown(first, file));

    git(
      project,
      'commit',
      '--quiet',
      '--allow-empty',
      '--amend',
      '--message',
      'The same files by another name',
    );
    const third = await onFreshAgent('a-3');
    assert.deepEqual(done(third), ['_result', 'last', 'plain'], third.describe());
    assert.equal(await shown(third, 'last.txt'), await shown(first, 'last.txt'));
    assert.equal(
      git(project, 'merge-base', 'HEAD', await third.fetchResult()),
      git(project, 'rev-parse', 'HEAD'),
    );
  });

  it('are not those of other files', async () => {
    writeFileSync(path.join(project, 'base.txt'), 'changed\n');
    git(project, 'commit', '--quiet', '--all', '--message', 'Changed');
    const run = await onFreshAgent('a-4');
    assert.deepEqual(done(run), ['_result', 'both', 'kept', 'last', 'plain']);
    assert.match(await shown(run, 'last.txt'), /changed/);
  });
});

describe('mcpx run and mcpx cache', function () {
  this.timeout(120_000);
  let person: Person;
  let repository: UserRepository;
  before(() => {
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'base.txt': 'base\n',
      'plan.mcpx.yaml': PLAN,
    });
  });
  after(() => person.leave());

  it('a plan that is run again takes what it may, says so, and does everything with --no-cache', async () => {
    const run = async (...args: string[]) => {
      const ended = await person.mcpx(['run', 'plan.mcpx.yaml', '--json', ...args], {cwd: repository.folder});
      assert.equal(ended.code, 0, ended.stderr + person.logs());
      const report = jsonReport(ended.stdout);
      const file = repository.show(resultCommit(report), 'kept.txt');
      return {report, file, said: ended.stderr};
    };
    const first = await run();
    const second = await run();
    assert.equal(second.file, first.file);
    assert.match(
      second.said,
      new RegExp(`kept: succeeded from the cache: what attempt ${first.report.session}`),
    );
    const kept = second.report.tasks.find(({id}) => id === 'kept');
    assert.deepEqual([kept?.attempts, kept?.cached?.attempt], [[], `${first.report.session}.kept.1`]);
    const why = await person.mcpx(['explain', 'kept'], {cwd: repository.folder});
    assert.match(why.stdout, /kept was not done: its result is from the cache/);
    const third = await run('--no-cache');
    assert.notEqual(third.file, first.file);

    const list = await person.mcpx(['cache', 'list', '--json'], {cwd: repository.folder});
    const {results} = JSON.parse(list.stdout) as {results: {taskId: string; uses: number; key: string}[]};
    assert.deepEqual(results.map(({taskId}) => taskId).sort(), ['both', 'both', 'kept']);
    const key = results.find(({taskId}) => taskId === 'kept')?.key ?? '';
    const cleared = await person.mcpx(['cache', 'clear', key.slice(0, 12)], {cwd: repository.folder});
    assert.match(cleared.stdout, /^1 results are forgotten/);
    const usage = await person.mcpx(['cache', 'clear'], {cwd: repository.folder});
    assert.equal(usage.code, 2, usage.stderr);
  });
});
