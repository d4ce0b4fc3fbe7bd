/** The plans that are shipped and those that other tests run: each fits its rehearsal script and its repository. */
import assert from 'node:assert/strict';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parse} from 'yaml';
import {playPlan} from './playPlan.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('plans with their rehearsal scripts', function () {
  this.timeout(60_000);
  let scratch: string;
  beforeEach(() => {
    scratch = mkdtempSync(path.join(tmpdir(), 'mcpx-play-'));
  });
  afterEach(() => rmSync(scratch, {recursive: true, force: true}));

  it('the example is a diamond whose gate fails once and is mended by its evidence', () => {
    const folder = path.join(ROOT, 'examples/greeter');
    const {plan, tasks, result} = playPlan(
      path.join(folder, 'team.mcpx.yaml'),
      path.join(folder, 'team.rehearsal.yaml'),
      folder,
      scratch,
    );
    assert.ok(plan.tasks.length >= 6);
    assert.equal(plan.agents, 3);
    assert.deepEqual([...new Set(plan.tasks.map(task => task.work.kind))].sort(), ['prompt', 'run']);
    assert.deepEqual(plan.tasks.find(task => task.id === 'api')?.dependsOn, ['greet', 'farewell']);
    for (const [id, task] of tasks) assert.equal(task.attempts, id === 'greet' ? 2 : 1, id);
    assert.match(readFileSync(path.join(result, 'API.md'), 'utf8'), /farewell/);
  });

  it('twelve tasks edit a repository, and every dependent sees the edits of its dependencies', () => {
    const folder = path.join(ROOT, 'test/testdata/plans/twelve');
    const {plan, tasks} = playPlan(
      path.join(folder, 'team.mcpx.yaml'),
      path.join(folder, 'team.rehearsal.yaml'),
      path.join(folder, 'repository'),
      scratch,
    );
    assert.equal(plan.tasks.length, 12);
    for (const task of plan.tasks) {
      const tools = tasks.get(task.id)?.tools ?? [];
      if (task.work.kind === 'prompt') assert.ok(tools.includes('Edit') || tools.includes('Write'), task.id);
    }
  });

  it('the CI job runs a plan without secrets in its text', () => {
    const text = readFileSync(path.join(ROOT, 'examples/ci.yml'), 'utf8');
    const {jobs} = parse(text);
    const steps: {run?: string; uses?: string}[] = Object.values<{steps: []}>(jobs).flatMap(job => job.steps);
    assert.ok(steps.some(step => step.run?.includes('run ') && step.run.includes('--junit')));
    assert.doesNotMatch(text, /sk-ant|ghp_|AKIA/);
    for (const line of text.split('\n').filter(line => /_KEY:|_TOKEN:/.test(line)))
      assert.match(line, /\$\{\{ secrets\.[A-Z_]+ \}\}/);
  });
});
