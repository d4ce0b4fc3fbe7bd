/**
 * Plays a plan with its rehearsal script on a real git repository, without agents: worktree by worktree, the scripted edits, commands, gates and
 * merges. It shows that a plan and its script fit together; how agents run them is tested elsewhere.
 */
import assert from 'node:assert/strict';
import {type SpawnSyncReturns, spawnSync} from 'node:child_process';
import {cpSync, existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {nextTurn} from '../../coordinator/agent/rehearsal/play.ts';
import {parseRehearsalScript, type RehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import {topologicalOrder} from '../../coordinator/protocol/plan/graph.ts';
import {parsePlanBytes} from '../../coordinator/protocol/plan/parse.ts';
import type {Plan, TaskSpecification} from '../../coordinator/protocol/plan/plan.ts';

export interface PlayedTask {
  readonly attempts: number;
  readonly commit: string;
  /** Tools of the accepted attempt, in order. */
  readonly tools: readonly string[];
}

export interface PlayedPlan {
  readonly plan: Plan;
  readonly tasks: ReadonlyMap<string, PlayedTask>;
  /** Worktree of the merged result. */
  readonly result: string;
}

/** `scratch` is an empty folder; `source` holds the repository's files. */
export function playPlan(planFile: string, scriptFile: string, source: string, scratch: string): PlayedPlan {
  const parsed = parsePlanBytes(readFileSync(planFile));
  assert.equal(parsed.kind, 'plan', JSON.stringify(parsed));
  if (parsed.kind !== 'plan') throw new Error('unreachable');
  assert.deepEqual(parsed.warnings, []);
  return new Stage(
    parsed.plan,
    parseRehearsalScript(readFileSync(scriptFile, 'utf8'), scriptFile),
    scratch,
  ).play(source);
}

class Stage {
  private readonly repository: string;
  private readonly tasks = new Map<string, PlayedTask>();

  constructor(
    private readonly plan: Plan,
    private readonly script: RehearsalScript,
    private readonly scratch: string,
  ) {
    this.repository = path.join(scratch, 'repository');
  }

  play(source: string): PlayedPlan {
    cpSync(source, this.repository, {recursive: true});
    this.git(this.repository, 'init', '--quiet', '--initial-branch=main');
    this.commit(this.repository, 'start');
    const start = this.git(this.repository, 'rev-parse', 'HEAD');
    for (const index of topologicalOrder(this.plan.tasks)) {
      const task = this.plan.tasks[index];
      if (task) this.tasks.set(task.id, this.playTask(task, start));
    }
    const needed = new Set(this.plan.tasks.flatMap(task => task.dependsOn));
    const sinks = this.plan.tasks.filter(task => !needed.has(task.id)).map(task => task.id);
    const result = this.worktree('result', sinks, start);
    for (const gate of this.plan.gates) {
      assert.equal(gate.type, 'command', `gate ${gate.name} is not played here`);
      const ran = shell(gate.type === 'command' ? gate.command : 'false', result);
      assert.equal(ran.status, 0, `gate ${gate.name}: ${ran.stdout}${ran.stderr}`);
    }
    return {plan: this.plan, tasks: this.tasks, result};
  }

  private playTask(task: TaskSpecification, start: string): PlayedTask {
    let evidence = '';
    for (let attempt = 1; attempt <= task.retry.max + 1; attempt++) {
      const worktree = this.worktree(`${task.id}.${attempt}`, task.dependsOn, start);
      const tools = this.work(task, attempt, worktree, evidence);
      const failed = task.gates
        .flatMap(gate =>
          // Gates of other types are judged by agents and people, who do not play here.
          gate.type === 'command' ? {gate, ran: shell(gate.command, worktree)} : [],
        )
        .find(({ran}) => ran.status !== 0);
      if (!failed) {
        this.commit(worktree, task.id);
        return {attempts: attempt, commit: this.git(worktree, 'rev-parse', 'HEAD'), tools};
      }
      evidence = `${failed.ran.stdout}${failed.ran.stderr}`.slice(-8192);
      assert.equal(failed.gate.onFailure, 'retry', `${task.id}: ${evidence}`);
    }
    throw new assert.AssertionError({message: `${task.id} never passed its gates:\n${evidence}`});
  }

  private work(task: TaskSpecification, attempt: number, worktree: string, evidence: string): string[] {
    if (task.work.kind === 'run') {
      const ran = shell(task.work.command, worktree);
      assert.equal(ran.status, 0, `${task.id}: ${ran.stdout}${ran.stderr}`);
      return ['run'];
    }
    assert.equal(task.work.kind, 'prompt');
    const prompt = task.work.kind === 'prompt' ? task.work.prompt : '';
    assert.ok(Object.hasOwn(this.script.tasks, task.id), `${task.id} has no script`);
    const scene = {taskId: task.id, attempt, worktree, isSubagent: false};
    const steps: ({kind: 'said'; text: string} | {kind: 'answered'})[] = [
      {kind: 'said', text: `${prompt}\n\n${evidence}`},
    ];
    const tools: string[] = [];
    const known = new Set<string>();
    for (;;) {
      const {turn} = nextTurn(this.script, scene, {marker: undefined, steps});
      for (const {tool, input} of turn.calls ?? []) {
        tools.push(tool);
        callTool(tool, input, worktree, known);
      }
      if (!turn.calls) return tools;
      steps.push({kind: 'answered'});
    }
  }

  private worktree(name: string, inputs: readonly string[], start: string): string {
    const folder = path.join(this.scratch, name);
    const commits = inputs.map(id => this.tasks.get(id)?.commit ?? start);
    this.git(this.repository, 'worktree', 'add', '--quiet', '--detach', folder, commits[0] ?? start);
    for (const commit of commits.slice(1)) this.git(folder, 'merge', '--quiet', '--no-edit', commit);
    return folder;
  }

  private commit(folder: string, message: string): void {
    this.git(folder, 'add', '--all');
    this.git(folder, 'commit', '--quiet', '--allow-empty', '--message', message);
  }

  private git(folder: string, ...args: string[]): string {
    const identity = [
      '-c',
      'user.name=Test',
      '-c',
      'user.email=test@localhost',
      '-c',
      'commit.gpgsign=false',
    ];
    const ran = spawnSync('git', ['-C', folder, ...identity, ...args], {encoding: 'utf8'});
    assert.equal(ran.status, 0, `git ${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
    return ran.stdout.trim();
  }
}

/** As Claude Code's tools judge: a file is read before it is changed, and an edit's old text is there exactly once. */
function callTool(
  tool: string,
  input: Readonly<Record<string, unknown>>,
  worktree: string,
  known: Set<string>,
): void {
  const file = String(input['file_path'] ?? '');
  if (tool !== 'Bash') assert.ok(file.startsWith(`${worktree}/`), `${tool} ${file}`);
  switch (tool) {
    case 'Read':
      assert.ok(existsSync(file), `${file} is not there`);
      known.add(file);
      break;
    case 'Write':
      assert.ok(known.has(file) || !existsSync(file), `${file} was not read before`);
      mkdirSync(path.dirname(file), {recursive: true});
      writeFileSync(file, String(input['content']));
      known.add(file);
      break;
    case 'Edit': {
      assert.ok(known.has(file), `${file} was not read before`);
      const before = readFileSync(file, 'utf8');
      const old = String(input['old_string']);
      assert.equal(before.split(old).length, 2, `${file}: ${old}`);
      writeFileSync(
        file,
        before.replace(old, () => String(input['new_string'])),
      );
      break;
    }
    case 'Bash': {
      const ran = shell(String(input['command']), worktree);
      assert.equal(ran.status, 0, `${input['command']}: ${ran.stdout}${ran.stderr}`);
      break;
    }
    default:
      assert.fail(`${tool} is not played here`);
  }
}

function shell(command: string, cwd: string): SpawnSyncReturns<string> {
  const {NODE_TEST_CONTEXT: _, ...env} = process.env;
  return spawnSync('/bin/sh', ['-c', command], {cwd, encoding: 'utf8', env});
}
