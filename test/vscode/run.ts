/** Runs the extension's suites in a real VS Code: `tsx test/vscode/run.ts [--install] [--stats FILE] [--grep TEXT] [SUITE...]`. The tests are in suite/, one folder a window. */
import {existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {parseArgs} from 'node:util';
import {runTests} from '@vscode/test-electron';
import * as esbuild from 'esbuild';
import {Person, ROOT} from '../integration/person.ts';
import {UserRepository} from '../integration/userRepository.ts';
import {cacheFolder} from '../support/npmCache.ts';
import {within} from '../support/waiting.ts';
import {addCounts, type Counts, countsOf, failure, inSecondWindow, NOTHING} from './counts.ts';
import {chooseEditor} from './editors.ts';
import {LAUNCHES, type Launch, QUIET_SETTINGS} from './launches.ts';

const SUITES = path.join(ROOT, 'test/vscode/suite');

/** Of one window; its tests have limits of their own. */
const LAUNCH_LIMIT_MS = 360_000;

/** Where more windows fail, it is not the machine. */
const MAX_SECOND_WINDOWS = 2;

/** What a window is shown with. Of the surroundings it gets nothing else. */
const WINDOW_VARIABLES = ['DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY', 'XDG_RUNTIME_DIR'];

interface Options {
  readonly install: boolean;
  readonly stats?: string;
  readonly grep?: string;
  readonly launches: readonly Launch[];
}

/** The window that is open ends by the same signal, then this program. */
let interrupted = false;
process.on('SIGINT', () => {
  interrupted = true;
});
for (const signal of ['SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => process.emit('SIGINT', 'SIGINT'));

/** True unless something failed. */
async function main(): Promise<boolean> {
  const options = parseOptions();
  const counts = await countAll(options);
  if (options.stats === undefined) for (const title of counts.skipped) console.log(`  skipped: ${title}`);
  else writeFileSync(options.stats, JSON.stringify(counts));
  return counts.failures === 0;
}

function parseOptions(): Options {
  const {values, positionals} = parseArgs({
    allowPositionals: true,
    options: {install: {type: 'boolean'}, stats: {type: 'string'}, grep: {type: 'string'}},
  });
  const known = LAUNCHES.map(({suite}) => suite);
  for (const name of positionals)
    if (!known.includes(name)) throw new Error(`There is no suite ${name}: choose from ${known.join(', ')}.`);
  const launches = LAUNCHES.filter(({suite}) => positionals.length === 0 || positionals.includes(suite));
  return {...values, install: values.install ?? process.env['CI'] === 'true', launches};
}

async function countAll({install, grep, launches}: Options): Promise<Counts> {
  // Processes that were left behind are found through /proc.
  if (process.platform !== 'linux') return skipAll(`needs Linux, this is ${process.platform}`);
  if (!existsSync(path.join(ROOT, 'dist/extension.cjs')))
    throw new Error('The extension is not built: npm run build.');
  const editor = await chooseEditor(process.env, install);
  if (editor.kind === 'none')
    return skipAll(
      `no VS Code to run in. Missing: ${editor.missing.join(', ')}. "npm test -- --install vscode" fetches it, MCPX_VSCODE names one`,
    );
  console.log(`  in ${editor.name}`);
  const suites = await bundleSuites();
  try {
    let counts = NOTHING;
    let secondWindows = MAX_SECOND_WINDOWS;
    for (const launch of launches) {
      if (interrupted) return addCounts(counts, failure('interrupted'));
      console.log(`\n  ${launch.suite}: ${launch.title}`);
      const open = () => countLaunch(launch, editor.executable, suites, grep);
      const counted = await open();
      if (launch.mustFail) counts = addCounts(counts, failureExpected(launch, counted));
      else if (counted.failures === 0 || secondWindows === 0 || interrupted)
        counts = addCounts(counts, counted);
      else {
        secondWindows -= 1;
        console.log(`\n  ${launch.suite}, in another window`);
        counts = addCounts(counts, inSecondWindow(counted, await open()));
      }
    }
    return counts;
  } finally {
    rmSync(suites, {recursive: true, force: true});
  }
}

function skipAll(why: string): Counts {
  return {...NOTHING, pending: 1, skipped: [`VS Code: ${why}`]};
}

/** One test: whether a suite that cannot pass is seen to fail. */
function failureExpected({suite}: Launch, {failures}: Counts): Counts {
  console.log(failures > 0 ? '  failed, as it must' : '  PASSED, which it must not');
  return failures > 0 ? {...NOTHING, passes: 1} : failure(`${suite}: it passed`);
}

/** In a window of its own, by a person of its own; a process that stays behind is a failure. */
async function countLaunch(
  launch: Launch,
  executable: string,
  suites: string,
  grep: string | undefined,
): Promise<Counts> {
  const person = new Person();
  const stats = path.join(person.root, 'stats.json');
  const variables = {
    MCPX_TEST_ARTIFACTS: path.join(ROOT, 'out/vscode', launch.suite),
    MCPX_TEST_CACHE: cacheFolder(process.env),
    MCPX_TEST_ROOT: ROOT,
    MCPX_TEST_STATS: stats,
    MCPX_TEST_SUITE: path.join(suites, launch.suite),
    ...(grep === undefined ? {} : {MCPX_TEST_GREP: grep}),
  };
  let counts: Counts;
  try {
    const workspace = makeWorkspace(launch, person);
    if (launch.running !== undefined) await startPlan(launch.running, workspace, person);
    if (launch.wasKilled) for (const {pid} of person.processes()) process.kill(pid, 'SIGKILL');
    const running = runTests({
      vscodeExecutablePath: executable,
      extensionDevelopmentPath: ROOT,
      extensionTestsPath: path.join(suites, 'index.cjs'),
      extensionTestsEnv: {...withoutSurroundings(), ...person.env, ...variables},
      launchArgs: [
        workspace,
        ...(launch.isUntrusted ? ['--untrusted'] : []),
        ...profileArguments(launch, person),
      ],
    });
    await within(running, LAUNCH_LIMIT_MS, `the window of ${launch.suite} to end`);
    counts = countsOf(launch.suite, stats, true);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    counts = countsOf(launch.suite, stats, false);
  }
  try {
    await person.leave();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    console.error(why);
    counts = addCounts(counts, failure(`${launch.suite}: ${why}`));
  }
  return counts;
}

/** Every variable of ours, undefined: what starts VS Code adds ours to what it is given. */
function withoutSurroundings(): Record<string, undefined> {
  const names = Object.keys(process.env).filter(name => !WINDOW_VARIABLES.includes(name));
  return Object.fromEntries(names.map(name => [name, undefined]));
}

function makeWorkspace({workspace}: Launch, person: Person): string {
  if (workspace === 'empty') return person.folder('workspace');
  const copyOf = path.join(ROOT, 'examples', workspace.example);
  return UserRepository.create(path.join(person.root, workspace.example), person.env, {copyOf}).folder;
}

/** What it starts the suite has to end. */
async function startPlan(text: string, folder: string, person: Person): Promise<void> {
  const plan = path.join(folder, 'running.mcpx.yaml');
  writeFileSync(plan, text);
  await person.expect(0, ['run', plan, '--background', '--json'], {cwd: folder});
}

function profileArguments({settings}: Launch, person: Person): string[] {
  const userData = person.folder('profile');
  mkdirSync(path.join(userData, 'User'));
  writeFileSync(path.join(userData, 'User/settings.json'), JSON.stringify({...QUIET_SETTINGS, ...settings}));
  return [`--user-data-dir=${userData}`, `--extensions-dir=${person.folder('extensions')}`];
}

/** Into a folder of this run that the extension host can load: CommonJS, inside the extension, so that tests and extension share one `vscode`. */
async function bundleSuites(): Promise<string> {
  const cache = path.join(ROOT, 'out');
  mkdirSync(cache, {recursive: true});
  const outdir = mkdtempSync(path.join(cache, 'vscode-suites-'));
  await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: [path.join(SUITES, 'index.ts'), ...LAUNCHES.flatMap(({suite}) => testsOf(suite))],
    outbase: SUITES,
    outdir,
    outExtension: {'.js': '.cjs'},
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['vscode', 'mocha'],
    sourcemap: 'inline',
    keepNames: true,
    logLevel: 'warning',
  });
  return outdir;
}

function testsOf(suite: string): string[] {
  const folder = path.join(SUITES, suite);
  return readdirSync(folder)
    .filter(name => name.endsWith('.test.ts'))
    .map(name => path.join(folder, name));
}

main().then(
  passed => process.exit(passed ? 0 : 1),
  error => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
