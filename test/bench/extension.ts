/**
 * npm run bench:extension: how soon the extension is there and how large it is, what its trees and its graph cost when much changes, and what an
 * hour of changes leaves behind. The packaged extension in a real VS Code, its pages in a real browser.
 *
 *   --windows N   windows in which activation is measured (5)
 *   --json FILE   writes the figures
 */
import {execFileSync} from 'node:child_process';
import {existsSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {parseArgs} from 'node:util';
import v8 from 'node:v8';
import vm from 'node:vm';
import {Person, ROOT} from '../integration/person.ts';
import {UserRepository} from '../integration/userRepository.ts';
import {launchBrowser} from '../ui/editorWindow.ts';
import {installParts} from '../vscode/standIn/install.ts';
import {describeMissing, type Parts} from '../vscode/standIn/parts.ts';
import {measureActivation} from './activation.ts';
import {emptyFrameTimesMs, GraphStage} from './graphPage.ts';
import {type Growth, replayPage, replayTrees} from './memoryReplay.ts';
import {percentile, type Row, rowOf, tableOf} from './statistics.ts';
import {BATCH, measureTree} from './treeRefresh.ts';

const DEADLINE_MS = 10 * 60_000;
const TREE_TASKS = 10_000;
const TREE_BATCHES = 120;
const GRAPH_NODES = 5000;
const PAINTS = 3;
const CHANGES_A_SECOND = 500;
const FRAME_SECONDS = 10;

const MAX_ACTIVATION_MS = 100;
const MAX_EXTENSION_KB = 500;
const MAX_PACKAGE_KB = 5000;
const MAX_PAINT_MS = 1000;
/** What may stay of an hour's changes, in MiB. */
const MAX_GROWTH_MIB = 5;

const {values: args} = parseArgs({
  options: {windows: {type: 'string', default: '5'}, json: {type: 'string'}},
});

const overdue = setTimeout(() => {
  console.error('the benchmark takes too long');
  process.exit(1);
}, DEADLINE_MS).unref();
const found = await installParts(process.env);
if (found.kind === 'missing') throw new Error(`Missing: ${found.missing.map(describeMissing).join(', ')}.`);
const vsix = packageExtension();
const rows = [
  ...sizeRows(vsix),
  ...(await activationRows(found.parts, vsix)),
  ...(await treeRows()),
  ...(await graphRows(found.parts)),
];
clearTimeout(overdue);
console.log(tableOf(rows));
if (args.json !== undefined)
  writeFileSync(args.json, `${JSON.stringify({figures: rows.map(row => row.figure)}, null, 2)}\n`);
process.exitCode = rows.every(row => row.figure.ok) ? 0 : 1;

function packageExtension(): string {
  if (!existsSync(path.join(ROOT, 'dist/extension.cjs')))
    execFileSync(process.execPath, ['.config/build.mjs'], {cwd: ROOT, stdio: 'inherit'});
  execFileSync(process.execPath, ['.config/package.mjs', '--no-build'], {cwd: ROOT, stdio: 'pipe'});
  const name = readdirSync(path.join(ROOT, 'out')).find(file => file.endsWith('.vsix'));
  if (name === undefined) throw new Error('there is no package');
  return path.join(ROOT, 'out', name);
}

function sizeRows(file: string): Row[] {
  const size = (name: string, files: readonly string[], most?: number): Row => {
    const kb = files.reduce((sum, each) => sum + statSync(each).size / 1000, 0);
    return rowOf(`size: ${name}`, 'kB', [kb], undefined, most === undefined ? undefined : {atMost: most});
  };
  const built = (name: string): string => path.join(ROOT, 'dist', name);
  return [
    size('extension, in every window', [built('extension.cjs')]),
    size(
      'extension, in a window that uses it',
      [built('extension.cjs'), built('window.cjs')],
      MAX_EXTENSION_KB,
    ),
    size('language of plans', [built('language.cjs')]),
    size('page', [built('webview/page.js')]),
    size('layout worker', [built('webview/layoutWorker.js')]),
    size('package', [file], MAX_PACKAGE_KB),
  ];
}

async function activationRows(parts: Parts, file: string): Promise<Row[]> {
  const person = new Person();
  try {
    const {folder} = UserRepository.create(path.join(person.root, 'greeter'), person.env, {
      copyOf: path.join(ROOT, 'examples/greeter'),
    });
    // The coordinator is not part of it.
    const settings = {'mcpx.coordinator.autoStart': false};
    const times = await measureActivation(
      {parts, person, vsix: file, folder, settings},
      Number(args.windows),
    );
    console.error(`activation: ${times.activated.join(' ')} ms, in use: ${times.inUse.join(' ')} ms`);
    return [
      rowOf('activation in the host', 'ms', times.activated, undefined, {atMost: MAX_ACTIVATION_MS}),
      rowOf('the rest, once a plan is opened', 'ms', times.inUse, undefined, undefined),
    ];
  } finally {
    await person.leave().catch(() => rmSync(person.root, {recursive: true, force: true}));
  }
}

async function treeRows(): Promise<Row[]> {
  const {firstMs, batchesMs, mostNodes} = await measureTree(TREE_TASKS, TREE_BATCHES);
  console.error(`tree: ${mostNodes} nodes drawn anew at most`);
  const title = `tree of ${TREE_TASKS} tasks`;
  v8.setFlagsFromString('--expose-gc');
  const growth = await replayTrees(vm.runInNewContext('gc') as () => void);
  return [
    rowOf(`${title}: first drawing`, 'ms', [firstMs], undefined, undefined),
    rowOf(
      `${title}: refresh after ${BATCH} changes, median`,
      'ms',
      [percentile(batchesMs, 0.5)],
      undefined,
      undefined,
    ),
    rowOf(
      `${title}: refresh after ${BATCH} changes, p95`,
      'ms',
      [percentile(batchesMs, 0.95)],
      undefined,
      undefined,
    ),
    growthRow('trees', growth),
  ];
}

async function graphRows(parts: Parts): Promise<Row[]> {
  const web = path.join(ROOT, 'dist/webview');
  const browser = await launchBrowser(parts.browser);
  try {
    const paints: number[] = [];
    let stage: GraphStage | undefined;
    for (let paint = 0; paint < PAINTS; paint++) {
      await stage?.close();
      stage = await GraphStage.open(browser, web, GRAPH_NODES);
      paints.push(await stage.firstPaintMs());
    }
    if (!stage) throw new Error('no page was opened');
    console.error(`graph: first paints ${paints.map(ms => ms.toFixed(0)).join(' ')} ms`);
    const busy = await stage.frameTimesMs(CHANGES_A_SECOND, FRAME_SECONDS);
    const idle = await emptyFrameTimesMs(browser, FRAME_SECONDS);
    const growth = await replayPage(stage);
    await stage.close();
    const title = `graph of ${GRAPH_NODES} nodes`;
    return [
      rowOf(`${title}: first paint`, 'ms', paints, undefined, {atMost: MAX_PAINT_MS}),
      rowOf(
        `${title}: frame at ${CHANGES_A_SECOND} changes/s, p95; peer: an empty page`,
        'ms',
        [percentile(busy, 0.95)],
        [percentile(idle, 0.95)],
        undefined,
      ),
      growthRow('page', growth),
    ];
  } finally {
    await browser.close();
  }
}

function growthRow(of: string, {beforeMiB, afterMiB}: Growth): Row {
  console.error(`memory of the ${of}: ${beforeMiB.toFixed(1)} -> ${afterMiB.toFixed(1)} MiB`);
  return rowOf(
    `memory of the ${of} after an hour of changes, more`,
    'MiB',
    [afterMiB - beforeMiB],
    undefined,
    {
      atMost: MAX_GROWTH_MIB,
    },
  );
}
