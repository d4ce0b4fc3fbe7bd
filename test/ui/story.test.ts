/** A person's day with a team, in the real editor with the packaged extension: every step does what a hand would and asserts what an eye would see. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync, readdirSync} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import {ROOT} from '../integration/person.ts';
import {found} from '../support/waiting.ts';
import {installParts} from '../vscode/standIn/install.ts';
import {describeMissing, findParts} from '../vscode/standIn/parts.ts';
import {seriousFindings, seriousTreeFindings, webPageFrames} from './accessibility.ts';
import {EditorWindow} from './editorWindow.ts';
import {StoryFleet} from './fleet.ts';
import {type Theme, type Tree, Workbench} from './workbench.ts';

const STEP_LIMIT_MS = 180_000;
/** From assignment to the end of a task, on a machine that does much else. */
const TASK_LIMIT_MS = 120_000;
const PAGE_LIMIT_MS = 20_000;

const THEMES: readonly (Theme & {readonly name: string})[] = [
  {name: 'light', label: 'Light Modern', workbench: 'vs', page: 'vscode-light'},
  {name: 'contrast', label: 'Dark High Contrast', workbench: 'hc-black', page: 'vscode-high-contrast'},
  {
    name: 'lightContrast',
    label: 'Light High Contrast',
    workbench: 'hc-light',
    page: 'vscode-high-contrast-light',
  },
];
const DARK: Theme = {label: 'Dark Modern', workbench: 'vs-dark', page: 'vscode-dark'};

const Sessions = z.object({sessions: z.array(z.object({id: z.string()}))});

describe('the packaged extension in the hands of a person', function () {
  this.timeout(STEP_LIMIT_MS);
  this.bail(true);
  this.slow(30_000);
  const install = process.env['CI'] === 'true' || process.env['MCPX_TEST_INSTALL'] === '1';
  const updatesPictures = process.env['MCPX_UPDATE_PICTURES'] === '1';
  let fleet: StoryFleet;
  let window: EditorWindow;
  let workbench: Workbench;
  let sessions: Tree;
  let approvals: Tree;
  let sessionId: string;

  before(async function () {
    this.timeout(900_000);
    const parts = install ? await installParts(process.env) : findParts(process.env);
    if (parts.kind === 'missing') {
      console.log(`    skipped, missing: ${parts.missing.map(describeMissing).join(', ')}`);
      this.skip();
    }
    const vsix = packageExtension();
    fleet = await StoryFleet.start(install);
    window = await EditorWindow.open({
      parts: parts.parts,
      person: fleet.person,
      vsix,
      folder: fleet.repository.folder,
      settings: {
        'git.enabled': true,
        'workbench.colorTheme': 'Default Dark Modern',
        // The pointer rests where it clicked last: tooltips would lie over what is clicked next.
        'workbench.hover.delay': 20_000,
        'files.autoSave': 'off',
      },
    });
    workbench = new Workbench(window);
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await workbench?.screenshot('failed').catch(() => undefined);
  });
  after(async function () {
    this.timeout(120_000);
    try {
      await window?.close();
    } finally {
      await fleet?.leave();
    }
  });

  const findings: string[] = [];

  /** Asks axe about the page that is shown. */
  async function audit(name: string): Promise<void> {
    // A page that loads shows its text a moment before its frame.
    const frames = await found(
      async () => {
        const shown = await webPageFrames(workbench.page);
        return shown.length > 0 ? shown : undefined;
      },
      PAGE_LIMIT_MS,
      'a page to be shown',
    );
    for (const frame of frames)
      findings.push(...(await seriousFindings(frame)).map(finding => `${name}: ${finding}`));
  }

  /** Asks axe about the trees of the side bar. */
  async function auditTrees(name: string): Promise<void> {
    const found = await seriousTreeFindings(workbench.page);
    findings.push(...found.map(finding => `${name}: ${finding}`));
  }

  it('joins two agents that are in another network', async function () {
    await workbench.showViews();
    const agents = await workbench.view('Agents');
    await agents.reach('moon');
    for (const id of ['far-1', 'far-2']) await agents.reach(id);
    await workbench.screenshot('agents');
    await workbench.closeView('Agents');
    if (fleet.chosen.missing !== undefined) {
      console.log(`      ${fleet.chosen.missing}: they joined over loopback`);
      this.skip();
    }
  });

  it('runs the plan from its lens and shows the session', async () => {
    await workbench.openFile('team.mcpx.yaml');
    await workbench.lens('Rehearse').click();
    sessions = await workbench.view('Sessions');
    await sessions.row('story').waitFor();
    await sessions.expand('story');
    for (const task of ['languages', 'runtime', 'tone', 'explain', 'api'])
      await sessions.reach(new RegExp(`^${task}`));
    const listed = await fleet.person.expect(0, ['sessions', 'list', '--json']);
    sessionId = Sessions.parse(JSON.parse(listed.stdout)).sessions[0]?.id ?? '';
    assert.match(sessionId, /^s-/);
  });

  it('draws the graph, in which states change as they do in the tree', async () => {
    const page = workbench.webPage();
    const task = (title: string, state: string) =>
      page.getByRole('treeitem', {name: new RegExp(`^${title}, ${state}`, 'i')});
    await page.getByRole('treeitem', {name: /^Explain the greeter/}).waitFor();
    await sessions.says(/^languages/, /succeeded/, TASK_LIMIT_MS);
    await task('Words in two languages', 'succeeded').waitFor();
    await sessions.says(/^explain/, /running/, TASK_LIMIT_MS);
    await task('Explain the greeter', 'running').waitFor();
    await task('List the exports', '(waiting|pending)').waitFor();
    await workbench.screenshot('graph');
    await audit('graph');
  });

  it('asks for a permission by a message, a badge and an entry, and approves it', async () => {
    await workbench.told(/runtime asks to use/);
    await workbench.screenshot('permission');
    if (updatesPictures) await workbench.picture('approvals');
    approvals = await workbench.view('Approvals');
    await approvals.row(/node --version/).waitFor();
    await approvals.act(/node --version/, 'Approve');
    await approvals.row(/node --version/).waitFor({state: 'detached'});
    await sessions.says(/^runtime/, /succeeded/, TASK_LIMIT_MS);
  });

  it('asks a question and passes the answer on', async () => {
    await approvals.row(/Which tone/).waitFor();
    await approvals.act(/Which tone/, 'Answer');
    await workbench.offered('Friendly').click();
    await approvals.row(/Which tone/).waitFor({state: 'detached'});
    await sessions.says(/^tone/, /succeeded/, TASK_LIMIT_MS);
  });

  it('shows what a finished task changed', async () => {
    await sessions.menu(/^languages/, 'Show Changes');
    await workbench.page.locator('.multiDiffEntry, .monaco-diff-editor').first().waitFor();
    await workbench.page.locator('.part.editor', {hasText: 'Hallo'}).first().waitFor();
    await workbench.screenshot('diff');
  });

  it('edits a shared value, and never over what somebody else wrote meanwhile', async () => {
    const memory = (...args: string[]) => fleet.person.expect(0, ['memory', ...args, '--session', sessionId]);
    const stored = async () => JSON.parse((await memory('get', 'greeting')).stdout) as unknown;
    await memory('put', 'greeting', '"Hello"');
    const state = await workbench.view('Shared State');
    await state.expand('story');
    await state.row('greeting').waitFor();
    await state.act('greeting', 'Open');
    await workbench.tab('greeting').waitFor();
    await workbench.replaceText('"Howdy"');
    await workbench.save();
    await found(
      async () => ((await stored()) === 'Howdy' ? true : undefined),
      20_000,
      'the value to be stored',
    );

    await workbench.replaceText('"Salve"');
    await memory('put', 'greeting', '"Aloha"');
    await workbench.save();
    await workbench.told(/newer|changed by somebody else|conflict/i);
    await workbench.screenshot('conflict');
    assert.equal(await stored(), 'Aloha');
    await workbench.runCommand('File: Revert File');
    await workbench.page.locator('.part.editor .view-lines', {hasText: 'Aloha'}).waitFor();
    await workbench.closeView('Shared State');
  });

  /** vscode#318635: a reload lost the sessions. */
  it('loses nothing when the window is reloaded in the middle', async () => {
    await window.reload();
    // The side bar shows again what it showed.
    sessions = await workbench.view('Sessions');
    await sessions.row('story').waitFor();
    await workbench.closeView('Approvals');
    await sessions.expand('story');
    await sessions.says(/^languages/, /succeeded/);
    await sessions.says(/^explain/, /running/);
    await sessions.act(/^story/, 'Open Task Graph');
    const explain = workbench.webPage().getByRole('treeitem', {name: /^Explain the greeter, running/});
    await explain.waitFor();
    assert.equal(await workbench.tabs(/story \(graph\)/).count(), 1, 'the page takes the place of its tab');
    await workbench.screenshot('reloaded');
    if (updatesPictures) await workbench.picture('editor');
  });

  it('attaches to a running attempt, and sends it a message that is seen there', async () => {
    await sessions.act(/^explain/, 'Attach');
    const page = workbench.webPage();
    await page.getByText('I read the greeter before I explain it.').first().waitFor();
    const input = page.getByRole('textbox', {name: /message/i});
    await input.fill('Please be brief.');
    await input.press('Enter');
    await page.getByText('Please be brief.').first().waitFor();
    await workbench.screenshot('session');
    await audit('session');
    if (updatesPictures) await workbench.picture('session');
  });

  it('shows the health of the coordinator', async () => {
    await workbench.runCommand('MCPX: Open Fleet Health');
    await workbench.webPage().getByText('far-1').first().waitFor();
    await workbench.screenshot('health');
    await audit('health');
  });

  for (const theme of THEMES)
    it(`can be read in the theme ${theme.label}`, async () => {
      await workbench.chooseTheme(theme);
      const pages: [name: string, tab: RegExp, text: string][] = [
        ['graph', /story \(graph\)/, 'Explain the greeter'],
        ['session', /^\s*story\s*$/, 'Please be brief.'],
        ['health', /MCPX Health/, 'far-1'],
      ];
      for (const [page, tab, text] of pages) {
        const name = `${page}-${theme.name}`;
        await workbench.showPage(tab, text);
        await workbench.webPage().locator(`body.${theme.page}`).waitFor();
        await workbench.screenshot(name);
        await audit(name);
      }
      await auditTrees(`trees-${theme.name}`);
    });

  it('interrupts it, after which it does what the message said', async () => {
    await workbench.chooseTheme(DARK);
    await sessions.expand(/^explain/);
    await sessions.menu(/^Attempt 1/, 'Interrupt');
    await workbench.showPage(/^\s*story\s*$/, 'The greeter says hello.', TASK_LIMIT_MS);
    await sessions.says(/^explain/, /succeeded/, TASK_LIMIT_MS);
  });

  it('is done, and its result is accepted by the keyboard alone', async () => {
    await sessions.says(/^story/, /6\/6|succeeded/, TASK_LIMIT_MS);
    await workbench.told(/story is done/);
    const {repository} = fleet;
    const before = repository.git('rev-parse', 'HEAD');
    await workbench.runUntilOffered('MCPX: Accept Result', sessionId);
    await workbench.page.keyboard.press('Enter');
    await workbench.offered('Squash').waitFor();
    await workbench.screenshot('accept');
    await workbench.page.keyboard.press('Enter');
    await found(
      () => (repository.git('rev-parse', 'HEAD') === before ? undefined : true),
      TASK_LIMIT_MS,
      'the result to be on the branch',
    );
    assert.match(repository.read('src/languages.js'), /Hallo/);
    for (const file of ['src/farewell.js', 'RUNTIME.txt', 'TONE.md', 'EXPLAINED.md', 'API.md'])
      assert.ok(existsSync(path.join(repository.folder, file)), file);
  });

  it('does its main work by the keyboard alone', async () => {
    const {page} = workbench;
    await workbench.openFile('note.mcpx.yaml');
    await workbench.runCommand('MCPX: Rehearse Plan');
    await workbench.tab('note (graph)').waitFor();
    await workbench.runCommand('MCPX: Focus on Approvals View');
    await approvals.row(/node --version/).waitFor({timeout: TASK_LIMIT_MS});

    await workbench.runCommand('MCPX: Focus on Sessions View');
    await page.keyboard.press('Home');
    await workbench.pressUntil('ArrowDown', sessions.focused(/^note/), 'the session to be reached');
    await workbench.chooseFromMenu('Open Task Graph');
    const graph = workbench.webPage();
    await workbench.pressUntil('Tab', graph.locator('[role=tree]:focus'), 'the outline to be reached');
    const current = graph.locator('[role=tree]:focus .active[aria-label^="Note the runtime, waiting"]');
    await workbench.pressUntil('ArrowDown', current, 'the outline to be at the task that waits');

    await workbench.runCommand('MCPX: Focus on Approvals View');
    await workbench.pressUntil(
      'ArrowDown',
      approvals.focused(/node --version/),
      'the approval to be reached',
    );
    await workbench.chooseFromMenu('Approve Once');
    await approvals.row(/node --version/).waitFor({state: 'detached'});
    const done = sessions.pane.getByRole('treeitem', {name: /^note, succeeded/});
    await done.waitFor({timeout: TASK_LIMIT_MS});
    await workbench.screenshot('keyboard');
  });

  it('has pages in which axe finds nothing serious', () => {
    assert.deepEqual(findings, []);
  });
});

function packageExtension(): string {
  execFileSync(process.execPath, ['.config/package.mjs', '--no-build'], {cwd: ROOT, stdio: 'pipe'});
  const name = readdirSync(path.join(ROOT, 'out')).find(file => file.endsWith('.vsix'));
  assert.ok(name, 'the extension is packaged');
  return path.join(ROOT, 'out', name);
}
