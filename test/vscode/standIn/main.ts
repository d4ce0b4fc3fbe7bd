/** Takes the place of VS Code's executable where that cannot be had: VS Code's server with its real extension host, drawn by a browser. Understands what `@vscode/test-electron` passes, brings the console through and exits as the suite ended. */
import {copyFileSync, mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {format} from 'node:util';
import {PAGE_VARIABLE} from '../pageActions.ts';
import {CodeServer} from './codeServer.ts';
import {type CommandLine, parseCommandLine} from './commandLine.ts';
import {type GuardedSuite, guardSuite} from './guardedSuite.ts';
import {servePage} from './pageService.ts';
import {describeMissing, findParts, type Parts} from './parts.ts';
import {type Browser, launchBrowser, type Page} from './playwright.ts';

const VIEWPORT = {width: 1400, height: 900};
const PAGE_LIMIT_MS = 120_000;
/** Whoever started us may be gone by then. */
const RUN_LIMIT_MS = 900_000;
const PICTURE_LIMIT_MS = 10_000;
/** A verdict that is written while the host ends still counts. */
const VERDICT_GRACE_MS = 3000;

/** Said by VS Code itself at every start, of no use to somebody who reads a test's output. */
const NOISE =
  /^(?:Ignoring fetching additional|Updating additional builtin|Creating a socket \(renderer|Resolv(?:ing|ed) connection token|\[reconnection-grace-time\]|\[Service Worker\]|\[remote-connection\]|\[Agent|\[AccountPolicyGate|\[ChatModelSelection|Timed out waiting for authentication provider|Canceled: |Creation of workbench contribution|No search provider registered|Error while fetching the extension under development)/;

/** In stacks. */
const FRAMES_OF_EDITOR = /\n\s+at [^\n]*\/static\/out\/vs\/[^\n]*/g;

/** `code` is what VS Code reported, which is no proof of a suite that passed. */
type End =
  | {readonly kind: 'reported'; readonly code: number}
  | {readonly kind: 'broken'; readonly why: string};

interface Run {
  readonly parts: Parts;
  readonly commandLine: CommandLine;
  /** Of this run: logs, sockets, verdict. Stays when the run failed. */
  readonly folder: string;
  readonly suite: GuardedSuite;
  readonly end: (end: End) => void;
  readonly ended: Promise<End>;
}

async function main(): Promise<number> {
  const commandLine = parseCommandLine(process.argv.slice(2), process.cwd());
  const found = findParts(process.env);
  if (found.kind === 'missing')
    throw new Error(`The stand-in editor lacks ${found.missing.map(describeMissing).join(', ')}.`);
  if (commandLine.tests === undefined)
    throw new Error('The stand-in editor only runs tests: --extensionTestsPath is missing.');
  const folder = mkdtempSync(path.join(tmpdir(), 'code-'));
  const suite = guardSuite(commandLine.tests, folder);
  let end: Run['end'] = () => undefined;
  const ended = new Promise<End>(resolve => {
    end = resolve;
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => end({kind: 'broken', why: `ended by ${signal}`}));
  void pause(RUN_LIMIT_MS, undefined, {ref: false}).then(() =>
    end({kind: 'broken', why: `no end within ${RUN_LIMIT_MS / 1000} s`}),
  );
  return await runSuite({parts: found.parts, commandLine, folder, suite, end, ended});
}

/** Closes what it opened, the last first. */
async function runSuite(run: Run): Promise<number> {
  const {parts, folder, suite} = run;
  const opened: (() => unknown)[] = [];
  let code = 1;
  try {
    let page: Page | undefined;
    const socket = path.join(folder, 'page.sock');
    const service = await servePage(socket, () => page);
    opened.push(() => service.close());
    const server = await startServer(run, socket);
    opened.push(() => server.stop());
    const browser = await launchBrowser(parts.playwright, parts.browser);
    opened.push(() => browser.close());
    page = await openPage(browser, server, run);
    await page.goto(workbenchUrl(server, run), {timeout: PAGE_LIMIT_MS});
    const end = await run.ended;
    code = exitCode(end, suite);
    if (code !== 0) await explain(whyFailed(end, suite), page, server, folder);
  } finally {
    for (const close of opened.reverse()) await close();
  }
  if (code === 0) rmSync(folder, {recursive: true, force: true});
  return code;
}

async function startServer({parts, commandLine, folder, end}: Run, socket: string): Promise<CodeServer> {
  const userData = commandLine.userData ?? path.join(folder, 'user');
  const extensionsFolder = commandLine.extensionsFolder ?? path.join(folder, 'extensions');
  for (const wanted of [userData, extensionsFolder]) mkdirSync(wanted, {recursive: true});
  return await CodeServer.start(parts, {
    folder,
    userData,
    extensionsFolder,
    env: {...process.env, [PAGE_VARIABLE]: socket},
    isDriven: true,
    trustsAll: commandLine.trustsAll,
    onHostEnded: why =>
      void pause(VERDICT_GRACE_MS, undefined, {ref: false}).then(() => end({kind: 'broken', why})),
  });
}

/** A page whose console and end reach us, not yet at the workbench. */
async function openPage(browser: Browser, server: CodeServer, {end}: Run): Promise<Page> {
  const context = await browser.newContext({viewport: VIEWPORT});
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], {origin: server.origin});
  const page = await context.newPage();
  page.on('crash', () => end({kind: 'broken', why: 'the page crashed'}));
  await page.exposeFunction('codeAutomationLog', (type: string, args: unknown[]) => {
    if (typeof args[0] === 'string' && NOISE.test(args[0])) return;
    const stream = type === 'error' || type === 'warn' ? process.stderr : process.stdout;
    stream.write(`${format(...args).replaceAll(FRAMES_OF_EDITOR, '')}\n`);
  });
  await page.exposeFunction('codeAutomationExit', (code: number) => end({kind: 'reported', code}));
  return page;
}

function workbenchUrl(server: CodeServer, {commandLine, suite}: Run): string {
  const remote = (file: string): string => `vscode-remote://127.0.0.1:${server.port}${file}`;
  const payload = [
    ...commandLine.extensions.map(folder => ['extensionDevelopmentPath', remote(folder)]),
    ['extensionTestsPath', remote(suite.module)],
    ...(commandLine.disableExtensions ? [['disableExtensions', 'true']] : []),
  ];
  const {workspace} = commandLine;
  const query = new URLSearchParams({payload: JSON.stringify(payload)});
  if (workspace === undefined) query.set('ew', 'true');
  else query.set(workspace.endsWith('.code-workspace') ? 'workspace' : 'folder', workspace);
  return `${server.origin}/?${query}`;
}

/** Zero only for a suite that came to its end and passed. */
function exitCode(end: End, suite: GuardedSuite): number {
  if (end.kind === 'broken' || !suite.passed()) return 1;
  return end.code;
}

function whyFailed(end: End, suite: GuardedSuite): string {
  if (end.kind === 'broken') return end.why;
  const said = `VS Code reported ${end.code}`;
  return suite.passed() === undefined ? `it did not come to its end, though ${said}` : said;
}

/** Keeps what shows why: picture and log, in `MCPX_TEST_ARTIFACTS` if that is set. */
async function explain(why: string, page: Page, server: CodeServer, folder: string): Promise<void> {
  console.error(`The suite did not pass: ${why}.`);
  const kept = process.env['MCPX_TEST_ARTIFACTS'] ?? folder;
  mkdirSync(kept, {recursive: true});
  const [picture, log] = [path.join(kept, 'end.png'), path.join(kept, 'server.log')];
  if (log !== server.logFile) copyFileSync(server.logFile, log);
  await page.screenshot({path: picture, timeout: PICTURE_LIMIT_MS}).then(
    () => console.error(`See ${picture} and ${log}.`),
    () => console.error(`See ${log}.`),
  );
}

main().then(
  code => process.exit(code),
  error => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
