/** The pages in chromium: what they show of a real session, by keyboard and for screen readers too, in every theme. */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {SessionRun} from '../../support/sessionRun.ts';
import {type OpenPage, Pages, THEMES} from './support.ts';

const SLOW_PLAN = `name: slow
workspace: none
tasks:
  - {id: waits, title: It takes a while, run: "echo begun; until test -e go; do sleep 0.1; done"}
  - {id: after, dependsOn: waits, run: echo done}
`;

/** Each step goes on when there is a file of its name. */
function threeSteps(folder: string): string {
  const step = (id: string, after: string): string =>
    `  - {id: ${id}, ${after}run: "echo ${id} begun; until test -e ${folder}/${id}; do sleep 0.1; done; echo ${id} ended"}`;
  return [
    'name: steps',
    'workspace: none',
    'tasks:',
    step('one', ''),
    step('two', 'dependsOn: one, '),
    step('three', 'dependsOn: two, '),
  ].join('\n');
}

describe('the pages in a browser', function () {
  this.timeout(240_000);
  let pages: Pages;
  before(async function () {
    pages = await Pages.start(this);
  });
  after(() => pages?.close());

  const withPage = async (to: string, work: (opened: OpenPage) => Promise<void>): Promise<void> => {
    const opened = await pages.open(to);
    await work(opened);
    await opened.close();
  };

  const SHOWN = [
    {name: 'home', to: () => '/', whole: 'mcpx-home table a'},
    {name: 'graph', to: () => `/graph/${pages.sessionId}/second`, whole: 'mcpx-task-details h1'},
    {name: 'session', to: () => `/session/${pages.sessionId}`, whole: 'mcpx-attempt-table .body .line'},
    {name: 'health', to: () => '/health', whole: 'mcpx-health-page table'},
  ];
  for (const {name, to, whole} of SHOWN)
    it(`have no serious finding of axe in any theme (${name})`, () =>
      withPage(to(), async opened => {
        await opened.page.locator(whole).first().waitFor();
        for (const theme of THEMES) {
          await opened.useTheme(theme);
          await opened.assertAccessible(theme);
        }
      }));

  it('ask for a token, and go on with the one that is typed', async () => {
    const opened = await pages.open('/', '');
    const {page} = opened;
    const field = page.locator('vscode-textfield input');
    await field.fill(pages.fleet.endpoint.token);
    await opened.assertAccessible('dark');
    await field.press('Enter');
    await page.locator('mcpx-home').getByText('pages', {exact: true}).waitFor();
    await page.reload();
    await page.locator('mcpx-home').getByText('pages', {exact: true}).waitFor();
    await opened.close();
  });

  it('say that a token is not valid', async () => {
    const opened = await pages.open('/', 'wrong');
    await opened.page.getByRole('heading', {name: 'Token needed'}).waitFor();
    await opened.page.close();
  });

  it('keep the token out of the address', () =>
    withPage(`/graph/${pages.sessionId}`, async ({page}) => {
      await page.locator('mcpx-graph-canvas').waitFor();
      assert.equal(new URL(page.url()).hash, `#/graph/${pages.sessionId}`);
    }));

  it('lead through a graph by the keyboard', () =>
    withPage(`/graph/${pages.sessionId}`, async ({page}) => {
      const tree = page.getByRole('tree');
      await page.getByRole('treeitem', {name: /^The first of all/}).waitFor();
      await tree.focus();
      await tree.press('ArrowDown');
      await tree.press('f');
      const active = async (): Promise<string> => {
        const id = (await tree.getAttribute('aria-activedescendant')) ?? '';
        return (await page.locator(`mcpx-graph-outline #${id}`).getAttribute('aria-label')) ?? '';
      };
      assert.match(await active(), /^Fails, failed, .*before last/);
      await tree.press('Enter');
      await page.locator('mcpx-task-details h1', {hasText: 'Fails'}).waitFor();
      assert.match(page.url(), /\/wrong$/);
      await tree.press('ArrowLeft');
      assert.match(await active(), /^Stage 1, /);
      await tree.press('ArrowLeft');
      await tree.press('ArrowDown');
      assert.match(await active(), /^Stage 2, /);
    }));

  it('find a task and say how many there are', () =>
    withPage(`/graph/${pages.sessionId}`, async ({page}) => {
      await page.getByRole('treeitem', {name: /^The first of all/}).waitFor();
      await page.locator('mcpx-graph-page vscode-textfield input').fill('first');
      await page.getByText('1 found').waitFor();
      await page.locator('mcpx-graph-page vscode-textfield input').press('Enter');
      await page.locator('mcpx-task-details h1', {hasText: 'The first of all'}).waitFor();
    }));

  it('show a transcript, gates with their evidence, and the session as it was', () =>
    withPage(`/session/${pages.sessionId}`, async ({page}) => {
      const header = page.locator('mcpx-session-header');
      await header.getByText('2 of 4 tasks done').waitFor();
      await page.locator('mcpx-transcript .output', {hasText: 'no'}).waitFor();
      await page.getByRole('tab', {name: /Gates/}).click();
      await page.locator('mcpx-session-page summary', {hasText: 'checked'}).click();
      await page.locator('mcpx-session-page pre', {hasText: 'fine'}).waitFor();
      const slider = page.getByRole('slider');
      await slider.focus();
      await slider.press('Home');
      await page.getByText(/You look at the past/).waitFor();
      await header.getByText('0 of 4 tasks done').waitFor();
      await page.getByRole('button', {name: 'Back to Now'}).click();
      await header.getByText('2 of 4 tasks done').waitFor();
    }));

  it('go on to the attempt that runs, unless somebody is at work in the one that is shown', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'mcpx-pages-'));
    const goOn = (name: string): void => writeFileSync(path.join(folder, name), '');
    const run = await SessionRun.start(pages.fleet, {plan: threeSteps(folder)});
    await withPage(`/session/${run.id}`, async ({page}) => {
      const shown = (text: string) => page.locator('mcpx-transcript .output', {hasText: text}).waitFor();
      await shown('one begun');
      goOn('one');
      await shown('two begun');
      await page.getByRole('textbox', {name: 'Message to this attempt'}).click();
      goOn('two');
      await page.locator('mcpx-attempt-table .line', {hasText: 'three'}).waitFor();
      await shown('two ended');
      goOn('three');
      await page.locator('mcpx-session-header').getByText('3 of 3 tasks done').waitFor();
      await shown('two ended');
    });
    assert.equal((await run.ended(30_000)).state, 'succeeded');
    run.dispose();
    rmSync(folder, {recursive: true});
  });

  it('follow a session while it runs', async () => {
    const run = await SessionRun.start(pages.fleet, {plan: SLOW_PLAN});
    await withPage(`/session/${run.id}`, async ({page}) => {
      await page.locator('mcpx-transcript .output', {hasText: 'begun'}).waitFor();
      await page.getByRole('button', {name: 'Pause'}).click();
      await page.getByRole('button', {name: 'Resume'}).click();
      await page.getByRole('button', {name: 'Pause'}).waitFor();
      page.once('dialog', dialog => void dialog.accept());
      await page.getByRole('button', {name: 'Cancel', exact: true}).click();
      await page.locator('mcpx-session-header').getByText('2 cancelled', {exact: true}).waitFor();
    });
    assert.equal((await run.ended(30_000)).state, 'cancelled');
    run.dispose();
  });
});
