/** Tasks that edit the same lines: both sides are kept and named, or Claude Code (rehearsed) is asked to merge them. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {jsonReport, outcomes, resultCommit, statuses} from './jsonReport.ts';
import {observe, sessionFacts, transcriptOf} from './observe.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const TASKS = `agents: 2
tasks:
  - {id: red, title: Make it red, run: "echo red > colour.txt; echo r > red.txt"}
  - {id: blue, title: Make it blue, run: "echo blue > colour.txt; echo b > blue.txt"}
`;
const SCRIPT = `tasks:
  _merge-*:
    turns:
      - calls:
          - {tool: Read, input: {file_path: "{{worktree}}/colour.txt"}}
      - calls:
          - {tool: Write, input: {file_path: "{{worktree}}/colour.txt", content: "purple\\n"}}
      - Both colours are in it.
`;
/** Only after it has been told does it look at all of them. */
const CARELESS = `tasks:
  _merge-*:
    cases:
      - when: {promptContains: An earlier attempt at this task did not succeed}
        turns:
          - calls: [{tool: Read, input: {file_path: "{{worktree}}/colour.txt"}}]
          - calls: [{tool: Write, input: {file_path: "{{worktree}}/colour.txt", content: "mended\\n"}}]
          - Now it is done.
      - turns: [I leave the markers where they are.]
`;

describe('results that conflict', function () {
  this.timeout(90_000);
  let person: Person;
  let repository: UserRepository;
  before(() => {
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'colour.txt': 'none\n',
      'fail.mcpx.yaml': `name: fail\n${TASKS}`,
      'merge.mcpx.yaml': `name: merge\nmerge: {onConflict: task, prompt: Mix the colours.}\n${TASKS}  - {id: mixed, dependsOn: [red, blue], run: "grep -qx purple colour.txt && cp colour.txt mixed.txt"}\n`,
      'merge.rehearsal.yaml': SCRIPT,
      'unmerged.mcpx.yaml': `name: unmerged\nmerge: {onConflict: task}\n${TASKS}`,
      'unmerged.rehearsal.yaml': CARELESS,
    });
  });
  after(() => person.leave());

  it('fail the session with the paths and both sides, which are kept', async () => {
    const ended = await person.expect(1, ['run', 'fail.mcpx.yaml', '--json'], {cwd: repository.folder});
    const report = jsonReport(ended.stdout);
    assert.equal(report.status, 'failed');
    assert.deepEqual(statuses(report), {red: 'succeeded', blue: 'succeeded'});
    assert.equal(report.result, null);
    assert.match(ended.stderr, /both sides are kept: red [0-9a-f]{12}, blue [0-9a-f]{12}\n\s+colour\.txt/);
    await observe(person, async client => {
      const {tasks} = await sessionFacts(client, report.session);
      const failure = tasks.get('_result')?.failure;
      assert.equal(failure?.kind, 'conflict');
      assert.deepEqual(failure.conflict?.paths, ['colour.txt']);
      assert.equal(failure.conflict?.ours.taskId, 'red');
      assert.equal(failure.conflict?.ours.commit, tasks.get('red')?.result?.commit);
      assert.equal(failure.conflict?.theirs.commit, tasks.get('blue')?.result?.commit);
    });
  });

  it('are resolved by a merge task where the plan asks for one, before the task that needs both', async () => {
    const ended = await person.expect(0, ['run', 'merge.mcpx.yaml', '--rehearse', '--json'], {
      cwd: repository.folder,
    });
    const report = jsonReport(ended.stdout);
    assert.deepEqual(statuses(report), {
      red: 'succeeded',
      blue: 'succeeded',
      '_merge-mixed': 'succeeded',
      mixed: 'succeeded',
    });
    const commit = resultCommit(report);
    assert.equal(repository.show(commit, 'mixed.txt'), 'purple');
    assert.equal(repository.show(commit, 'red.txt'), 'r');
    assert.equal(repository.show(commit, 'blue.txt'), 'b');
    await observe(person, async client => {
      const [attempt] = (await sessionFacts(client, report.session)).attemptsOf('_merge-mixed');
      const events = await transcriptOf(client, attempt?.id ?? '');
      const prompt = events.find(event => event.kind === 'text' && event.role === 'user');
      assert.match(
        prompt?.kind === 'text' ? prompt.text : '',
        /colour\.txt[\s\S]*Make it red[\s\S]*Mix the colours\./,
      );
      const seen = events.find(event => event.kind === 'toolResult');
      assert.match(
        seen?.kind === 'toolResult' ? seen.text : '',
        /<<<<<<<[\s\S]*red[\s\S]*=======[\s\S]*blue/,
      );
    });
  });

  it('do not pass for resolved while conflict markers are left, and are given back to be mended', async () => {
    const ended = await person.expect(0, ['run', 'unmerged.mcpx.yaml', '--rehearse', '--json'], {
      cwd: repository.folder,
    });
    const report = jsonReport(ended.stdout);
    assert.deepEqual(outcomes(report, '_merge-_result'), ['failed', 'succeeded']);
    assert.equal(repository.show(resultCommit(report), 'colour.txt'), 'mended');
  });
});
