/** The view of MCP servers over a real coordinator and real servers: imported from the folder, seen to fail and to come back, denied, added, removed. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {type AddressInfo, createServer} from 'node:net';
import path from 'node:path';
import * as vscode from 'vscode';
import {GuardedServer} from '../../../gateway/oauth/guardedServer.ts';
import {found} from '../../../support/waiting.ts';
import {Messages} from '../answers.ts';
import {Page} from '../page.ts';
import {variable, workspaceFolder} from '../surroundings.ts';
import {Team} from '../team.ts';
import {Tree} from '../views/tree.ts';

/** Where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const WELCOME = '.part.sidebar .welcome-view-content';
const PICK = '.quick-input-list .monaco-list-row';

describe('the view of MCP servers', function () {
  this.timeout(240_000);
  this.bail(true);
  let page: Page;
  let servers: Tree;
  let team: Team;
  let messages: Messages;
  let program: string;
  let guarded: GuardedServer | undefined;

  const inFolder = (name: string): string => path.join(workspaceFolder(), name);

  before(async function () {
    page = Page.orSkip(this);
    servers = new Tree(page, 'MCP Servers');
    program = path.join(variable('MCPX_TEST_ROOT'), 'test/vscode/suite/servers/shopServer.mjs');
    const shop = {command: process.execPath, args: [program]};
    team = await Team.start({'.mcp.json': JSON.stringify({mcpServers: {shop}}, undefined, 2)});
    mkdirSync(inFolder('.vscode'), {recursive: true});
    writeFileSync(
      inFolder('.vscode/mcp.json'),
      `{
  // Not everybody has it.
  "servers": {
    "far away": {"type": "http", "url": "http://127.0.0.1:${await closedPort()}/mcp"},
  },
}
`,
    );
    messages = new Messages(({buttons}) => buttons[0]);
    await vscode.commands.executeCommand('mcpx.servers.focus');
    // So that there is room for it.
    for (const title of ['Sessions', 'Approvals', 'Agents'])
      await page.click({selector: `.part.sidebar .pane-header[aria-label^="${title}"]`});
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await page.screenshot('servers-failed');
  });
  after(async () => {
    messages?.dispose();
    await team?.leave();
    await guarded?.stop();
  });

  it('offers to import or to add one where there is none', async () => {
    await page.waitFor({selector: `${WELCOME} .monaco-button`, hasText: 'Import from This Folder'});
    await page.waitFor({selector: `${WELCOME} .monaco-button`, hasText: 'Add MCP Server'});
    await page.screenshot('servers-none');
  });

  it('imports what the folder names, after showing it and asking', async () => {
    await page.click({selector: `${WELCOME} .monaco-button`, hasText: 'Import from This Folder'});
    await page.waitFor({selector: PICK, hasText: 'shop'});
    await page.waitFor({selector: PICK, hasText: 'far-away'});
    await page.screenshot('servers-import');
    await page.press('Enter');
    await servers.row(/^shop, ready · 2 tools$/);
    await servers.row(/^far-away, unavailable · /);
    const [question, refusal] = messages.shown;
    assert.deepEqual([question?.message, question?.buttons], ['Import 2 MCP servers?', ['Import']]);
    assert.match(refusal?.message ?? '', /^1 of 2 are registered\. .*far-away/);
    assert.deepEqual(refusal?.buttons, ['Register All the Same']);
  });

  it('shows what a server offers', async () => {
    await servers.expand(await servers.row(/^shop, ready/));
    await servers.row(/^Tools, 2$/);
    await servers.row(/^order, tool, Orders one, at once and for good\.$/);
    await servers.expand(await servers.row(/^Resources, 1$/));
    await servers.row(/^shop:\/\/prices, resource, Of this week\.$/);
    await servers.expand(await servers.row(/^Prompts, 1$/));
    const prompt = await servers.row(/^haggle, prompt, /);
    assert.deepEqual(await servers.actions(prompt), ['Copy Name']);
    assert.deepEqual(await servers.actions(await servers.row(/^shop, ready/)), [
      'Refresh MCP Server…',
      'Open Definition of MCP Server',
    ]);
    await page.screenshot('servers');
  });

  it('copies the name by which agents know a tool', async () => {
    await vscode.commands.executeCommand('mcpx.copyToolName', tool('order'));
    assert.equal(await vscode.env.clipboard.readText(), 'shop__order');
  });

  it('takes a tool from everybody, and gives it back', async () => {
    await vscode.commands.executeCommand('mcpx.denyTool', tool('order'));
    await servers.row(/^order, tool, denied · /);
    await page.screenshot('servers-denied');
    await vscode.commands.executeCommand('mcpx.allowTool', tool('order'));
    await servers.row(/^order, tool, Orders one/);
  });

  it('shows that a server died and why, and that it came back', async () => {
    const pidFile = inFolder('shop.pid');
    await found(() => existsSync(pidFile) || undefined, 30_000, 'the shop to have started');
    writeFileSync(inFolder('closed'), '');
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
    await vscode.commands.executeCommand('mcpx.refreshServer', {kind: 'server', server: 'shop'});
    await servers.row(/^shop, unavailable .*the shop is closed/);
    await page.screenshot('servers-died');
    rmSync(inFolder('closed'));
    await vscode.commands.executeCommand('mcpx.refreshServer', {kind: 'server', server: 'shop'});
    await servers.row(/^shop, ready · 2 tools$/);
  });

  it('adds one by its command', async () => {
    const adding = vscode.commands.executeCommand('mcpx.addServer');
    await page.waitFor({selector: PICK, hasText: 'Command'});
    await page.press('Enter');
    await page.answer('The command with its arguments', `"${process.execPath}" "${program}"`);
    await page.answer('A name for it', 'corner');
    await adding;
    await servers.row(/^corner, ready · 2 tools$/);
  });

  it('opens what it was imported from, at the server', async () => {
    await vscode.commands.executeCommand('mcpx.openServerDefinition', {kind: 'server', server: 'shop'});
    const editor = vscode.window.activeTextEditor;
    assert.equal(editor?.document.uri.fsPath, inFolder('.mcp.json'));
    assert.match(editor?.document.lineAt(editor.selection.active.line).text ?? '', /"shop"/);
  });

  it('logs in by the browser at one that wants it, and out again, with its tokens revoked', async () => {
    guarded = await GuardedServer.start();
    const endpoint = {type: 'http', url: guarded.url, headers: {}};
    await vscode.commands.executeCommand('mcpx.addServer', {name: 'vault', endpoint});
    const wanting = await servers.row(/^vault, needs a login/);
    assert.ok((await servers.actions(wanting)).includes('Log In to MCP Server…'));
    await page.screenshot('servers-needs-login');
    const {visits, work: loggingIn} = asBrowser(() => servers.act(wanting, 'Log In to MCP Server…'));
    await loggingIn;
    const open = await servers.row(/^vault, ready · 2 tools$/);
    const [visit] = visits;
    assert.ok(visit, 'nothing was opened');
    assert.ok(visit.address.startsWith(`${guarded.issuer}/authorize?`), 'as it was said, not encoded anew');
    assert.match(await visit.page, /logged in at vault/);
    assert.ok(!(await servers.actions(open)).includes('Log In to MCP Server…'));
    messages.shown.length = 0;
    await vscode.commands.executeCommand('mcpx.logOutServer', {kind: 'server', server: 'vault'});
    assert.deepEqual(
      messages.shown.map(({message, buttons}) => [message, buttons]),
      [['Log out at vault?', ['Log Out']]],
    );
    await servers.row(/^vault, needs a login/);
    assert.deepEqual(guarded.good, {access: 0, refresh: 0});
  });

  it('says that a login was refused, and what to do', async () => {
    messages.shown.length = 0;
    const {work} = asBrowser(
      () => vscode.commands.executeCommand('mcpx.logInServer', {kind: 'server', server: 'vault'}),
      url => {
        const {searchParams: asked} = new URL(url);
        const back = new URL(asked.get('redirect_uri') ?? '');
        back.search = `state=${asked.get('state')}&error=access_denied`;
        return back.href;
      },
    );
    await work;
    assert.match(
      messages.shown[0]?.message ?? '',
      /refused the login: access_denied\. Begin it anew, and agree on the page/,
    );
  });

  it('removes one, after asking', async () => {
    messages.shown.length = 0;
    await vscode.commands.executeCommand('mcpx.removeServer', {kind: 'server', server: 'corner'});
    await found(
      async () => !(await servers.labels()).some(label => label.startsWith('corner')) || undefined,
      30_000,
      'the server to leave the tree',
    );
    assert.deepEqual(
      messages.shown.map(({message}) => message),
      ['Remove the MCP server corner?'],
    );
  });

  /** What is opened outside the editor meanwhile is visited as a browser would; `turned`: where the person goes instead. */
  function asBrowser(begin: () => Thenable<unknown>, turned = (url: string): string => url) {
    const visits: {address: string; page: Promise<string>}[] = [];
    const {openExternal} = vscode.env;
    const open = (target: vscode.Uri | string): Promise<boolean> => {
      const address = String(target);
      visits.push({address, page: fetch(turned(address)).then(response => response.text())});
      return Promise.resolve(true);
    };
    Object.assign(vscode.env, {openExternal: open});
    const work = Promise.resolve(begin())
      .then(() => found(() => visits.length > 0 || undefined, 30_000, 'the browser to be opened'))
      .then(() => Promise.all(visits.map(visit => visit.page)))
      .finally(() => Object.assign(vscode.env, {openExternal}));
    return {visits, work};
  }

  function tool(name: string) {
    return {kind: 'offer', server: 'shop', part: 'tools', name};
  }
});

describe("the hub in the editor's own chat", function () {
  this.timeout(240_000);
  this.bail(true);
  let page: Page;
  let team: Team;
  let messages: Messages;
  let answer: string | undefined;

  before(async function () {
    page = Page.orSkip(this);
    team = await Team.start({});
    // The editor has servers of these files too, beside those of the hub.
    for (const file of ['.mcp.json', '.vscode/mcp.json'])
      rmSync(path.join(workspaceFolder(), file), {force: true});
    messages = new Messages(() => answer);
    const program = path.join(variable('MCPX_TEST_ROOT'), 'test/vscode/suite/servers/shopServer.mjs');
    const endpoint = {type: 'stdio', command: process.execPath, args: [program], cwd: workspaceFolder()};
    await vscode.commands.executeCommand('mcpx.addServer', {name: 'market', endpoint});
  });
  after(async () => {
    messages?.dispose();
    await team?.leave();
  });

  it('is an MCP server of the editor as soon as the window is connected', async () => {
    assert.match(await listed(), /MCPX\s*Stopped/);
  });

  it('is not started when the person does not agree', async () => {
    await start();
    assert.deepEqual(
      messages.shown.map(({message, buttons}) => [message, buttons]),
      [['Let the chat of this editor use MCPX?', ['Allow']]],
    );
    assert.match(await listed(), /MCPX\s*Stopped/);
    assert.deepEqual(toolsOfHub(), []);
  });

  it("is started with a token once the person agrees, and its tools are the chat's", async () => {
    answer = 'Allow';
    await start();
    await found(
      () => toolsOfHub().some(name => name.includes('market__order')) || undefined,
      60_000,
      () => `the tools of the market among ${toolsOfHub().join()}`,
    );
    assert.match(await listed(), /MCPX\s*Running/);
    await page.screenshot('chat-running');
  });

  it('is taken back when the setting says so, and not asked about again when it is offered anew', async () => {
    messages.shown.length = 0;
    const offer = (isOffered: boolean) =>
      vscode.workspace.getConfiguration('mcpx').update('chat.offerHub', isOffered, true);
    await offer(false);
    await found(
      async () => !(await listed()).includes('MCPX') || undefined,
      30_000,
      'the hub to leave the list',
    );
    await offer(true);
    await found(async () => /MCPX\s*Stopped/.test(await listed()) || undefined, 30_000, 'the hub to be back');
    await start();
    assert.match(await listed(), /MCPX\s*Running/);
    assert.deepEqual(messages.shown, []);
  });

  /** Resolves when every server was started or refused. */
  async function start(): Promise<void> {
    await vscode.commands.executeCommand('workbench.mcp.startServer', '*');
  }

  function toolsOfHub(): string[] {
    return vscode.lm.tools.map(({name}) => name).filter(name => name.includes('market__'));
  }

  /** What the editor lists as MCP servers. */
  async function listed(): Promise<string> {
    const listing = vscode.commands.executeCommand('workbench.mcp.listServer');
    await page.waitFor({selector: PICK, hasText: 'Add Server'});
    const rows = await page.texts({selector: PICK});
    await page.press('Escape');
    await listing;
    return rows.join('\n');
  }
});
