/** What tasks seem to need: guesses by words and files, never against the plan. */
import assert from 'node:assert/strict';
import {capabilityWeighted} from '../../coordinator/balancing/capabilityWeighted.ts';
import {distributeTasks} from '../../coordinator/balancing/distributionPlan.ts';
import type {Candidate} from '../../coordinator/balancing/strategy.ts';
import {TaskAnalyzer} from '../../coordinator/balancing/taskAnalyzer.ts';
import type {TaskSpecification} from '../../coordinator/protocol/plan/plan.ts';
import {promptWork, specOf} from '../tasks/leadHarness.ts';
import {agentRecord} from '../tasks/nodes.ts';

const prompt = (text: string): TaskSpecification =>
  specOf({id: 't', work: {...promptWork, prompt: text} as TaskSpecification['work']});
const run = (command: string): TaskSpecification => specOf({id: 't', work: {kind: 'run', command}});

describe('Task analyzer', () => {
  const analyzer = new TaskAnalyzer();

  it('guesses the domain by words and files, and says by which', () => {
    const cases: [TaskSpecification, string | undefined, string[]][] = [
      [prompt('Look for SQL injection and other vulnerabilities; run npm audit'), 'security', []],
      [prompt('Implement the endpoint in src/server.ts and add unit tests'), 'development', ['typescript']],
      [prompt('Add an update set to the scoped app with a GlideRecord query'), 'servicenow', []],
      [prompt('Compare the two dashboards and summarise in report.csv'), 'analysis', []],
      [run('pytest tests/test_api.py'), 'development', ['python']],
      [run('true'), undefined, []],
      [specOf({id: 't'}), undefined, []],
    ];
    for (const [task, domain, specialization] of cases) {
      const {requirements, guessed, reasons} = analyzer.analyze(task);
      assert.equal(guessed[0], domain, JSON.stringify(task.work));
      assert.deepEqual(requirements.capabilities?.[0]?.specialization ?? [], specialization);
      assert.ok(reasons.length > 0);
      if (domain !== undefined) assert.ok(reasons[0]?.includes(domain), reasons[0]);
    }
  });

  it('never guesses against what the plan says', () => {
    const stated = {...prompt('fix the vulnerability'), requires: {capabilities: [{domain: 'analysis'}]}};
    const {requirements, guessed, reasons} = analyzer.analyze(stated);
    assert.deepEqual(requirements, stated.requires);
    assert.deepEqual(guessed, []);
    assert.deepEqual(reasons, ['The plan asks for analysis.']);
  });

  it('makes classes of prompts by what they seem to need', () => {
    assert.equal(analyzer.analyze(prompt('Audit it for vulnerabilities')).taskClass, 'prompt:security');
    assert.equal(analyzer.analyze(prompt('Hello')).taskClass, 'prompt');
  });
});

describe('Distribution plan', () => {
  function candidate(id: string, domain: string, durationMs: number, slots = 1): Candidate {
    const {instance} = agentRecord(id, {}, {}, {capabilities: [{domain}]});
    return {
      instance,
      running: 0,
      slots,
      localInputs: 0,
      lastPlaced: 0,
      nearBytes: 0,
      farBytes: 0,
      warm: true,
      prediction: {durationMs, success: 1, ratio: 1, doubt: 0, n: 0},
    };
  }
  const agents = [candidate('dev', 'development', 1000), candidate('sec', 'security', 1000)];
  const task = (id: string, text: string, dependsOn: string[] = []): TaskSpecification => ({
    ...prompt(text),
    id,
    dependsOn,
  });

  it('gives each task to whom its rule ranks best of those that are free soonest, and adds up the times', () => {
    const plan = distributeTasks(
      [
        task('scan', 'find vulnerabilities'),
        task('code', 'implement it'),
        task('after', 'implement more', ['code']),
      ],
      {rule: capabilityWeighted, candidatesOf: () => agents},
    );
    assert.deepEqual(
      plan.assignments.map(({taskId, agentId, startMs, finishMs}) => [taskId, agentId, startMs, finishMs]),
      [
        ['scan', 'sec', 0, 1000],
        ['code', 'dev', 0, 1000],
        ['after', 'dev', 1000, 2000],
      ],
    );
    assert.equal(plan.finishMs, 2000);
    assert.deepEqual(plan.assignments[0]?.analysis.guessed, ['security']);
  });

  it('applies affinity after the ranking, and names what nobody fits', () => {
    const plan = distributeTasks([task('scan', 'find vulnerabilities'), task('lost', 'x')], {
      rule: capabilityWeighted,
      candidatesOf: ({id}) => (id === 'lost' ? [] : agents),
      preferred: (_, ids) => ids.filter(id => id === 'dev'),
    });
    assert.deepEqual(
      plan.assignments.map(({agentId}) => agentId),
      ['dev'],
    );
    assert.deepEqual(
      plan.unplaced.map(({taskId}) => taskId),
      ['lost'],
    );
  });
});
