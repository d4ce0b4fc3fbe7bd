/** What makes tasks alike, and what is expected of them before anything is learned. */
import assert from 'node:assert/strict';
import {declaredProficiency, estimateOf, taskClassOf} from '../../coordinator/balancing/taskClass.ts';
import type {TaskSpecification} from '../../coordinator/protocol/plan/plan.ts';
import {promptWork, specOf} from '../tasks/leadHarness.ts';
import {agentRecord} from '../tasks/nodes.ts';

const run = (command: string): TaskSpecification['work'] => ({kind: 'run', command});

describe('Task class', () => {
  it('is what the plan says, or else follows from work, abilities, model and program', () => {
    const cases: [Partial<TaskSpecification>, string][] = [
      [{class: 'migration', work: run('npm test')}, 'migration'],
      [{work: run('CI=1 /usr/bin/npm test')}, 'run:npm'],
      [{work: promptWork}, 'prompt'],
      [{work: {...promptWork, kind: 'prompt', model: 'opus'} as TaskSpecification['work']}, 'prompt:opus'],
      [
        {work: promptWork, requires: {capabilities: [{domain: 'security'}, {domain: 'analysis'}]}},
        'prompt:analysis:security',
      ],
    ];
    for (const [patch, expected] of cases) assert.equal(taskClassOf(specOf({id: 't', ...patch})), expected);
  });

  it('expects what the plan says, within the timeout', () => {
    assert.equal(estimateOf(specOf({id: 't', work: run('x'), estimateMs: 5000})), 5000);
    assert.equal(
      estimateOf(specOf({id: 't', work: run('x'), estimateMs: 90_000, timeoutMs: 60_000})),
      60_000,
    );
    assert.ok(
      estimateOf(specOf({id: 't', work: promptWork, timeoutMs: 1e7})) >
        estimateOf(specOf({id: 't', work: run('x')})),
    );
  });

  it('rates declared proficiency about 0, and only where something is asked', () => {
    const instance = (level: string) =>
      agentRecord('a', {}, {}, {capabilities: [{domain: 'security', proficiencyLevel: level}]}).instance;
    const asking = specOf({id: 't', requires: {capabilities: [{domain: 'security'}]}});
    assert.equal(declaredProficiency(instance('basic'), asking), -1);
    assert.equal(declaredProficiency(instance('specialist'), asking), 1);
    assert.equal(declaredProficiency(instance('specialist'), specOf({id: 't'})), 0);
  });
});
