/** The tasks of a plan and where they name each other. */
import assert from 'node:assert/strict';
import {downstreamOf, mentionsAt, outlinePlan, type PlanOutline} from '../../../extension/plan/outline.ts';
import {readPlanSyntax} from '../../../extension/plan/planSyntax.ts';

const PLAN = `name: team
defaults:
  affinity: [{ kind: apart, with: [build] }]
tasks:
  - id: build
    run: make
  - id: test
    prompt: |
      Run the tests of build.
    dependsOn: build
    gates: [make test, { name: lint, command: make lint }]
  - id: "publish"
    run: make publish
    dependsOn: [test, 'build']
    affinity:
      - { kind: sameAgent, with: [build] }
      - { kind: region, with: [test] }
`;

function outline(text = PLAN): PlanOutline {
  const document = readPlanSyntax(text);
  assert.ok(document);
  return outlinePlan(document);
}

describe('outline of a plan', () => {
  it('has the tasks in order, with their work and their gates', () => {
    assert.deepEqual(
      outline().tasks.map(({id, work, gates}) => [id?.id, work, gates.map(({name}) => name)]),
      [
        ['build', 'run', []],
        ['test', 'prompt', ['make test', 'lint']],
        ['publish', 'run', []],
      ],
    );
  });

  it('spans each task as it is written', () => {
    const [build] = outline().tasks;
    assert.equal(PLAN.slice(build?.span.from, build?.span.to).trim(), 'id: build\n    run: make');
  });

  it('finds every place that names a task, and only tasks', () => {
    const found = mentionsAt(outline(), PLAN.indexOf('dependsOn: build') + 12);
    assert.ok(found?.definition);
    assert.equal(PLAN.slice(found.definition.from - 4, found.definition.to), 'id: build');
    assert.equal(found.references.length, 4);
    for (const {from, to} of found.references) assert.equal(PLAN.slice(from, to), 'build');
    // `test` is a region there.
    const test = mentionsAt(outline(), PLAN.indexOf('[test,') + 2);
    assert.equal(test?.references.length, 1);
    assert.equal(mentionsAt(outline(), PLAN.indexOf('with: [test]') + 8), undefined);
  });

  it('knows who waits for a task, over any number of steps and around cycles', () => {
    assert.deepEqual([...downstreamOf(outline(), 'build')].sort(), ['build', 'publish', 'test']);
    assert.deepEqual([...downstreamOf(outline(), 'publish')], ['publish']);
    const cycle = outline('tasks:\n  - { id: a, dependsOn: b }\n  - { id: b, dependsOn: a }\n');
    assert.deepEqual([...downstreamOf(cycle, 'a')].sort(), ['a', 'b']);
  });

  it('reads what is whole of a plan that is not', () => {
    const {tasks, name} = outline('name: x\ntasks:\n  - id: a\n    run: [\n  - id: b\n  - title: c\n  - \n');
    assert.equal(name?.text, 'x');
    assert.equal(tasks[0]?.id?.id, 'a');
    assert.deepEqual(outline('').tasks, []);
    assert.deepEqual(outline('tasks: 3').tasks, []);
  });

  it('reads ten thousand tasks', () => {
    const lines = Array.from({length: 10_000}, (_, n) => `  - { id: t${n}, run: x, dependsOn: t${n + 1} }`);
    assert.equal(outline(`tasks:\n${lines.join('\n')}`).tasks.length, 10_000);
  });
});
