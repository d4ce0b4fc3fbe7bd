/** Tasks that are divided: their parts, the task that merges them, and what becomes of the values that they leave. */
import assert from 'node:assert/strict';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {mergeValues} from '../../../coordinator/protocol/plan/mergeValues.ts';
import {parsePlan} from '../../../coordinator/protocol/plan/parse.ts';
import type {Plan, TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {dealt, dividedTask, expandPlan, partTaskId} from '../../../coordinator/protocol/plan/split.ts';

function planOf(text: string): Plan {
  const parsed = parsePlan(`name: p\n${text}`);
  assert.equal(parsed.kind, 'plan', JSON.stringify(parsed));
  return (parsed as {plan: Plan}).plan;
}

const byId = (tasks: readonly TaskSpecification[]) => new Map(tasks.map(task => [task.id, task]));

describe('a task that is split', () => {
  it('becomes a part for each item, which nothing but their merge depends on', () => {
    const {tasks} = expandPlan(
      planOf(`tasks:
  - {id: before, run: "true"}
  - id: lint
    run: lint "$MCPX_PART"
    dependsOn: before
    budgetUsd: 3
    gates: [check]
    env: {A: b}
    split: {over: [x, y, z], merge: json}
  - {id: after, run: "true", dependsOn: lint}
`),
    );
    const found = byId(tasks);
    assert.deepEqual(
      tasks.map(({id, dependsOn}) => [id, dependsOn]),
      [
        ['before', []],
        ['_part-lint-1', ['before']],
        ['_part-lint-2', ['before']],
        ['_part-lint-3', ['before']],
        ['lint', ['_part-lint-1', '_part-lint-2', '_part-lint-3']],
        ['after', ['lint']],
      ],
    );
    const part = found.get('_part-lint-2');
    assert.deepEqual(
      [part?.env, part?.budgetUsd, part?.gates, part?.parent, part?.split],
      [
        {A: 'b', MCPX_PART: 'y', MCPX_PART_INDEX: '2', MCPX_PART_COUNT: '3'},
        1,
        [],
        {taskId: 'lint', index: 2},
        undefined,
      ],
    );
    const merge = found.get('lint');
    assert.deepEqual(
      [merge?.work, merge?.parts, merge?.split],
      [{kind: 'merge', values: 'json'}, 3, undefined],
    );
    assert.deepEqual(
      merge?.gates.map(gate => [gate.type === 'command' && gate.command, gate.onFailure]),
      [['check', 'fail']],
    );
  });

  it('tells Claude Code which part is meant', () => {
    const {tasks} = expandPlan(
      planOf('tasks: [{id: t, prompt: Translate., split: {over: [nl, fr], merge: {prompt: Sum up.}}}]'),
    );
    const [first, , last] = tasks;
    const text = first?.work.kind === 'prompt' ? first.work.prompt : '';
    assert.match(text, /^Translate\.\n\nThis is part 1 of 2 [^\n]*\nDo it for these alone:\n- nl$/);
    assert.equal(last?.work.kind === 'prompt' && last.work.prompt, 'Sum up.');
  });

  it('is divided into numbered shards, and items are dealt so that neighbours stay together', () => {
    const {tasks} = expandPlan(planOf('tasks: [{id: test, run: "true", split: {shards: 2}}]'));
    assert.deepEqual(
      tasks.map(({id, env}) => [id, env['MCPX_PART'], env['MCPX_PART_INDEX'], env['MCPX_PART_COUNT']]),
      [
        ['_part-test-1', '', '1', '2'],
        ['_part-test-2', '', '2', '2'],
        ['test', undefined, undefined, undefined],
      ],
    );
    const items = ['a', 'b', 'c', 'd', 'e'];
    assert.deepEqual(dealt(items, 2), [
      ['a', 'b', 'c'],
      ['d', 'e'],
    ]);
    assert.deepEqual(dealt(items, 9).length, 5);
    assert.deepEqual(dealt([], 3), []);
    assert.equal(dealt(Array.from({length: 5000}, String)).length, 1000);
  });

  it('waits for its files when it is split over these', () => {
    const plan = planOf('tasks: [{id: fmt, run: "true", split: {files: "src/**"}}]');
    assert.deepEqual(expandPlan(plan).tasks, plan.tasks);
  });

  it('gives its parts ids that no other task has', () => {
    const nested = partTaskId(partTaskId('a', 1), 2);
    assert.deepEqual(
      [partTaskId('a', 1), nested, partTaskId('a-1', 2)],
      ['_part-a-1', '_part-a-1_2', '_part-a-1-2'],
    );
    const [task] = planOf(`tasks: [{id: ${'x'.repeat(64)}, run: "true"}]`).tasks;
    assert.ok(task);
    assert.equal(
      dividedTask(
        task,
        Array.from({length: 1000}, () => []),
      ).length,
      1001,
    );
    const deep = {...task, id: `_part-${'x'.repeat(64)}-1000_10`};
    assert.throws(
      () => dividedTask(deep, [[], []].concat(Array.from({length: 98}, () => []))),
      error => isProtocolError(error, 'invalidParams'),
    );
  });

  it('says what is wrong with a split', () => {
    const wrong: [string, RegExp][] = [
      ['{}', /say what it is divided over/],
      ['{over: [a], files: b}', /keep one: "over" or "files"/],
      ['{over: []}', /over/],
      ['{shards: 2, merge: {}}', /keep one: "prompt" or "run"|merge/],
      ['{shards: 0}', /shards/],
    ];
    for (const [split, message] of wrong) {
      const parsed = parsePlan(`name: p\ntasks:\n  - {id: t, run: "true", split: ${split}}\n`);
      const found = parsed.kind === 'invalid' ? parsed.diagnostics : [];
      assert.match(found.map(({field, message: text}) => `${field}: ${text}`).join('\n'), message, split);
    }
  });
});

describe('values of parts', () => {
  const of = (...values: unknown[]) =>
    values.map(value => ({summary: 's', ...(value !== undefined && {value})})) as never;

  it('are merged as JSON: lists are joined, objects member by member', () => {
    assert.deepEqual(mergeValues('json', of([1], [2, 3])), [1, 2, 3]);
    assert.deepEqual(mergeValues('json', of({a: [1], b: {x: 1}, c: 1}, {a: [2], b: {y: 2}, c: 2})), {
      a: [1, 2],
      b: {x: 1, y: 2},
      c: 2,
    });
    assert.deepEqual(mergeValues('json', of(1, 'two', [3])), [1, 'two', [3]]);
    const evil = JSON.parse('{"__proto__": {"a": 1}}');
    assert.equal(JSON.stringify(mergeValues('json', of(evil, {b: 1}))), '{"__proto__":{"a":1},"b":1}');
  });

  it('are joined as text, with the last words of what left none', () => {
    assert.equal(mergeValues('concat', of('one', {two: 2}, undefined)), 'one\n{"two":2}\ns');
    assert.equal(mergeValues('concat', []), '');
  });
});
