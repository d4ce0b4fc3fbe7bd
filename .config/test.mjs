// npm test: installs what the tests need (with CI=true or --install, else names it), builds, then runs every suite and sums up.
//   npm test                     everything
//   npm test -- unit chaos       some suites
//   npm test -- --install        install missing packages first
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {install, installed, requireTools, run, stop} from './install.mjs';

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
      'test/integration/**',
      'test/simulation/**',
      'test/chaos/**',
      'test/fuzz/**',
      'test/vscode/suite/**',
      'test/ui/**',
    ],
  },
  simulation: {
    title: 'Raft, log and store under every fault, from seeds; planted bugs are found',
    spec: ['test/simulation/**/*.test.ts'],
  },
  fuzz: {title: 'malformed input', spec: ['test/fuzz/**/*.test.ts']},
  integration: {
    title: 'real processes, real git, real Claude Code (rehearsed)',
    spec: ['test/integration/**/*.test.ts'],
  },
  chaos: {title: 'kills, cuts and sleeps: two seeds', spec: ['test/chaos/**/*.test.ts']},
  vscode: {title: 'the extension in a real VS Code', program: 'test/vscode/run.ts'},
  ui: {title: 'the packaged extension in the hands of a person', spec: ['test/ui/**/*.test.ts']},
};

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
const totals = {passed: 0, failed: 0, skipped: 0};
const scratch = mkdtempSync(path.join(tmpdir(), 'mcpx-test-'));
try {
  if (run(process.execPath, ['.config/build.mjs']) !== 0) stop('The build failed.');
  for (const [name, suite] of Object.entries(SUITES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    console.log(`\n== ${name}: ${suite.title}`);
    if (suite.commands) runCommands(suite.commands);
    else if (suite.program) runProgram(name, suite.program);
    else runMocha(name, suite);
  }
} finally {
  rmSync(scratch, {recursive: true, force: true});
}
const skippedSuites = Object.keys(SUITES).filter(name => wanted.length > 0 && !wanted.includes(name));
if (skippedSuites.length > 0) console.log(`\nnot asked for: ${skippedSuites.join(', ')}`);
console.log(`\n${Math.round((performance.now() - started) / 1000)} s`);
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed > 0 || totals.passed === 0 ? 1 : 0);

function runCommands(commands) {
  for (const [command, commandArgs] of commands) {
    const ok = run(command, commandArgs) === 0;
    console.log(`${ok ? '  ok  ' : '  FAILED  '} ${command} ${commandArgs.join(' ')}`);
    if (ok) totals.passed++;
    else totals.failed++;
  }
}

function runMocha(name, suite) {
  const stats = path.join(scratch, `${name}.json`);
  const ignore = (suite.ignore ?? []).flatMap(glob => ['--ignore', glob]);
  const mocha = ['--no-install', 'mocha', '--reporter', '.config/mochaReporter.cjs'];
  // For suites that can fetch what they lack.
  const env = args.includes('--install') ? {...process.env, MCPX_TEST_INSTALL: '1'} : process.env;
  const status = run('npx', [...mocha, '--reporter-option', `stats=${stats}`, ...ignore, ...suite.spec], {
    env,
  });
  count(name, status, stats);
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
    if (status !== 0 && counted.failures === 0) totals.failed++;
  } catch {
    console.log(`  suite ${name} ended without a verdict (exit ${status})`);
    totals.failed++;
  }
}
