/** The shipped example, rehearsed: a gate fails once, the retry's prompt carries the evidence, and the merged result passes the plan's gates. */
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import path from 'node:path';
import {jsonReport, outcomes, resultCommit, statuses} from './jsonReport.ts';
import {observe, sessionFacts, transcriptOf} from './observe.ts';
import {Person, ROOT} from './person.ts';
import {UserRepository} from './userRepository.ts';

describe('the greeter example', function () {
  this.timeout(120_000);
  let person: Person;
  before(() => {
    person = new Person();
  });
  after(() => person.leave());

  it('is mended by the evidence of its gate and ends in a result that works', async () => {
    const repository = UserRepository.create(path.join(person.root, 'greeter'), person.env, {
      copyOf: path.join(ROOT, 'examples/greeter'),
    });
    await person.expect(0, ['plan', 'check', 'team.mcpx.yaml'], {cwd: repository.folder});
    const ended = await person.expect(0, ['run', 'team.mcpx.yaml', '--rehearse', '--json'], {
      cwd: repository.folder,
    });
    const report = jsonReport(ended.stdout);
    assert.deepEqual([...new Set(Object.values(statuses(report)))], ['succeeded']);
    for (const task of report.tasks)
      assert.deepEqual(
        outcomes(report, task.id),
        task.id === 'greet' ? ['failed', 'succeeded'] : ['succeeded'],
      );

    await observe(person, async client => {
      const {session, tasks, attemptsOf} = await sessionFacts(client, report.session);
      const [first, second] = attemptsOf('greet');
      assert.ok(first && second);
      assert.equal(first.failure?.kind, 'gate');
      const [evidence] = first.gates ?? [];
      assert.equal(evidence?.gate, 'unit');
      assert.equal(evidence?.passed, false);
      assert.match(evidence?.output ?? '', /undefined, Ada!/);
      assert.deepEqual(
        second.gates?.map(gate => [gate.gate, gate.passed]),
        [['unit', true]],
      );
      assert.deepEqual(
        tasks.get('_result')?.gates?.map(gate => [gate.gate, gate.passed]),
        [
          ['tests', true],
          ['team', true],
        ],
      );
      assert.ok(session.spentUsd > 0 && session.rehearsal);

      const retry = await transcriptOf(client, second.id);
      const asked = retry.find(event => event.kind === 'text' && event.role === 'user');
      assert.match(
        asked?.kind === 'text' ? asked.text : '',
        /The check "unit" has to pass[\s\S]*undefined, Ada!/,
      );
      const tools = retry.flatMap(event => (event.kind === 'toolCall' ? [event.name] : []));
      assert.deepEqual(tools, ['Read', 'Read', 'Write', 'Edit', 'Bash']);
      const failed = retry.flatMap(event =>
        event.kind === 'toolResult' && event.isError ? [event.text] : [],
      );
      assert.deepEqual(failed, []);
    });

    const checkout = person.folder('result');
    repository.git('worktree', 'add', '--quiet', '--detach', checkout, resultCommit(report));
    const {NODE_TEST_CONTEXT: _, ...env} = process.env;
    const tests = spawnSync(process.execPath, ['--test', 'test', 'checks/team.check.js'], {
      cwd: checkout,
      env,
      encoding: 'utf8',
    });
    assert.equal(tests.status, 0, tests.stdout);
  });
});
