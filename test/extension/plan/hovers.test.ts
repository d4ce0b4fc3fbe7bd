/** What a plan tells about the thing under the pointer, which stands at `‸`. */
import assert from 'node:assert/strict';
import {hoverPlan, type PlanHover} from '../../../extension/plan/hovers.ts';

const PLAN = `name: team
defaults:
  permissions: { mode: ask }
tasks:
  - id: build
    title: Builds it
    run: make
  - id: test
    run: make test
    dependsOn: build
    retry: { max: 2 }
  - id: publish
    run: make publish
    dependsOn: [test, "build"]
`;

function over(word: string, context = word): PlanHover | undefined {
  const at = PLAN.indexOf(context);
  assert.ok(at >= 0, context);
  return hoverPlan(PLAN, at + context.indexOf(word) + 1);
}

describe('hovers over a plan', () => {
  it('tell what a key means, what it takes and what it is without being written', () => {
    const hover = over('mode');
    assert.ok(hover?.content.kind === 'key');
    assert.match(hover.content.description ?? '', /a person answers each request/);
    assert.equal(hover.content.fallback, '"acceptEdits"');
    assert.deepEqual(hover.content.values, ['ask', 'acceptEdits', 'dontAsk', 'plan', 'bypass']);
    assert.equal(PLAN.slice(hover.span.from, hover.span.to), 'mode');
  });

  it('tell one key of a name from another', () => {
    const max = over('max');
    assert.ok(max?.content.kind === 'key');
    assert.match(max.content.description ?? '', /Further tries/);
  });

  it('tell of a task what it needs and who needs it, wherever it is named', () => {
    const expected = {
      kind: 'task',
      id: 'build',
      title: 'Builds it',
      dependsOn: [],
      dependents: ['test', 'publish'],
    };
    assert.deepEqual(over('build', 'id: build')?.content, expected);
    assert.deepEqual(over('build', 'dependsOn: build')?.content, expected);
    const quoted = over('build', '"build"');
    assert.deepEqual(quoted?.content, expected);
    assert.equal(PLAN.slice(quoted?.span.from, quoted?.span.to), 'build');
    const test = over('test', '[test');
    assert.ok(test?.content.kind === 'task');
    assert.deepEqual(test.content.dependsOn, ['build']);
  });

  it('are silent over commands, unknown keys and unknown tasks', () => {
    assert.equal(over('make', 'run: make'), undefined);
    assert.equal(hoverPlan('nam: a\n', 1), undefined);
    assert.equal(hoverPlan('name: a\ntasks:\n  - id: a\n    dependsOn: b\n', 40), undefined);
  });
});
