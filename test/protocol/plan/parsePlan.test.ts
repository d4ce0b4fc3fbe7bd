/** Reading plans: positions, defaults, anchors, and that no input makes it throw or hang. */
import assert from 'node:assert/strict';
import {PLAN_START} from '../../../coordinator/protocol/plan/diagnostics.ts';
import {parsePlan, parsePlanBytes} from '../../../coordinator/protocol/plan/parse.ts';
import {PLAN_DEFAULTS, Plan} from '../../../coordinator/protocol/plan/plan.ts';
import {type Random, seededRandom} from '../../../coordinator/runtime/random.ts';
import {corpus} from './corpus.ts';

function good(text: string): Extract<ReturnType<typeof parsePlan>, {kind: 'plan'}> {
  const parsed = parsePlan(text);
  assert.equal(parsed.kind, 'plan', JSON.stringify(parsed));
  if (parsed.kind !== 'plan') throw new Error('unreachable');
  return parsed;
}

function firstProblem(text: string): string {
  const parsed = parsePlan(text);
  assert.equal(parsed.kind, 'invalid');
  const [first] = parsed.kind === 'invalid' ? parsed.diagnostics : [];
  return first ? `${first.position.line}:${first.position.column} ${first.message}` : '';
}

const MINIMAL = 'name: x\ntasks: [{id: a, run: "true"}]\n';

describe('well-formed plans', () => {
  for (const {name, bytes} of corpus('good')) {
    it(`${name} is a plan that fits the wire and the store`, () => {
      const parsed = parsePlanBytes(bytes);
      assert.equal(parsed.kind, 'plan', JSON.stringify(parsed));
      if (parsed.kind !== 'plan') return;
      assert.deepEqual(parsed.warnings, []);
      const travelled: unknown = JSON.parse(JSON.stringify(parsed.plan));
      assert.deepEqual(JSON.parse(JSON.stringify(Plan.parse(travelled))), travelled);
    });
  }

  it('get every default filled in', () => {
    const {plan} = good('name: x\ntasks:\n  - {id: a, prompt: Do it.}\n');
    assert.deepEqual(plan.workspace, {
      kind: 'git',
      repository: undefined,
      ref: undefined,
      setup: [],
      include: [],
    });
    assert.equal(plan.mode, 'hybrid');
    assert.equal(plan.strategy, 'capability-weighted');
    const [task] = plan.tasks;
    assert.equal(task?.timeoutMs, PLAN_DEFAULTS.timeoutMs);
    assert.deepEqual(task?.retry, PLAN_DEFAULTS.retry);
    assert.equal(task?.onLost, 'rerun');
    assert.equal(task?.maxLosses, 3);
    assert.deepEqual(task?.work.kind === 'prompt' && task.work.permissions, PLAN_DEFAULTS.permissions);
  });

  it('take what the task says before the defaults, key by key', () => {
    const {plan} = good(`
name: x
env: {A: plan, B: plan, C: plan}
secrets: [S]
defaults: {timeout: 5m, model: opus, env: {B: defaults, C: defaults}, secrets: [T, S], gates: [lint]}
tasks:
  - {id: a, prompt: p, timeout: 90, env: {C: task}, gates: []}
  - {id: b, prompt: p}
`);
    const [a, b] = plan.tasks;
    assert.deepEqual(a?.env, {A: 'plan', B: 'defaults', C: 'task'});
    assert.equal(a?.timeoutMs, 90_000);
    assert.deepEqual(a?.gates, []);
    assert.equal(b?.timeoutMs, 300_000);
    assert.deepEqual(b?.secrets, ['S', 'T']);
    assert.deepEqual(b?.gates, [
      {name: 'b-gate-1', type: 'command', command: 'lint', onFailure: 'retry', timeoutMs: 600_000},
    ]);
    assert.equal(b?.work.kind === 'prompt' && b.work.model, 'opus');
  });

  it('merge dependencies in plan order, each once', () => {
    const {plan} = good(
      'name: x\ntasks: [{id: a, run: x}, {id: b, run: x}, {id: c, run: x, dependsOn: [b, a, b]}]\n',
    );
    assert.deepEqual(plan.tasks[2]?.dependsOn, ['a', 'b']);
  });

  it('may use anchors, aliases and merge keys', () => {
    const {plan} = good(
      new TextDecoder().decode(corpus('good').find(file => file.name === 'anchors.yaml')?.bytes),
    );
    assert.equal(plan.tasks[1]?.timeoutMs, 420_000);
    assert.deepEqual(plan.tasks[1]?.env, {A: 'x', B: 'z'});
  });

  it('may use one anchor in thousands of tasks', () => {
    const tasks = Array.from({length: 5000}, (_, index) => `  - {id: t${index}, run: x, env: *e}\n`).join('');
    assert.equal(good(`name: x\nenv: &e {A: b}\ntasks:\n${tasks}`).plan.tasks.length, 5000);
  });

  it('read values as YAML 1.2 does', () => {
    const {plan} = good(
      'name: x\ntasks: [{id: a, run: yes, env: {A: on, B: no, C: 010, D: 1e3, E: null x}}]\n',
    );
    assert.equal(plan.tasks[0]?.work.kind === 'run' && plan.tasks[0].work.command, 'yes');
    assert.deepEqual(plan.tasks[0]?.env, {A: 'on', B: 'no', C: '10', D: '1000', E: 'null x'});
  });

  it('of 50,000 tasks in a chain are read in seconds', function () {
    this.timeout(60_000);
    const tasks = Array.from(
      {length: 50_000},
      (_, index) => `  - {id: t${index}, run: x${index > 0 ? `, dependsOn: t${index - 1}` : ''}}\n`,
    );
    const started = performance.now();
    assert.equal(good(`name: x\ntasks:\n${tasks.join('')}`).plan.tasks.length, 50_000);
    assert.ok(performance.now() - started < 30_000);
  });
});

describe('tasks that are added to a plan', () => {
  const {plan} = good('name: x\ntasks: [{id: b, run: "true"}, {id: a, run: "true", dependsOn: b}]\n');
  const added = (task: string) =>
    parsePlan(`name: more\ntasks:\n  - ${task}\n  - {id: c, run: "true"}\n`, plan);

  it('may name its tasks, in whose order they are merged', () => {
    const affinity = 'affinity: [{kind: with, with: [b], strength: prefer}]';
    const parsed = added(
      `{id: d, run: "true", dependsOn: [c, a, b], ${affinity.replace('kind: with', 'kind: sameAgent')}}`,
    );
    assert.ok(parsed.kind === 'plan', JSON.stringify(parsed));
    assert.deepEqual(
      parsed.plan.tasks.map(({id, dependsOn}) => [id, ...dependsOn]),
      [['d', 'b', 'a', 'c'], ['c']],
    );
  });

  it('are told with line and column what they name in vain, and circles', () => {
    for (const [task, message] of [
      ['{id: d, run: "true", dependsOn: [e]}', /no task is called "e"/],
      ['{id: d, run: "true", dependsOn: [d]}', /form a cycle/],
    ] as const) {
      const parsed = added(task);
      assert.ok(parsed.kind === 'invalid');
      assert.match(parsed.diagnostics[0]?.message ?? '', message);
      assert.equal(parsed.diagnostics[0]?.position.line, 3);
    }
  });

  it('may replace none for the eyes of this check: whoever adds them knows which are the same', () => {
    assert.equal(added('{id: a, run: "true"}').kind, 'plan');
  });
});

describe('positions', () => {
  const {positionOf} = good(
    'name: x\ndefaults: &d\n  env: {A: b}\ntasks:\n  - id: a\n    run: x\n    dependsOn: []\n    <<: *d\n    retry:\n      max: 2\n',
  );
  for (const [path, line, column] of [
    [[], 1, 1],
    [['name'], 1, 7],
    [['tasks', 0], 5, 5],
    [['tasks', 0, 'id'], 5, 9],
    [['tasks', 0, 'dependsOn'], 7, 16],
    [['tasks', 0, 'retry'], 10, 7],
    [['tasks', 0, 'retry', 'max'], 10, 12],
    [['tasks', 0, 'env', 'A'], 3, 12],
    [['tasks', 0, 'nothing', 'here'], 5, 5],
    [['tasks', 7], 5, 3],
  ] as const) {
    it(`of ${JSON.stringify(path)} is ${line}:${column}`, () => {
      const position = positionOf(path);
      assert.deepEqual([position.line, position.column], [line, column]);
    });
  }

  it('end on or after their start', () => {
    for (const {bytes} of corpus('bad')) {
      const parsed = parsePlanBytes(bytes);
      for (const {position} of parsed.kind === 'invalid' ? parsed.diagnostics : [])
        assert.ok(
          position.end.line > position.line ||
            (position.end.line === position.line && position.end.column >= position.column),
        );
    }
  });

  it('do not count a byte order mark', () => {
    assert.equal(firstProblem('\uFEFFname: 1\ntasks: [{id: a, run: x}]'), '1:7 expected text, found 1');
  });

  it('count lines that end in CR LF once', () => {
    assert.equal(firstProblem(`\r\n\r\nname: 1\r\n${MINIMAL.slice(8)}`), '3:7 expected text, found 1');
  });
});

describe('bounds', () => {
  it('refuse a text that is too long without reading it', () => {
    assert.match(firstProblem('#'.repeat(16 * 1024 * 1024 + 1)), /at most 16777216 are read/);
  });

  const hostile: Readonly<Record<string, string>> = {
    'brackets without end': '['.repeat(200_000),
    'braces without end': '{a: '.repeat(200_000),
    'dashes without end': '- '.repeat(200_000),
    'question marks without end': '? '.repeat(200_000),
    'colons without end': ': '.repeat(200_000),
    'indentation without end': Array.from({length: 2000}, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    'anchors without end': '&a '.repeat(50_000),
    'tags without end': '!a '.repeat(50_000),
    'quotes without end': '"'.repeat(100_000),
    'comments without end': '#\n'.repeat(100_000),
    'documents without end': '---\n'.repeat(50_000),
    'keys without end': Array.from({length: 100_000}, (_, index) => `k${index}:`).join('\n'),
    'variables without end': `name: x\nenv: {${Array.from({length: 50_000}, (_, index) => `A${index}: 1`).join(', ')}}\n${MINIMAL.slice(8)}`,
    'dependencies without end': `name: x\ntasks: [{id: a, run: x, dependsOn: [${'b, '.repeat(50_000)}]}]`,
    'aliases that alias aliases': `a0: &a0 []\n${Array.from({length: 20_000}, (_, index) => `a${index + 1}: &a${index + 1} [*a${index}]`).join('\n')}`,
    'merges of merges': `a0: &a0 {k: v}\n${Array.from({length: 30_000}, (_, index) => `a${index + 1}: &a${index + 1} {<<: *a${index}, k${index}: v}`).join('\n')}`,
    'a doubling of aliases': `a0: &a0 [x]\n${Array.from({length: 90}, (_, index) => `a${index + 1}: &a${index + 1} [*a${index}, *a${index}]`).join('\n')}`,
    'unknown dependencies': `name: x\ntasks:\n${Array.from({length: 20_000}, (_, index) => `  - {id: task${index}, run: x, dependsOn: other${index}}\n`).join('')}`,
  };
  for (const [what, text] of Object.entries(hostile)) {
    it(`hold against ${what}`, function () {
      this.timeout(15_000);
      const parsed = parsePlan(text);
      assert.equal(parsed.kind, 'invalid');
      if (parsed.kind === 'invalid')
        assert.ok(parsed.diagnostics.length >= 1 && parsed.diagnostics.length <= 100);
    });
  }
});

describe('any text at all', () => {
  const CASES = 4000;
  const pieces = [
    '- ',
    ': ',
    '? ',
    '{',
    '}',
    '[',
    ']',
    ',',
    '&a ',
    '*a',
    '<<: ',
    '"',
    "'",
    '|\n',
    '>-\n',
    '#',
    '---\n',
    '...\n',
    '%YAML 1.2\n',
    '!!str ',
    '!x ',
    '\t',
    '\r',
    '\n',
    '\n\n  ',
    '\0',
    '\uFEFF',
    '\uD800',
    '💥',
    '.nan',
    '.inf',
    '1e999',
    '0x',
    '~',
    'null',
    'true',
    '__proto__',
    'constructor',
    'tasks',
    'dependsOn',
    'id: a\n',
    'prompt',
    'run',
    '9'.repeat(40),
    'x'.repeat(300),
    ' '.repeat(40),
  ];

  function mutate(text: string, random: Random): string {
    const at = (length: number): number => Math.floor(random.next() * (length + 1));
    let result = text;
    for (let edits = 1 + at(4); edits > 0; edits--) {
      const [from, to] = [at(result.length), at(result.length)].sort((a, b) => a - b) as [number, number];
      const piece = pieces[at(pieces.length - 1)] ?? '';
      const choice = at(5);
      if (choice === 0) result = result.slice(0, from);
      else if (choice === 1) result = result.slice(0, from) + result.slice(Math.min(to, from + 20));
      else if (choice === 2)
        result = result.slice(0, from) + result.slice(from, from + 60) + result.slice(from);
      else if (choice === 3)
        result = result.slice(0, from) + String.fromCharCode(at(0x2100)) + result.slice(from + 1);
      else result = result.slice(0, from) + piece + result.slice(from + (choice === 4 ? piece.length : 0));
    }
    return result;
  }

  it(`of ${CASES} mutated plans is a plan or has positioned problems, and never throws`, function () {
    this.timeout(120_000);
    const seed = Number(process.env['SEED'] ?? 20260101);
    const random = seededRandom(seed);
    const texts = corpus('good').map(file => new TextDecoder().decode(file.bytes));
    const kinds = {plan: 0, invalid: 0};
    for (let index = 0; index < CASES; index++) {
      const text = mutate(texts[index % texts.length] ?? '', random);
      const what = `SEED=${seed}, case ${index}: ${JSON.stringify(text)}`;
      let parsed: ReturnType<typeof parsePlan>;
      try {
        parsed = parsePlan(text);
      } catch (error) {
        throw new Error(what, {cause: error});
      }
      kinds[parsed.kind] += 1;
      if (parsed.kind === 'plan') {
        assert.ok(Plan.safeParse(JSON.parse(JSON.stringify(parsed.plan))).success, what);
        continue;
      }
      assert.ok(
        parsed.diagnostics.some(({severity}) => severity === 'error'),
        what,
      );
      const lines = text.split('\n').length;
      for (const {position, message} of parsed.diagnostics) {
        assert.ok(position.line >= 1 && position.line <= lines && position.column >= 1, what);
        assert.doesNotMatch(message, /[\n\r]/, what);
        assert.notEqual(message, '', what);
      }
    }
    // Else the mutations try nothing.
    assert.ok(kinds.plan > CASES / 50 && kinds.invalid > CASES / 4, JSON.stringify(kinds));
  });

  it('of bytes is a plan or has a problem with a position', () => {
    const random = seededRandom(7);
    for (let index = 0; index < 500; index++) {
      const bytes = Buffer.from(random.hex(1 + Math.floor(random.next() * 200)), 'hex');
      const parsed = parsePlanBytes(bytes);
      assert.equal(parsed.kind, 'invalid');
      assert.ok(parsed.kind === 'invalid' && (parsed.diagnostics[0]?.position.line ?? 0) >= PLAN_START.line);
    }
  });
});
