/** Permissions and questions of a running Claude Code, answered from a second process. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {jsonReport, outcomes, resultCommit} from './jsonReport.ts';
import {nextApproval, observe, sessionFacts, transcriptOf} from './observe.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

/** The attempt may work so long; the first answer takes longer. */
const TIMEOUT_S = 12;

const PLAN = `name: asks
agents: 1
tasks:
  - id: careful
    prompt: Write, then remove, then ask.
    timeout: ${TIMEOUT_S}s
    retry: {max: 0}
    permissions: {mode: ask}
`;
const SCRIPT = `tasks:
  careful:
    turns:
      - calls:
          - {tool: Write, input: {file_path: "{{worktree}}/notes.txt", content: "draft\\n"}}
      - calls:
          - {tool: Bash, input: {command: rm keep.txt, description: Remove a file}}
      - calls:
          - tool: AskUserQuestion
            input:
              questions:
                - question: Which colour?
                  header: Colour
                  multiSelect: false
                  options:
                    - {label: Red, description: Like a rose}
                    - {label: Blue, description: Like the sea}
                - question: How large?
                  header: Size
                  multiSelect: false
                  options: [{label: S, description: small}, {label: L, description: large}]
      - calls:
          - {tool: Write, input: {file_path: "{{worktree}}/one.txt", content: "1\\n"}}
      - calls:
          - {tool: Write, input: {file_path: "{{worktree}}/two.txt", content: "2\\n"}}
      - All was asked.
`;

describe('mcpx approvals', function () {
  this.timeout(120_000);
  let person: Person;
  let repository: UserRepository;
  before(() => {
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'keep.txt': 'keep\n',
      'asks.mcpx.yaml': PLAN,
      'asks.rehearsal.yaml': SCRIPT,
    });
  });
  after(() => person.leave());

  it('lists what waits and carries the answers to Claude Code, while no time of the attempt passes', async () => {
    const run = person.start(['run', 'asks.mcpx.yaml', '--rehearse', '--json'], {cwd: repository.folder});
    const known = new Set<string>();
    const next = async () => {
      const approval = await nextApproval(person, known);
      known.add(approval.id);
      return approval;
    };

    const write = await next();
    const waitsSince = performance.now();
    assert.equal(write.request.kind === 'permission' && write.request.tool, 'Write');
    await run.saw(/mcpx approvals approve/);
    const listed = await person.expect(0, ['approvals', 'list']);
    assert.match(
      listed.stdout,
      new RegExp(`^${write.id} {2}${write.sessionId}/careful {2}wants Write .*draft`),
    );
    const status = await person.expect(0, ['status']);
    assert.match(status.stdout, /Waiting for a person\n.*wants Write/);
    const unknown = await person.expect(1, ['approvals', 'approve', 'p-nonesuch']);
    assert.match(unknown.stderr, /nothing called "p-nonesuch" waits/);
    const noQuestion = await person.expect(2, ['approvals', 'answer', write.id, 'yes']);
    assert.match(noQuestion.stderr, /is not a question/);
    await pause(Math.max(0, (TIMEOUT_S + 1) * 1000 - (performance.now() - waitsSince)));
    const file = write.request.kind === 'permission' ? write.request.input : undefined;
    const edited = JSON.stringify({...Object(file), content: 'edited by a person\n'});
    const allowed = await person.expect(0, ['approvals', 'approve', write.id, '--input', edited]);
    assert.equal(allowed.stdout, `${write.id}: allowed\n`);

    const remove = await next();
    assert.equal(remove.request.kind === 'permission' && remove.request.tool, 'Bash');
    await person.expect(0, ['approvals', 'deny', remove.id, '--message', 'keep that file']);

    const question = await next();
    const shown = await person.expect(0, ['approvals', 'list']);
    assert.match(
      shown.stdout,
      /asks: Which colour\?\n {4}Which colour\?\n {6}1\. Red: Like a rose\n {6}2\. Blue/,
    );
    const short = await person.expect(2, ['approvals', 'answer', question.id, '2']);
    assert.match(short.stderr, /has 2 questions, and 1 answers? w/);
    await person.expect(0, ['approvals', 'answer', question.id, '2', 'between them']);

    const one = await next();
    await person.expect(0, ['approvals', 'approve', one.id, '--for-session']);

    const ended = await run.ended;
    assert.equal(ended.code, 0, ended.stderr + person.logs());
    const report = jsonReport(ended.stdout);
    assert.deepEqual(outcomes(report, 'careful'), ['succeeded']);
    const commit = resultCommit(report);
    assert.equal(repository.show(commit, 'notes.txt'), 'edited by a person');
    assert.equal(repository.show(commit, 'keep.txt'), 'keep');
    assert.equal(repository.show(commit, 'two.txt'), '2');
    assert.equal((await person.expect(0, ['approvals', 'list'])).stdout, 'Nothing waits for a person.\n');

    await observe(person, async client => {
      const [attempt] = (await sessionFacts(client, report.session)).attemptsOf('careful');
      const events = await transcriptOf(client, attempt?.id ?? '');
      const results = events.flatMap(event => (event.kind === 'toolResult' ? [event] : []));
      assert.deepEqual(
        results.map(({isError}) => isError),
        [false, true, false, false, false],
      );
      assert.match(results[1]?.text ?? '', /keep that file/);
      assert.match(results[2]?.text ?? '', /Blue/);
      assert.match(results[2]?.text ?? '', /between them/);
    });
  });

  it('withdraws what nobody can answer any more', async () => {
    const run = person.start(['run', 'asks.mcpx.yaml', '--rehearse', '--json'], {cwd: repository.folder});
    const write = await nextApproval(person);
    await person.expect(0, ['sessions', 'cancel', write.sessionId]);
    const ended = await run.ended;
    assert.equal(ended.code, 130, ended.stderr);
    assert.equal(jsonReport(ended.stdout).status, 'cancelled');
    const late = await person.expect(1, ['approvals', 'approve', write.id]);
    assert.match(late.stderr, /nothing called .* waits/);
  });
});
