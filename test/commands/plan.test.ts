/** The verbs of `mcpx plan`, in process. */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {Command} from 'commander';
import {
  addPlanCommands,
  type PlanIo,
  planCheck,
  planGraph,
  planSchema,
} from '../../coordinator/commands/plan.ts';
import {assertGolden} from '../golden.ts';

const PLANS = fileURLToPath(new URL('../testdata/plans/', import.meta.url));
const GOLDEN = fileURLToPath(new URL('../testdata/reports/', import.meta.url));

class Recorder implements PlanIo {
  out = '';
  err = '';
  constructor(readonly cwd: string) {}
  stdout(text: string): void {
    this.out += text;
  }
  stderr(text: string): void {
    this.err += text;
  }
}

describe('mcpx plan', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-plan-'));
  });
  afterEach(() => rmSync(folder, {recursive: true, force: true}));

  it('check says how many tasks a good plan has and exits with 0', async () => {
    const io = new Recorder(PLANS);
    assert.equal(await planCheck(['good/everything.yaml', 'good/plan.json'], io), 0);
    assert.equal(
      io.out,
      'good/everything.yaml: "everything" is in order: 4 tasks (2 for Claude Code, 2 commands)\n' +
        'good/plan.json: "json 😀 /" is in order: 2 tasks (1 for Claude Code, 1 command)\n',
    );
    assert.equal(io.err, '');
  });

  it('check names file, line and column of a problem, goes on with the next file and exits with 1', async () => {
    const io = new Recorder(PLANS);
    assert.equal(await planCheck(['bad/unknownDependency.yaml', 'good/plan.json'], io), 1);
    assert.equal(
      io.err,
      'bad/unknownDependency.yaml:9:9: error: tasks[1].dependsOn[1]: no task is called "biuld"; did you mean "build"?\n',
    );
    assert.match(io.out, /^good\/plan\.json: /);
  });

  it('check writes warnings and still exits with 0', async () => {
    writeFileSync(
      path.join(folder, 'w.yaml'),
      'name: w\nenv: {V: 1.10}\ntasks: [{id: a, run: x, model: opus}]\n',
    );
    const io = new Recorder(folder);
    assert.equal(await planCheck(['w.yaml'], io), 0);
    assert.equal(
      io.err,
      'w.yaml:2:10: warning: env.V: 1.10 is read as the number 1.1: quote it to keep it as written\n' +
        'w.yaml:3:25: warning: tasks[0].model: "model" has no meaning for a "run" task\n',
    );
  });

  for (const [what, file, message] of [
    ['a missing file', 'missing.yaml', 'there is no such file'],
    ['a folder', '.', 'it is a folder, not a plan file'],
    ['a file below a file', 'file/plan.yaml', 'there is no such file'],
    ['a name that is too long', `${'x'.repeat(300)}.yaml`, 'the name is too long for a file'],
  ] as const) {
    it(`check says what is wrong with ${what}`, async () => {
      writeFileSync(path.join(folder, 'file'), '');
      const io = new Recorder(folder);
      assert.equal(await planCheck([file], io), 1);
      assert.equal(io.err, `${file}: error: ${message}\n`);
    });
  }

  it('check says where a file is not UTF-8', async () => {
    const io = new Recorder(PLANS);
    assert.equal(await planCheck(['bad/latin1.yaml'], io), 1);
    assert.equal(io.err, 'bad/latin1.yaml:4:17: error: the file is not UTF-8 from here on\n');
  });

  it('schema prints JSON Schema', () => {
    const io = new Recorder(folder);
    assert.equal(planSchema(io), 0);
    assert.equal(JSON.parse(io.out).$schema, 'http://json-schema.org/draft-07/schema#');
  });

  for (const format of ['text', 'dot', 'mermaid'] as const) {
    it(`graph draws the plan as ${format}`, async () => {
      const io = new Recorder(PLANS);
      assert.equal(await planGraph('good/everything.yaml', format, io), 0);
      assertGolden(path.join(GOLDEN, `planGraph.${format}.txt`), io.out);
    });
  }

  it('graph of a malformed plan prints its problems and nothing else', async () => {
    const io = new Recorder(PLANS);
    assert.equal(await planGraph('bad/cycle.yaml', 'text', io), 1);
    assert.equal(io.out, '');
    assert.match(io.err, /cycle: a -> c -> b -> a/);
  });

  it('is reached through the command line', async () => {
    const run = async (...args: string[]): Promise<{exit: number | undefined; io: Recorder}> => {
      const io = new Recorder(PLANS);
      let exit: number | undefined;
      const program = new Command('mcpx').exitOverride();
      addPlanCommands(program, io, code => {
        exit = code;
      });
      await program.parseAsync(['node', 'mcpx', ...args]);
      return {exit, io};
    };
    assert.equal((await run('plan', 'check', 'good/plan.json', 'bad/cycle.yaml')).exit, 1);
    const {exit, io} = await run('plan', 'graph', '--mermaid', 'good/plan.json');
    assert.equal(exit, 0);
    assert.match(io.out, /^flowchart LR\n/);
  });
});
