/** The pages in a plain browser, served by a real coordinator with a real session: what a test opens, and how it looks at it. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {type Browser, type BrowserContext, chromium, type Page} from 'playwright-core';
import * as z from 'zod';
import {Fleet} from '../../support/fleet.ts';
import {SessionRun} from '../../support/sessionRun.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Of one wait in a page. */
const WAIT_MS = 30_000;
const SESSION_MS = 60_000;

export const THEMES = ['dark', 'light', 'high contrast dark', 'high contrast light'] as const;
export type Theme = (typeof THEMES)[number];

const PLAN = `name: pages
workspace: none
budgetUsd: 3
tasks:
  - {id: first, title: The first of all, run: echo hello}
  - {id: second, dependsOn: first, run: echo more, gates: [{name: checked, command: echo fine}]}
  - {id: wrong, title: Fails, run: "echo no >&2; exit 3", retry: {max: 0}}
  - {id: last, dependsOn: [second, wrong], run: echo done}
`;

const Findings = z.array(
  z.object({
    id: z.string(),
    impact: z.string().nullable(),
    help: z.string(),
    nodes: z.array(
      z.object({html: z.string(), target: z.array(z.unknown()), failureSummary: z.string().optional()}),
    ),
  }),
);

export class Pages {
  private constructor(
    private readonly browser: Browser,
    readonly fleet: Fleet,
    readonly sessionId: string,
  ) {}

  /** With a session that has ended. Skips the test where there is no browser. */
  static async start(test: Mocha.Context): Promise<Pages> {
    const executablePath = process.env['MCPX_CHROMIUM'] ?? CHROMIUM.find(file => existsSync(file));
    if (executablePath === undefined) return test.skip();
    const fleet = await Fleet.start();
    await fleet.startAgent({id: 'agent-with-a-name-1', slots: 2});
    const run = await SessionRun.start(fleet, {plan: PLAN});
    await run.ended(SESSION_MS);
    run.dispose();
    const args = ['--no-sandbox', '--disable-dev-shm-usage'];
    return new Pages(await chromium.launch({executablePath, args}), fleet, run.id);
  }

  /** Opens a page by its address, with the right to look. */
  async open(to: string, token = this.fleet.endpoint.token): Promise<OpenPage> {
    const context = await this.browser.newContext({
      viewport: {width: 1280, height: 800},
      colorScheme: 'dark',
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    const opened = new OpenPage(page, context);
    const base = this.fleet.endpoint.url.replace(/^ws/, 'http');
    await page.goto(`${base}/#${token === '' ? to : `token=${token}&to=${to}`}`);
    return opened;
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.fleet.close();
  }
}

export class OpenPage {
  /** What went wrong in the page, and what its policy forbade. */
  readonly errors: string[] = [];

  constructor(
    readonly page: Page,
    private readonly context: BrowserContext,
  ) {
    page.on('console', message => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
    page.on('pageerror', error => this.errors.push(String(error)));
  }

  /** Findings of axe-core that keep somebody from using the page. */
  async seriousFindings(): Promise<string[]> {
    await this.page.evaluate(AXE);
    const found: unknown = await this.page.evaluate(
      "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations)",
    );
    return Findings.parse(found)
      .filter(({impact}) => impact === 'serious' || impact === 'critical')
      .map(({id, help, nodes}) => {
        const where = nodes.map(
          ({html, failureSummary}) => `    ${html.slice(0, 200)}\n      ${failureSummary}`,
        );
        return `${id}: ${help}\n${where.slice(0, 4).join('\n')}`;
      });
  }

  async useTheme(theme: Theme): Promise<void> {
    await this.page.emulateMedia({
      colorScheme: theme.endsWith('light') ? 'light' : 'dark',
      contrast: theme.startsWith('high') ? 'more' : 'no-preference',
    });
  }

  async assertAccessible(theme: Theme): Promise<void> {
    const findings = await this.seriousFindings();
    assert.ok(findings.length === 0, `in ${theme}:\n${findings.join('\n')}`);
  }

  async close(): Promise<void> {
    await this.context.close();
    assert.deepEqual(this.errors, []);
  }
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
