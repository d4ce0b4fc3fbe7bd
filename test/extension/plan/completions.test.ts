/** What the editor offers at each place of a plan. The cursor stands at `‸`. */
import assert from 'node:assert/strict';
import {completePlan, type PlanCompletion} from '../../../extension/plan/completions.ts';
import type {FleetWords} from '../../../extension/plan/fleetWords.ts';

const FLEET: FleetWords = {
  capabilities: ['analysis', 'development'],
  specializations: ['rust', 'typescript'],
  regions: ['eu', 'us'],
  tags: ['gpu', 'linux'],
  agents: ['a-1', 'a-2'],
};

const TASKS = `name: team
tasks:
  - id: build
    title: Builds it
    run: make
  - id: test
    run: make test
    dependsOn: build
  - id: publish
    run: make publish
    dependsOn: [test]
`;

function offered(marked: string, format: 'yaml' | 'json' = 'yaml'): PlanCompletion[] {
  const offset = marked.indexOf('‸');
  assert.ok(offset >= 0);
  return completePlan(marked.replace('‸', ''), offset, FLEET, format);
}

function labels(marked: string, format?: 'yaml' | 'json'): string[] {
  return offered(marked, format).map(({label}) => label);
}

/** The text after the completion was chosen; snippets as they are. */
function accepted(marked: string, label: string): string {
  const item = offered(marked).find(each => each.label === label);
  assert.ok(item, `no ${label} among ${labels(marked).join()}`);
  const text = marked.replace('‸', '');
  return text.slice(0, item.span.from) + item.insert + text.slice(item.span.to);
}

describe('completion of keys', () => {
  it('offers a whole plan in an empty file', () => {
    assert.equal(labels('‸')[0], 'plan');
    assert.ok(labels('‸').includes('name'));
  });

  it('offers what the plan does not have yet', () => {
    const keys = labels(`${TASKS}‸\n`);
    for (const key of ['budgetUsd', 'workspace', 'defaults', 'gates', 'merge'])
      assert.ok(keys.includes(key), key);
    for (const key of ['name', 'tasks', 'prompt', 'plan']) assert.ok(!keys.includes(key), key);
  });

  it('offers them above others too, and while one is typed', () => {
    assert.ok(labels(`‸\n${TASKS}`).includes('agents'));
    assert.ok(labels(`bud‸\n${TASKS}`).includes('budgetUsd'));
  });

  it('describes them', () => {
    const [gates] = offered(`${TASKS}‸`).filter(({label}) => label === 'gates');
    assert.match(gates?.documentation ?? '', /merged result/);
    for (const {label, kind, documentation} of offered(`${TASKS}    ‸`))
      assert.ok(kind !== 'key' || documentation !== undefined, `${label} has no description`);
  });

  it('knows a task: neither what is there, nor a prompt beside a command', () => {
    const keys = labels(`${TASKS}    ‸`);
    for (const key of ['title', 'requires', 'retry', 'permissions', 'split', 'cache'])
      assert.ok(keys.includes(key), key);
    for (const key of ['id', 'run', 'prompt', 'dependsOn']) assert.ok(!keys.includes(key), key);
  });

  it('offers keys and pieces where a task begins', () => {
    const found = labels(`${TASKS}  - ‸`);
    assert.deepEqual(found.slice(0, 4), ['prompt task', 'run task', 'fan-out and fan-in', 'id']);
  });

  it('offers whole tasks in an empty list', () => {
    const text = accepted('name: a\ntasks:\n  ‸', 'run task');
    assert.match(text, /tasks:\n {2}- id: \$\{1:task\}\n {2}run/);
  });

  const PLACES: readonly [place: string, keys: readonly string[]][] = [
    ['retry:\n      ‸', ['max', 'backoff', 'maxBackoff']],
    ['retry: { max: 2, ‸ }', ['backoff', 'maxBackoff']],
    ['permissions:\n      mode: ask\n      ‸', ['allow', 'deny']],
    ['requires:\n      ‸', ['capabilities', 'specializations', 'resources', 'region', 'mode', 'tags']],
    [
      'requires:\n      capabilities:\n        - domain: x\n          ‸',
      ['specialization', 'proficiencyLevel'],
    ],
    ['affinity:\n      - kind: apart\n        ‸', ['with', 'strength']],
    ['gates:\n      - command: make\n        ‸', ['type', 'name', 'onFailure', 'timeout']],
    ['gates:\n      - type: review\n        ‸', ['name', 'onFailure', 'prompt', 'model', 'timeout']],
  ];
  for (const [place, keys] of PLACES)
    it(`knows ${place.split('\n', 1)[0]} of a task`, () => {
      assert.deepEqual(labels(`name: a\ntasks:\n  - id: a\n    ${place}\n  - id: b\n    run: x\n`), keys);
    });

  it('knows the workspace and the defaults', () => {
    assert.deepEqual(labels(`workspace:\n  ‸\n${TASKS}`), ['repository', 'ref', 'setup', 'include']);
    const keys = labels(`defaults:\n  timeout: 10m\n  ‸\n${TASKS}`);
    assert.ok(keys.includes('permissions') && !keys.includes('timeout') && !keys.includes('id'), keys.join());
  });

  it('offers nothing within a prompt, a comment or the name', () => {
    for (const text of [
      'name: ‸\ntasks: []',
      'name: a\ntasks:\n  - id: a\n    prompt: |\n      Do the ‸\n',
      'name: a # ‸\n',
      'name: a\ntasks:\n  - id: a\n    title: ‸\n',
    ])
      assert.deepEqual(labels(text), [], text);
  });

  it('writes what a key needs', () => {
    const task = 'name: a\ntasks:\n  - id: a\n    ';
    assert.equal(accepted(`${task}dep‸`, 'dependsOn'), `${task}dependsOn: [$0]`);
    assert.equal(accepted(`${task}‸`, 'prompt'), `${task}prompt: |\n  $0`);
    assert.equal(accepted(`${task}‸`, 'retry'), `${task}retry:\n  $0`);
    assert.equal(accepted(`${task}‸`, 'gates'), `${task}gates:\n  - $0`);
    assert.equal(accepted(`${task}retry: { ma‸ }`, 'max'), `${task}retry: { max: $0 }`);
    // Only the name, where the rest is there.
    assert.equal(accepted(`${task}ti‸: x`, 'title'), `${task}title: x`);
    // The editor repeats the line's indentation, which does not count the dash.
    assert.equal(accepted('name: a\ntasks:\n  - ‸', 'prompt'), 'name: a\ntasks:\n  - prompt: |\n    $0');
  });
});

describe('completion of values', () => {
  const task = (rest: string): string => `${TASKS}    ${rest}\n`;

  const CHOICES: readonly [place: string, values: readonly string[]][] = [
    ['onLost: ‸', ['rerun', 'ask', 'fail']],
    ['onLost: r‸', ['rerun', 'ask', 'fail']],
    ['permissions: { mode: ‸ }', ['ask', 'acceptEdits', 'dontAsk', 'plan', 'bypass']],
    ['permissions:\n      mode: ‸', ['ask', 'acceptEdits', 'dontAsk', 'plan', 'bypass']],
    ['gates: [{ command: x, onFailure: ‸ }]', ['fail', 'retry', 'rollback']],
    ['requires: { region: ‸ }', ['eu', 'us']],
    ['requires: { tags: [gpu, ‸] }', ['linux']],
    ['requires: { capabilities: [‸] }', ['analysis', 'development']],
    ['requires: { capabilities: [{ domain: ‸ }] }', ['analysis', 'development']],
    ['requires: { specializations: [‸] }', ['rust', 'typescript']],
    ['affinity: [{ kind: region, with: [‸] }]', ['eu', 'us']],
    ['affinity: [{ kind: agent, with: [‸] }]', ['a-1', 'a-2']],
    ['affinity: [{ kind: apart, with: [‸] }]', ['build', 'test']],
  ];
  for (const [place, values] of CHOICES)
    it(`knows ${place.replaceAll(/\n */g, ' ')}`, () => assert.deepEqual(labels(task(place)), values));

  it('explains each choice by itself', () => {
    const [, edits] = offered(task('permissions: { mode: ‸ }'));
    assert.match(edits?.documentation ?? '', /^edits are allowed, other tools/);
  });

  it('offers the synchronisation points of the plan', () => {
    const plan = (place: string): string =>
      `name: a\ntasks:\n  - {id: a, run: x, syncPoint: laid}\n  - {id: b, run: x, syncPoint: {name: built}}\n  - id: c\n    run: x\n    ${place}\n`;
    assert.deepEqual(labels(plan('rollback: { scope: syncPoint, syncPoint: ‸ }')), ['laid', 'built']);
    assert.deepEqual(labels(plan('syncPoint: ‸')), ['laid', 'built']);
  });

  it('offers tasks that close no cycle', () => {
    const at = (place: string): string[] => labels(TASKS.replace('title: Builds it', `dependsOn: ${place}`));
    // Everything waits for build.
    assert.deepEqual(at('‸'), []);
    assert.deepEqual(labels(TASKS.replace('[test]', '[test, ‸]')), ['build']);
    assert.deepEqual(labels(TASKS.replace('[test]', '[‸]')), ['build', 'test']);
    assert.deepEqual(labels(TASKS.replace('[test]', '\n      - ‸')), ['build', 'test']);
    assert.deepEqual(labels(`${TASKS}  - id: last\n    dependsOn: pu‸`), ['build', 'test', 'publish']);
  });

  it('shows what a task is about', () => {
    const [build] = offered(TASKS.replace('[test]', '[‸]'));
    assert.deepEqual([build?.kind, build?.detail], ['task', 'Builds it']);
  });

  it('offers tasks in JSON, whose keys its own editor knows', () => {
    const json =
      '{"name": "a", "tasks": [{"id": "a", "run": "x"}, {"id": "b", "dependsOn": ["‸"], "run": "x"}]}';
    assert.deepEqual(labels(json, 'json'), ['a']);
    assert.deepEqual(labels('{"name": "a", ‸}', 'json'), []);
  });

  it('reads on where other lines are unfinished', () => {
    assert.deepEqual(labels('name: a\ntasks:\n  - id: a\n    run: x\n  - id: b\n    dependsOn: ‸\n    ret'), [
      'a',
    ]);
  });
});
