/** How long the packaged extension takes to be there in a real VS Code: once for each window that is opened. */
import {readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import type {Locator, Page} from 'playwright-core';
import {found} from '../support/waiting.ts';
import {EditorWindow, type WindowOptions} from '../ui/editorWindow.ts';
import {Workbench} from '../ui/workbench.ts';

const LIMIT_MS = 90_000;
const PAGE_PIXELS = 300;
const ALL_PIXELS = 10_000;
const SCROLL_MS = 300;

export interface ActivationTimes {
  /** By the editor's own clock: loading the bundle and running `activate`, in ms. */
  readonly activated: readonly number[];
  /** By ours: loading what a window takes that uses us, because a plan was opened, and making its parts, in ms. The coordinator is not waited for. */
  readonly inUse: readonly number[];
}

export async function measureActivation(options: WindowOptions, windows: number): Promise<ActivationTimes> {
  const window = await EditorWindow.open(options);
  try {
    const workbench = new Workbench(window);
    const times: number[] = [];
    for (let opened = 0; opened < windows; opened++) {
      if (opened > 0) await window.reload();
      await workbench.openFile('team.mcpx.yaml');
      await workbench.runCommand('Developer: Show Running Extensions');
      const list = window.page.locator('.runtime-extensions-editor');
      const row = list.locator('.monaco-list-row', {hasText: 'MCPX'});
      const time = await found(
        async () => {
          const shown = /Activation: (\d+)ms/.exec((await row.allInnerTexts()).join())?.[1];
          if (shown === undefined) await turnOver(window.page, list);
          return shown;
        },
        LIMIT_MS,
        'the time of activation',
      );
      times.push(Number(time));
      await found(
        () => (usesIn(options).length > opened ? true : undefined),
        LIMIT_MS,
        'the log to say that the window uses it',
      );
    }
    return {activated: times, inUse: usesIn(options)};
  } finally {
    await window.close();
  }
}

/** The slowest come first, and only what is on the screen is drawn. */
async function turnOver(page: Page, list: Locator): Promise<void> {
  const last = list.locator('.monaco-list-row').last();
  const before = await last.getAttribute('data-index', {timeout: LIMIT_MS});
  await last.hover({timeout: LIMIT_MS});
  await page.mouse.wheel(0, PAGE_PIXELS);
  await page.waitForTimeout(SCROLL_MS);
  if ((await last.getAttribute('data-index', {timeout: LIMIT_MS})) === before)
    await page.mouse.wheel(0, -ALL_PIXELS);
}

function usesIn({person}: WindowOptions): number[] {
  const profile = person.folder('profile');
  return readdirSync(profile, {recursive: true, encoding: 'utf8'})
    .filter(name => path.basename(name) === 'MCPX.log')
    .flatMap(name => [...readFileSync(path.join(profile, name), 'utf8').matchAll(/ loadedMs=(\d+)/g)])
    .map(([, ms]) => Number(ms));
}
