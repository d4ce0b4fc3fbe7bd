// npm test: installs what the tests need (with CI=true or --install, else names it), builds, then runs every suite and sums up.
//   npm test                     everything
//   npm test -- unit chaos       some suites
//   npm test -- --install        install missing packages first
// Test files of real processes that fail are run once more, by themselves; what passes then is listed as unsteady.
import {spawn} from 'node:child_process';
import {closeSync, mkdtempSync, openSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {install, installed, requireTools, root, run, stop} from './install.mjs';

const SUITES = {
  check: {
    title: 'types, lint, format',
    commands: [
      ['npx', ['--no-install', 'tsc', '-p', '.']],
      ['npx', ['--no-install', 'biome', 'check', '--error-on-warnings', '.']],
    ],
  },
  unit: {
    title: 'units, contracts, properties',
    spec: ['test/**/*.test.ts'],
    ignore: [
      'test/agent/**',
      'test/gateway/**',
      'test/conformance/**',
      'test/store/**',
      'test/integration/**',
      'test/failover/**',
      'test/simulation/**',
      'test/chaos/**',
      'test/fuzz/**',
      'test/interop/**',
      'test/vscode/suite/**',
      'test/ui/**',
    ],
  },
  agents: {
    title: 'agents: drivers, workspaces, supervisors, links; MCP servers behind the hub',
    spec: ['test/agent/**/*.test.ts', 'test/gateway/**/*.test.ts'],
    // Either waits for processes a third of the time.
    beside: 'unit',
  },
  stores: {
    title: 'the store: its contract on every driver, crashes, clusters, etcd',
    spec: ['test/conformance/**/*.test.ts', 'test/store/**/*.test.ts'],
    // It waits for elections and disks most of the time.
    beside: 'unit',
  },
  simulation: {
    title: 'Raft, log and store under every fault, from seeds; planted bugs are found',
    spec: ['test/simulation/**/*.test.ts'],
    isDeterministic: true,
  },
  mcp: {
    title: "MCP's conformance suite, its Inspector and Claude Code with the hub",
    spec: ['test/interop/**/*.test.ts'],
    // Some of its scenarios wait for less than a second; what is simulated waits for nothing.
    beside: 'simulation',
  },
  fuzz: {title: 'malformed input', spec: ['test/fuzz/**/*.test.ts'], isDeterministic: true},
  integration: {
    title: 'real processes, real git, real Claude Code (rehearsed)',
    spec: ['test/integration/**/*.test.ts'],
  },
  failover: {
    title: 'coordinators and agents that are lost, and what goes on without them',
    spec: ['test/failover/**/*.test.ts'],
    // It waits for leases most of the time.
    beside: 'integration',
  },
  chaos: {
    title: 'kills, cuts and sleeps: two seeds',
    spec: ['test/chaos/**/*.test.ts'],
    // It waits for timeouts most of the time; windows beside it would draw too late for those who click.
    beside: 'integration',
    after: 'failover',
  },
  vscode: {title: 'the extension in a real VS Code', program: 'test/vscode/run.ts'},
  ui: {title: 'the packaged extension in the hands of a person', spec: ['test/ui/**/*.test.ts']},
};

/** Where more fail, it is not the machine. */
const MAX_FILES_AGAIN = 5;

requireTools();
const args = process.argv.slice(2);
const wanted = args.filter(arg => !arg.startsWith('--'));
for (const name of wanted)
  if (!Object.hasOwn(SUITES, name))
    stop(`There is no suite "${name}": choose from ${Object.keys(SUITES).join(', ')}.`);

if (!installed()) {
  if (process.env.CI === 'true' || args.includes('--install')) install();
  else stop('Packages are missing or out of date. Run "npm ci", or "npm test -- --install".');
}

const started = performance.now();
/** Suites that have begun before their turn. */
const beside = new Map();
const totals = {passed: 0, failed: 0, skipped: 0};
/** Said again at the end, where they are seen. */
const failures = [];
/** Failed among all the others, passed by themselves. */
const unsteady = [];
/** Files to run by themselves, with what failed in them. */
const again = [];
const scratch = mkdtempSync(path.join(tmpdir(), 'mcpx-test-'));
try {
  if (run(process.execPath, ['.config/build.mjs']) !== 0) stop('The build failed.');
  const asked = Object.entries(SUITES).filter(([name]) => wanted.length === 0 || wanted.includes(name));
  for (const [name, suite] of asked) {
    for (const [other, {beside}] of asked) if (beside === name) begin(other);
    console.log(`\n== ${name}: ${suite.title}`);
    const began = performance.now();
    if (suite.commands) runCommands(suite.commands);
    else if (suite.program) runProgram(name, suite.program);
    else await runMocha(name, suite);
    console.log(`== ${name} took ${Math.round((performance.now() - began) / 1000)} s`);
  }
  await runAgain();
} finally {
  rmSync(scratch, {recursive: true, force: true});
}
const skippedSuites = Object.keys(SUITES).filter(name => wanted.length > 0 && !wanted.includes(name));
if (skippedSuites.length > 0) console.log(`\nnot asked for: ${skippedSuites.join(', ')}`);
console.log(`\n${Math.round((performance.now() - started) / 1000)} s`);
for (const title of unsteady) console.log(`  unsteady, passed by itself: ${title}`);
for (const failed of failures) console.log(`  failed: ${failed}`);
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed > 0 || totals.passed === 0 ? 1 : 0);

function runCommands(commands) {
  for (const [command, commandArgs] of commands) {
    const ok = run(command, commandArgs) === 0;
    console.log(`${ok ? '  ok  ' : '  FAILED  '} ${command} ${commandArgs.join(' ')}`);
    if (ok) totals.passed++;
    else fail(`${command} ${commandArgs.join(' ')}`);
  }
}

async function runMocha(name, suite) {
  const {args: mocha, env, stats} = mochaOf(name, suite);
  const begun = beside.get(name);
  const status = await (begun?.ended ?? ended(spawn('npx', mocha, {cwd: root, env, stdio: 'inherit'})));
  if (begun) process.stdout.write(readFileSync(begun.output));
  count(name, status, stats);
}

/** Its output is kept until its turn has come. */
function begin(name) {
  const {args: mocha, env} = mochaOf(name, SUITES[name]);
  const output = path.join(scratch, `${name}.txt`);
  const start = () => {
    const file = openSync(output, 'w');
    const child = spawn('npx', mocha, {cwd: root, env, stdio: ['ignore', file, file]});
    closeSync(file);
    return ended(child);
  };
  const before = beside.get(SUITES[name].after)?.ended;
  beside.set(name, {output, ended: before ? before.then(start) : start()});
}

/** Resolves with its exit code. */
function ended(child) {
  return new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
}

function mochaOf(name, suite) {
  const stats = path.join(scratch, `${name}.json`);
  const ignore = (suite.ignore ?? []).flatMap(glob => ['--ignore', glob]);
  const reporter = ['--reporter', '.config/mochaReporter.cjs', '--reporter-option', `stats=${stats}`];
  // For suites that can fetch what they lack.
  const env = args.includes('--install') ? {...process.env, MCPX_TEST_INSTALL: '1'} : process.env;
  return {args: ['--no-install', 'mocha', ...reporter, ...ignore, ...suite.spec], env, stats};
}

/** It installs what it needs itself, skips what it cannot run, and leaves counts as mocha does. */
function runProgram(name, program) {
  const stats = path.join(scratch, `${name}.json`);
  const flags = args.includes('--install') ? ['--install'] : [];
  const status = run('npx', ['--no-install', 'tsx', program, '--stats', stats, ...flags]);
  count(name, status, stats);
}

/** A suite without counts failed. */
function count(name, status, stats) {
  try {
    const counted = JSON.parse(readFileSync(stats, 'utf8'));
    totals.passed += counted.passes;
    totals.failed += counted.failures;
    totals.skipped += counted.pending;
    for (const title of counted.skipped) console.log(`  skipped: ${title}`);
    const failed = counted.failed.map(title => `${name}: ${title}`);
    unsteady.push(...(counted.unsteady ?? []).map(title => `${name}: ${title}`));
    const canBeRun = counted.files?.length > 0 && !SUITES[name].isDeterministic;
    if (canBeRun) again.push({name, files: counted.files, failed, failures: counted.failures});
    else failures.push(...failed);
    if (status !== 0 && counted.failures === 0) fail(`suite ${name} exited with ${status}`);
  } catch {
    console.log(`  suite ${name} ended without a verdict (exit ${status})`);
    fail(`suite ${name} ended without a verdict`);
  }
}

async function runAgain() {
  const isFew = again.flatMap(({files}) => files).length <= MAX_FILES_AGAIN;
  for (const {name, files, failed, failures: count} of again) {
    const passed = isFew && (await passes(name, files));
    if (passed) {
      totals.failed -= count;
      totals.passed += count;
    }
    (passed ? unsteady : failures).push(...failed);
  }
}

/** A fault of the code is there the second time too. */
async function passes(name, files) {
  console.log(`\n== ${name}, what failed, by itself`);
  const {args: mocha, env, stats} = mochaOf(`${name}-again`, {spec: files});
  const status = await ended(spawn('npx', mocha, {cwd: root, env, stdio: 'inherit'}));
  if (status !== 0) return false;
  const {passes, failures} = JSON.parse(readFileSync(stats, 'utf8'));
  return passes > 0 && failures === 0;
}

function fail(what) {
  totals.failed++;
  failures.push(what);
}
