/** A person's editor with nothing in it but the packaged extension: a fresh profile in code-server, drawn by a browser, toasts and all. */
import {mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {type Browser, chromium, type Page} from 'playwright-core';
import type {Person} from '../integration/person.ts';
import {QUIET_SETTINGS} from '../vscode/launches.ts';
import {CodeServer, installExtension} from '../vscode/standIn/codeServer.ts';
import type {Parts} from '../vscode/standIn/parts.ts';

const VIEWPORT = {width: 1440, height: 1000};
const LAUNCH_LIMIT_MS = 120_000;
/** Of one action; a machine with two cores draws slowly while six Claude Codes work. */
export const ACTION_LIMIT_MS = 45_000;

const BROWSER_ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Messages go away by themselves: what was said is told at once. */
const LISTEN = `{
  const heard = new Set();
  const look = () => {
    for (const toast of document.querySelectorAll('.notifications-toasts .notification-toast')) {
      const text = toast.textContent;
      if (text === '' || heard.has(text)) continue;
      heard.add(text);
      messageShown(text);
    }
  };
  if (window === window.top)
    new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true});
}`;

export interface WindowOptions {
  readonly parts: Parts;
  readonly person: Person;
  readonly vsix: string;
  /** The folder that is opened. */
  readonly folder: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export class EditorWindow {
  /** Texts of the messages that were shown so far. */
  readonly messages: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly server: CodeServer,
    private readonly browser: Browser,
  ) {}

  /** Resolves when the workbench is there. */
  static async open({parts, person, vsix, folder, settings = {}}: WindowOptions): Promise<EditorWindow> {
    const folders = {
      folder: person.folder('server'),
      userData: person.folder('profile'),
      extensionsFolder: person.folder('extensions'),
    };
    const settingsFile = path.join(folders.userData, 'User/settings.json');
    mkdirSync(path.dirname(settingsFile), {recursive: true});
    writeFileSync(settingsFile, JSON.stringify({...QUIET_SETTINGS, ...settings}));
    installExtension(parts, folders, person.env, vsix);
    const server = await CodeServer.start(parts, {
      ...folders,
      env: person.env,
      isDriven: false,
      trustsAll: true,
      onHostEnded: () => undefined,
    });
    let browser: Browser | undefined;
    try {
      browser = await launchBrowser(parts.browser);
      const context = await browser.newContext({viewport: VIEWPORT, reducedMotion: 'reduce'});
      context.setDefaultTimeout(ACTION_LIMIT_MS);
      await context.grantPermissions(['clipboard-read', 'clipboard-write'], {origin: server.origin});
      const page = await context.newPage();
      const window = new EditorWindow(page, server, browser);
      await page.exposeFunction('messageShown', (text: string) => window.messages.push(text));
      await page.addInitScript(LISTEN);
      await page.goto(`${server.origin}/?${new URLSearchParams({folder})}`, {timeout: LAUNCH_LIMIT_MS});
      await window.ready();
      return window;
    } catch (error) {
      await browser?.close().catch(() => undefined);
      await server.stop();
      throw error;
    }
  }

  /** As by F5 in a browser, or Reload Window. */
  async reload(): Promise<void> {
    await this.page.reload({timeout: LAUNCH_LIMIT_MS});
    await this.ready();
  }

  get log(): string {
    return this.server.logFile;
  }

  async close(): Promise<void> {
    try {
      await this.browser.close();
    } finally {
      await this.server.stop();
    }
  }

  private async ready(): Promise<void> {
    await this.page
      .locator('.monaco-workbench .part.statusbar .statusbar-item')
      .first()
      .waitFor({timeout: LAUNCH_LIMIT_MS});
  }
}

export function launchBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    headless: true,
    args: BROWSER_ARGUMENTS,
    timeout: LAUNCH_LIMIT_MS,
  });
}
