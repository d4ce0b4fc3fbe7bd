/** Links into the editor and out of it: one that offers a coordinator is followed only by a person, and the browser gets a token of its own. */
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import * as z from 'zod';
import {openClient} from '../../../../coordinator/commands/local/connect.ts';
import {silentLogger} from '../../../../coordinator/observability/logger.ts';
import {Messages, type Shown} from '../answers.ts';
import {Page} from '../page.ts';
import {EXTENSION_ID} from '../surroundings.ts';
import {Team} from '../team.ts';

const INPUT = '.quick-input-widget input.input';
const Token = z.object({token: z.string()});
const Endpoint = z.object({url: z.string(), token: z.string()});

describe('links', function () {
  this.timeout(240_000);
  let team: Team;
  let url: string;
  let origin: string;
  let own: string;
  before(async () => {
    team = await Team.start({'README.md': 'nothing\n'});
    ({url, token: own} = Endpoint.parse(JSON.parse(await team.mcpx('endpoint', '--json'))));
    origin = `ws://${new URL(url).host}`;
  });
  after(async () => {
    await vscode.workspace.getConfiguration('mcpx').update('coordinator.context', undefined, true);
    await team?.leave();
  });

  const setting = () => vscode.workspace.getConfiguration('mcpx').get('coordinator.context');
  const linkTo = (query: Readonly<Record<string, string>>, at = '/connect') =>
    vscode.Uri.from({
      scheme: vscode.env.uriScheme,
      authority: EXTENSION_ID,
      path: at,
      query: new URLSearchParams(query).toString(),
    });

  /** What was shown until `enough` of it was. */
  async function following(link: vscode.Uri, answer: (shown: Shown) => string | undefined): Promise<Shown> {
    let asked: (shown: Shown) => void = () => undefined;
    const first = new Promise<Shown>(resolve => {
      asked = resolve;
    });
    const messages = new Messages(shown => {
      asked(shown);
      return answer(shown);
    });
    try {
      await vscode.commands.executeCommand('vscode.open', link);
      return await first;
    } finally {
      messages.dispose();
    }
  }

  it('that carry a token, or ask for something else, are refused', async function () {
    Page.orSkip(this);
    const withToken = await following(linkTo({url: origin, token: 'secret'}), () => undefined);
    assert.match(withToken.message, /^This link carries a token\./);
    const other = await following(linkTo({url: origin}, '/run'), () => undefined);
    assert.equal(other.message, 'This link asks for nothing that MCPX knows.');
  });

  it('lead nowhere unless the person agrees', async function () {
    Page.orSkip(this);
    const asked = await following(linkTo({url: origin}), () => undefined);
    assert.equal(asked.message, `Connect to the coordinator at ${origin}?`);
    assert.equal(setting(), '');
    assert.doesNotMatch(await team.mcpx('context', 'list'), /127\.0\.0\.1/);
  });

  it('connect to a coordinator once the person agrees and gives a token', async function () {
    const page = Page.orSkip(this);
    const {token} = Token.parse(JSON.parse(await team.mcpx('token', 'create', '--role', 'client', '--json')));
    await following(linkTo({url: origin}), () => 'Connect');
    await page.waitFor({selector: '.quick-input-widget', hasText: 'A name for it'});
    await page.fill({selector: INPUT}, 'linked');
    await page.press('Enter');
    await page.waitFor({selector: '.quick-input-widget', hasText: 'A client token'});
    await page.screenshot('link');
    const changed = new Promise<void>(resolve => {
      const listening = vscode.workspace.onDidChangeConfiguration(event => {
        if (!event.affectsConfiguration('mcpx.coordinator.context')) return;
        listening.dispose();
        resolve();
      });
    });
    await page.fill({selector: INPUT}, token);
    await page.press('Enter');
    await changed;
    assert.equal(setting(), 'linked');
    assert.match(await team.mcpx('context', 'list'), /linked/);
  });

  it('open the pages in a browser, with a token of its own that no server is sent', async () => {
    const opened: vscode.Uri[] = [];
    const {openExternal} = vscode.env;
    const open = (target: vscode.Uri): Promise<boolean> => {
      opened.push(target);
      return Promise.resolve(true);
    };
    Object.assign(vscode.env, {openExternal: open});
    try {
      await vscode.commands.executeCommand('mcpx.openInBrowser');
    } finally {
      Object.assign(vscode.env, {openExternal});
    }
    const [target] = opened;
    assert.ok(target, 'nothing was opened');
    const {token = '', to} = Object.fromEntries(new URLSearchParams(target.fragment));
    assert.equal(to, '/');
    assert.notEqual(token, own);
    assert.equal(target.query, '');
    const page = await fetch(target.with({fragment: ''}).toString());
    assert.match(await page.text(), /<script/);
    const client = await openClient({url, token, ca: undefined}, silentLogger);
    try {
      assert.ok((await client.request('mcpx.cluster.info', {})).coordinator);
    } finally {
      client.dispose();
    }
  });
});
