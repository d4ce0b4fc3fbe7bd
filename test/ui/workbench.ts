/** The workbench as a person sees and uses it: palette, trees, pages, messages. Selectors are here and nowhere else. */
import assert from 'node:assert/strict';
import {mkdirSync} from 'node:fs';
import path from 'node:path';
import type {FrameLocator, Locator, Page} from 'playwright-core';
import {ROOT} from '../integration/person.ts';
import {insist} from '../support/insist.ts';
import {found} from '../support/waiting.ts';
import {ACTION_LIMIT_MS, type EditorWindow} from './editorWindow.ts';

const PALETTE_ROW = '.quick-input-list .monaco-list-row';
const ATTEMPTS = 3;
const SCROLL_PIXELS = 66;
const SCROLL_MS = 150;
const MENU_MS = 500;
/** Of keys that are pressed again and again until something is reached. */
const MOST_PRESSES = 30;
const PRESS_MS = 100;
/** On the status bar, where nothing is. */
const AWAY = {x: 800, y: 990};
const PICTURE = {width: 1200, height: 800};
const LAYOUT_MS = 1500;

export interface Theme {
  /** In the list of themes. */
  readonly label: string;
  /** Classes that VS Code gives to itself and to web pages. */
  readonly workbench: string;
  readonly page: string;
}

export class Workbench {
  constructor(readonly window: EditorWindow) {}

  get page(): Page {
    return this.window.page;
  }

  /** Shows the extension's views. */
  async showViews(): Promise<void> {
    await this.page.locator('.part.activitybar .action-label[aria-label^="MCPX"]').waitFor();
    // A click on the icon would hide what a reloaded window is about to show.
    await this.runCommand('MCPX: Focus on Sessions View');
    await (await this.view('Sessions')).pane.waitFor();
  }

  /** A view of the side bar, opened if it is closed. */
  async view(title: string): Promise<Tree> {
    const pane = this.page.locator('.part.sidebar .pane', {
      has: this.page.locator('.pane-header h3.title', {hasText: new RegExp(`^${title}`)}),
    });
    const header = pane.locator('.pane-header');
    if ((await header.getAttribute('aria-expanded')) === 'false') await header.click();
    return new Tree(this.page, pane);
  }

  /** Leaves its room to the others. */
  async closeView(title: string): Promise<void> {
    const header = (await this.view(title)).pane.locator('.pane-header');
    await header.focus();
    await this.page.keyboard.press('ArrowLeft');
    await this.page.locator('.part.sidebar .pane-header[aria-expanded="false"]', {hasText: title}).waitFor();
  }

  async openFile(name: string): Promise<void> {
    await this.page.keyboard.press('Control+KeyP');
    await this.page.locator('.quick-input-widget input.input').fill(name);
    await this.page.locator(PALETTE_ROW, {hasText: name}).first().waitFor();
    await this.page.keyboard.press('Enter');
    await this.tab(name).waitFor();
  }

  tab(name: string | RegExp): Locator {
    return this.tabs(name).first();
  }

  tabs(name: string | RegExp): Locator {
    return this.page.locator('.part.editor .tab', {hasText: name});
  }

  /** By the keyboard alone: palette, title, Enter. */
  async runCommand(title: string): Promise<void> {
    await insist(async timeout => {
      await this.page.keyboard.press('F1');
      await this.page.locator('.quick-input-widget input.input').fill(`>${title}`, {timeout});
      await this.page.locator(PALETTE_ROW, {hasText: title}).first().waitFor({timeout});
    }, ACTION_LIMIT_MS);
    await this.page.keyboard.press('Enter');
  }

  /** Runs a command that asks to choose, and waits until it offers this. */
  async runUntilOffered(title: string, label: string): Promise<void> {
    // A list closes when a web page that has just been loaded takes the focus: a person opens it again.
    await insist(async timeout => {
      await this.runCommand(title);
      await this.offered(label).waitFor({timeout});
    }, ACTION_LIMIT_MS);
  }

  /** By the keyboard alone; resolves when the workbench and the web page that is shown have the theme. */
  async chooseTheme({label, workbench, page}: Theme): Promise<void> {
    await insist(async timeout => {
      await this.page.keyboard.press('Control+KeyK');
      await this.page.keyboard.press('Control+KeyT');
      const input = '.quick-input-widget input.input[placeholder*="Color Theme"]';
      await this.page.locator(input).fill(label, {timeout});
      await this.page.locator(`${PALETTE_ROW}.focused`, {hasText: label}).waitFor({timeout});
      await this.page.keyboard.press('Enter');
      await this.page.locator(`.monaco-workbench.${workbench}`).waitFor({timeout});
    }, ACTION_LIMIT_MS);
    await this.webPage().locator(`body.${page}`).waitFor();
  }

  lens(title: string): Locator {
    return this.page.locator('.part.editor .codelens-decoration a', {hasText: title}).first();
  }

  /** An entry of a quick pick that is open. */
  offered(label: string | RegExp): Locator {
    return this.page.locator(PALETTE_ROW, {hasText: label}).first();
  }

  /** Waits for a message, which may be gone again by now. */
  async told(text: RegExp): Promise<void> {
    const {messages} = this.window;
    await found(
      () => messages.find(message => text.test(message)),
      ACTION_LIMIT_MS,
      () => `a message like ${text} among ${messages.join(' | ')}`,
    );
  }

  /** The web page in the editor that is shown. */
  webPage(): FrameLocator {
    return this.page.frameLocator('iframe.webview.ready').last().frameLocator('iframe#active-frame');
  }

  /** The text of the editor that is shown: of plain editors, not of web pages. */
  editorText(): Locator {
    return this.page
      .locator('.part.editor .editor-group-container.active .editor-instance .view-lines')
      .first();
  }

  /** Replaces all that the editor holds. */
  async replaceText(text: string): Promise<void> {
    await this.editorText().click();
    await this.page.keyboard.press('Control+KeyA');
    await this.page.keyboard.press('Delete');
    // Key by key: the editor closes quotes, and takes those that are typed for its own.
    await this.page.keyboard.type(text);
  }

  async save(): Promise<void> {
    await this.page.keyboard.press('Control+KeyS');
  }

  async screenshot(name: string): Promise<void> {
    const file = path.join(ROOT, 'out/ui', `${name}.png`);
    mkdirSync(path.dirname(file), {recursive: true});
    await this.page.screenshot({path: file, timeout: ACTION_LIMIT_MS});
  }

  /** Brings a web page to the front; resolves when it shows the text. */
  async showPage(tab: RegExp, text: string, timeout = ACTION_LIMIT_MS): Promise<void> {
    await this.tab(tab).click();
    await this.page.mouse.move(AWAY.x, AWAY.y);
    await this.webPage().getByText(text).first().waitFor({timeout});
  }

  /** For the documentation: smaller than the window, as it is shown there. */
  async picture(name: string): Promise<void> {
    const before = this.page.viewportSize();
    await this.page.setViewportSize(PICTURE);
    await this.page.waitForTimeout(LAYOUT_MS);
    await this.page.screenshot({path: path.join(ROOT, '.github/media', `${name}.png`)});
    if (before) await this.page.setViewportSize(before);
  }

  /** By the keyboard alone: to the entry of the menu of what has the focus, and chooses it. */
  async chooseFromMenu(item: string): Promise<void> {
    await this.page.keyboard.press('Shift+F10');
    const menu = this.page.locator('.context-view .monaco-menu');
    await menu.waitFor();
    const focused = menu.locator('.action-item.focused', {hasText: item});
    await this.pressUntil('ArrowDown', focused, `the menu to be at ${item}`);
    await this.page.keyboard.press('Enter');
    await menu.waitFor({state: 'hidden'});
  }

  /** Presses the key as often as it takes. */
  async pressUntil(key: string, shown: Locator, what: string): Promise<void> {
    for (let presses = 0; presses < MOST_PRESSES; presses++) {
      if (await shown.first().isVisible()) return;
      await this.page.keyboard.press(key);
      await this.page.waitForTimeout(PRESS_MS);
    }
    assert.fail(`${MOST_PRESSES} times ${key} in vain for ${what}`);
  }
}

/** A tree of the side bar. */
export class Tree {
  constructor(
    private readonly page: Page,
    readonly pane: Locator,
  ) {}

  row(text: string | RegExp): Locator {
    return this.pane.locator('.monaco-list-row', {hasText: text}).first();
  }

  /** Lists draw what is in view only: the row, after scrolling to where it is. */
  async reach(text: string | RegExp, timeoutMs = ACTION_LIMIT_MS): Promise<Locator> {
    const row = this.row(text);
    let down = true;
    await found(
      async () => {
        if (await row.isVisible()) return true;
        await this.pane.locator('.pane-body').hover();
        const first = (await this.texts()).join();
        await this.page.mouse.wheel(0, down ? SCROLL_PIXELS : -10 * SCROLL_PIXELS);
        await this.page.waitForTimeout(SCROLL_MS);
        if ((await this.texts()).join() === first) down = !down;
        return undefined;
      },
      timeoutMs,
      `${text} to be among ${(await this.texts()).join(' | ')}`,
    );
    return row;
  }

  async texts(): Promise<string[]> {
    return await this.pane
      .locator('.monaco-list-row')
      .evaluateAll(rows => rows.map(row => row.getAttribute('aria-label') ?? row.textContent ?? ''));
  }

  /** Waits until the row's own words, which a screen reader says, fit. */
  async says(text: string | RegExp, words: RegExp, timeoutMs = ACTION_LIMIT_MS): Promise<void> {
    const row = await this.reach(text, timeoutMs);
    const heard = (): Promise<string | null> => row.getAttribute('aria-label', {timeout: timeoutMs});
    await found(
      async () => (words.test((await heard()) ?? '') ? true : undefined),
      timeoutMs,
      `${text} to say ${words}: ${(await this.texts()).join(' | ')}`,
    );
  }

  async expand(text: string | RegExp): Promise<void> {
    const row = await this.reach(text);
    for (let attempt = 0; (await row.getAttribute('aria-expanded')) === 'false'; attempt++) {
      assert.ok(attempt < ATTEMPTS, `${text} does not open`);
      await row.click({position: {x: 60, y: 8}});
      if ((await row.getAttribute('aria-expanded')) === 'false') await this.page.keyboard.press('ArrowRight');
      await this.page.waitForTimeout(200);
    }
  }

  /** An action that the row shows while the pointer is on it. */
  async act(text: string | RegExp, action: string): Promise<void> {
    const row = await this.reach(text);
    await row.hover();
    await row.locator(`.actions .action-label[aria-label^="${action}"]`).first().click();
  }

  /** The row that the keyboard is on. */
  focused(text: string | RegExp): Locator {
    return this.pane
      .locator('.monaco-list.focused, .monaco-list:focus-within')
      .locator('.monaco-list-row.focused', {hasText: text});
  }

  /** From the row's context menu. */
  async menu(text: string | RegExp, item: string): Promise<void> {
    await (await this.reach(text)).click({button: 'right'});
    const entry = this.page.locator('.context-view .action-item', {hasText: item}).first();
    await entry.waitFor();
    // A menu ignores a button that comes up just after it has opened.
    await this.page.waitForTimeout(MENU_MS);
    await entry.click();
    await entry.waitFor({state: 'hidden'});
  }
}
