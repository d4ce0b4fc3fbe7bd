/** The example whose work passes every kind of gate: rehearsed by two agents, reviewed by the one that did not write it, and signed on the command line. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import {jsonReport, outcomes} from './jsonReport.ts';
import {observe, sessionFacts, transcriptOf} from './observe.ts';
import {Person, ROOT} from './person.ts';
import {UserRepository} from './userRepository.ts';

describe('the release example', function () {
  this.timeout(240_000);
  let person: Person;
  before(() => {
    person = new Person();
  });
  after(() => person.leave());

  it('is mended by the findings of its review and ends when a person has signed', async () => {
    const repository = UserRepository.create(path.join(person.root, 'release'), person.env, {
      copyOf: path.join(ROOT, 'examples/release'),
    });
    await person.expect(0, ['plan', 'check', 'team.mcpx.yaml'], {cwd: repository.folder});
    const running = person.start(['run', 'team.mcpx.yaml', '--rehearse', '--json'], {cwd: repository.folder});
    await running.saw(/Is this the release note/, 180_000);
    const listed = await person.expect(0, ['approvals', 'list', '--json']);
    const asked = ApprovalRecord.parse(JSON.parse(listed.stdout.trim()));
    assert.equal(asked.taskId, 'note');
    assert.ok(asked.request.kind === 'decision');
    assert.deepEqual([asked.request.gate, asked.request.change?.summary], ['sign-off', 'added release.json']);
    const shown = await person.expect(0, ['approvals', 'list']);
    assert.match(shown.stdout, /The note names what is new[\s\S]*added release\.json/);
    await person.expect(0, ['approvals', 'approve', asked.id]);
    const ended = await running.ended;
    assert.equal(ended.code, 0, `${ended.stdout}\n${ended.stderr}${person.logs()}`);

    const report = jsonReport(ended.stdout);
    assert.deepEqual(outcomes(report, 'taxed'), ['failed', 'succeeded']);
    await observe(person, async client => {
      const {tasks, attemptsOf} = await sessionFacts(client, report.session);
      const [first, second] = attemptsOf('taxed');
      assert.ok(first && second);
      assert.deepEqual(
        first.gates?.map(({gate, passed}) => [gate, passed]),
        [
          ['tests', true],
          ['coverage', true],
          ['review', false],
        ],
      );
      assert.match(first.gates?.[2]?.output ?? '', /blocker src\/price\.js:8: Math\.trunc/);
      assert.equal(first.gates?.[1]?.measured, 100);
      const reviews = attemptsOf('_review-taxed');
      assert.deepEqual(
        reviews.map(({outcome}) => outcome),
        ['succeeded', 'succeeded'],
      );
      // Each review is done by an agent that has not written what it reviews.
      for (const [index, author] of [first, second].entries())
        assert.notEqual(reviews[index]?.agentId, author.agentId);
      assert.equal(second.gates?.[2]?.judge, reviews[1]?.agentId);
      const words = (await transcriptOf(client, reviews[0]?.id ?? '')).find(
        event => event.kind === 'text' && event.role === 'user',
      );
      assert.match(words?.kind === 'text' ? words.text : '', /The change:[\s\S]*\+.*Math\.trunc/);
      assert.deepEqual(
        tasks.get('note')?.gates?.map(({gate, type, passed}) => [gate, type, passed]),
        [
          ['shape', 'schema', true],
          ['sign-off', 'approval', true],
        ],
      );
      assert.match(tasks.get('note')?.gates?.[1]?.judge ?? '', /./);
    });
  });
});
