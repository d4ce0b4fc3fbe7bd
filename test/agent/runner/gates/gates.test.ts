/** Gates of every type that an agent looks at itself, in the worktree of a real attempt; and what it says to those who judge elsewhere. */
import assert from 'node:assert/strict';
import type {Agent} from '../../../../coordinator/agent/agent.ts';
import type {Result} from '../../../../coordinator/protocol/commands/table.ts';
import type {QualityGateConfig} from '../../../../coordinator/protocol/gate.ts';
import {type Assign, assignment, run} from '../../agentFixture.ts';
import {until} from '../../supervisor/support.ts';
import {GitHub} from '../gitHub.ts';

type Gate = QualityGateConfig extends infer G
  ? G extends unknown
    ? Omit<G, 'name' | 'onFailure'>
    : never
  : never;

const LINT = 'echo \'[{"errorCount": 2, "warningCount": 1}]\' > lint.json; exit 1';
const WORK = [
  'printf \'{"name": "x", "size": 3}\' > made.json',
  'printf \'{"type": "object", "properties": {"size": {"maximum": 2}}}\' > schema.json',
  "printf 'TN:\\nSF:a\\nLF:10\\nLH:8\\nend_of_record\\n' > lcov.info",
  'ln -s /etc/hostname outside.json',
  'echo b > b.txt',
].join('\n');

describe('gates of an agent', function () {
  this.timeout(120_000);
  let git: GitHub;
  let agent: Agent;
  let assigned: Assign;

  before(async () => {
    git = await GitHub.open();
    agent = await git.start();
    git.hub.answers['mcpx.orchestrate.task.complete'] = params => {
      git.hub.completed.set(params.attemptId, params);
      return {accepted: true, gates: true};
    };
    const gates: QualityGateConfig[] = [
      {name: 'one', type: 'command', command: 'true', onFailure: 'fail', timeoutMs: 10_000},
    ];
    assigned = assignment('work', run(WORK), {workspace: await git.workspace(), task: {gates}});
    await git.hub.send('mcpx.orchestrate.task.assign', assigned);
    await git.hub.completion(assigned.attemptId);
    await until(
      'it waits for its gates',
      () => agent.attempts.get(assigned.attemptId)?.state.kind === 'gated',
    );
  });
  after(() => git.close());

  function ask(gate: Gate): Promise<Result<'mcpx.coordinate.quality.gate'>> {
    const {attemptId, fence} = assigned;
    const whole = {name: JSON.stringify(gate).slice(0, 60), onFailure: 'fail', ...gate} as QualityGateConfig;
    return git.hub.send('mcpx.coordinate.quality.gate', {attemptId, fence, gate: whole, env: {}});
  }

  const timeoutMs = 20_000;
  const object = {type: 'object', required: ['name'], properties: {size: {type: 'integer'}}};
  const CASES: readonly [what: string, gate: Gate, passed: boolean, says: RegExp][] = [
    [
      'a file fits a schema',
      {type: 'schema', schema: object, file: 'made.json', timeoutMs},
      true,
      /made.json fits/,
    ],
    [
      'a file does not fit the schema of another',
      {type: 'schema', schema: 'schema.json', file: 'made.json', timeoutMs},
      false,
      /\/size: must be <= 2/,
    ],
    [
      'a schema of 2020-12 is read as such',
      {
        type: 'schema',
        schema: {
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          dependentRequired: {name: ['colour']},
        },
        file: 'made.json',
        timeoutMs,
      },
      false,
      /colour/,
    ],
    [
      'a missing file does not fit',
      {type: 'schema', schema: object, file: 'none.json', timeoutMs},
      false,
      /there is no file/,
    ],
    ['a text is no JSON', {type: 'schema', schema: object, file: 'b.txt', timeoutMs}, false, /is not JSON/],
    [
      'coverage is within bounds',
      {type: 'threshold', report: {file: 'lcov.info', format: 'auto', metric: 'lines'}, min: 80, timeoutMs},
      true,
      /lines in lcov.info: 80$/,
    ],
    [
      'coverage is below what is wanted',
      {type: 'threshold', report: {file: 'lcov.info', format: 'lcov', metric: 'lines'}, min: 90, timeoutMs},
      false,
      /at least 90 is wanted/,
    ],
    [
      'findings of a linter that ends with 1 are counted',
      {
        type: 'threshold',
        command: LINT,
        report: {file: 'lint.json', format: 'auto', metric: 'problems'},
        max: 3,
        timeoutMs,
      },
      true,
      /problems in lint.json: 3/,
    ],
    [
      'a number in the output is too large',
      {type: 'threshold', command: 'echo "took 12 s"', pattern: 'took (\\d+) s', max: 10, timeoutMs},
      false,
      /took 12 s\nthe number: 12, at most 10 is wanted/,
    ],
    [
      'a number in JSON output',
      {type: 'threshold', command: 'echo \'{"a": {"b": 4}}\'', pointer: '/a/b', min: 4, timeoutMs},
      true,
      /the number: 4/,
    ],
  ];
  for (const [what, gate, passed, says] of CASES)
    it(`judge: ${what}`, async () => {
      const {evidence} = await ask(gate);
      assert.equal(evidence.error, undefined);
      assert.equal(evidence.passed, passed, evidence.output);
      assert.equal(evidence.type, gate.type);
      assert.match(evidence.output, says);
    });

  const UNABLE: readonly [what: string, gate: Gate, why: RegExp][] = [
    [
      'a schema that is none',
      {type: 'schema', schema: {type: 'nothing'}, file: 'made.json', timeoutMs},
      /the schema cannot be used/,
    ],
    [
      'a file that leads out of the worktree',
      {type: 'schema', schema: object, file: 'outside.json', timeoutMs},
      /is not in the worktree/,
    ],
    [
      'a report that is not there',
      {type: 'threshold', report: {file: 'none', format: 'auto', metric: 'lines'}, min: 1, timeoutMs},
      /there is no such file/,
    ],
    [
      'a command that takes too long',
      {type: 'threshold', command: 'sleep 60', pattern: '1', min: 1, timeoutMs: 100},
      /did not end by itself/,
    ],
  ];
  for (const [what, gate, why] of UNABLE)
    it(`give no verdict: ${what}`, async () => {
      const {evidence} = await ask(gate);
      assert.equal(evidence.passed, false);
      assert.match(evidence.error ?? '', why);
    });

  it('that others judge are told what was changed, and from where to where', async () => {
    const {change} = await ask({type: 'review', timeoutMs});
    assert.ok(assigned.workspace.kind === 'git');
    assert.equal(change?.from, assigned.workspace.base);
    assert.equal(change?.files, 5);
    assert.match(change?.summary ?? '', /^added b\.txt\n/);
    const report = git.hub.completed.get(assigned.attemptId)?.report;
    assert.equal(change?.to, report?.outcome === 'succeeded' && report.result.commit);
  });
});
