/** Twelve tasks over three agents with the real Claude Code, rehearsed: every edit is made by its own tools, and every dependent builds on the edits before. */
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {copyFileSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {jsonReport, outcomes, resultCommit} from './jsonReport.ts';
import {Person, ROOT} from './person.ts';
import {UserRepository} from './userRepository.ts';

const TWELVE = path.join(ROOT, 'test/testdata/plans/twelve');

describe('twelve tasks of three Claude Codes', function () {
  this.timeout(180_000);
  let person: Person;
  before(() => {
    person = new Person();
  });
  after(() => person.leave());

  it('end in one branch that holds and checks them all', async () => {
    const repository = UserRepository.create(path.join(person.root, 'market'), person.env, {
      copyOf: path.join(TWELVE, 'repository'),
    });
    // The plan lies outside of the repository that it works on.
    const plan = path.join(person.folder('plans'), 'team.mcpx.yaml');
    copyPlan(repository.folder, plan);
    const before = repository.digest();

    const ended = await person.mcpx(['run', plan, '--rehearse', '--json'], {cwd: person.home});
    assert.equal(ended.code, 0, ended.stderr + person.logs());
    const report = jsonReport(ended.stdout);
    assert.equal(report.tasks.length, 12);
    for (const task of report.tasks) assert.deepEqual(outcomes(report, task.id), ['succeeded'], task.id);
    assert.ok(new Set(report.tasks.flatMap(task => task.attempts.map(({agent}) => agent))).size > 1);
    assert.match(ended.stderr, /Rehearsal: no model was called/);
    assert.deepEqual(repository.digest(), before);

    const checkout = person.folder('result');
    repository.git('worktree', 'add', '--quiet', '--detach', checkout, resultCommit(report));
    const {NODE_TEST_CONTEXT: _, ...env} = process.env;
    const checks = spawnSync(process.execPath, ['--test', 'checks/all.check.js'], {
      cwd: checkout,
      env,
      encoding: 'utf8',
    });
    assert.equal(checks.status, 0, checks.stdout);

    // One commit a task, made by MCPX and not in the name of a person.
    const log = repository.git('log', '--no-merges', '--format=%an %ae %s', `main..${resultCommit(report)}`);
    assert.equal(log.split('\n').length, 12, log);
    assert.doesNotMatch(log, /Ada/);
  });
});

/** As the plan is, but for the repository that it names. */
function copyPlan(repository: string, plan: string): void {
  const text = readFileSync(path.join(TWELVE, 'team.mcpx.yaml'), 'utf8');
  writeFileSync(plan, `workspace: {repository: ${JSON.stringify(repository)}}\n${text}`);
  copyFileSync(path.join(TWELVE, 'team.rehearsal.yaml'), plan.replace('.mcpx.', '.rehearsal.'));
}
