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

export interface WindowOptions {
  readonly parts: Parts;
  readonly person: Person;
  readonly vsix: string;
  /** The folder that is opened. */
  readonly folder: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export class EditorWindow {
  private constructor(
    readonly page: Page,
    readonly settingsFile: string,
    private readonly server: CodeServer,
    private readonly browser: Browser,
    private settings: Readonly<Record<string, unknown>>,
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
    const all = {...QUIET_SETTINGS, ...settings};
    writeFileSync(settingsFile, JSON.stringify(all));
    installExtension(parts, folders, person.env, vsix);
    const server = await CodeServer.start(parts, {
      ...folders,
      env: person.env,
      isDriven: false,
      onHostEnded: () => undefined,
    });
    try {
      const browser = await launchBrowser(parts.browser);
      const context = await browser.newContext({viewport: VIEWPORT, reducedMotion: 'reduce'});
      context.setDefaultTimeout(ACTION_LIMIT_MS);
      await context.grantPermissions(['clipboard-read', 'clipboard-write'], {origin: server.origin});
      const page = await context.newPage();
      await page.goto(`${server.origin}/?${new URLSearchParams({folder})}`, {timeout: LAUNCH_LIMIT_MS});
      const window = new EditorWindow(page, settingsFile, server, browser, all);
      await window.ready();
      return window;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** As by F5 in a browser, or Reload Window. */
  async reload(): Promise<void> {
    await this.page.reload({timeout: LAUNCH_LIMIT_MS});
    await this.ready();
  }

  changeSettings(changed: Readonly<Record<string, unknown>>): void {
    this.settings = {...this.settings, ...changed};
    writeFileSync(this.settingsFile, JSON.stringify(this.settings));
  }

  get log(): string {
    return this.server.logFile;
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
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
