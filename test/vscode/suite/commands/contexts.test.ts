/** A coordinator elsewhere: added with its token, connected to, left, and forgotten. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import {Messages} from '../answers.ts';
import {Page} from '../page.ts';
import {variable} from '../surroundings.ts';
import {Team} from '../team.ts';

const INPUT = '.quick-input-widget input.input';
const ROW = '.quick-input-list .monaco-list-row';

const Token = z.object({token: z.string()});
const Endpoint = z.object({url: z.string()});

describe('commands about coordinators', function () {
  this.timeout(240_000);
  let team: Team;
  let url: string;
  let token: string;
  before(async () => {
    team = await Team.start({'README.md': 'nothing\n'});
    ({token} = Token.parse(JSON.parse(await team.mcpx('token', 'create', '--role', 'client', '--json'))));
    ({url} = Endpoint.parse(JSON.parse(await team.mcpx('endpoint', '--json'))));
  });
  after(() => team?.leave());

  const setting = () => vscode.workspace.getConfiguration('mcpx').get('coordinator.context');
  /** One box after the other. */
  async function fillIn(page: Page, ...answers: readonly (readonly [prompt: string, text: string])[]) {
    for (const [prompt, text] of answers) {
      await page.waitFor({selector: '.quick-input-widget', hasText: prompt});
      await page.fill({selector: INPUT}, text);
      await page.press('Enter');
    }
  }
  async function add(page: Page, given: string): Promise<string[]> {
    const messages = new Messages(() => undefined);
    try {
      const adding = vscode.commands.executeCommand('mcpx.addContext');
      const pin: [string, string][] = url.startsWith('wss:') ? [['The pin of its authority', '']] : [];
      await fillIn(
        page,
        ['Its address', url],
        ...pin,
        ['A name for it', 'elsewhere'],
        ['A client token', given],
      );
      await adding;
    } finally {
      messages.dispose();
    }
    return messages.shown.map(({kind, message}) => `${kind}: ${message}`);
  }

  it('keep nothing of one that refuses the token', async function () {
    const page = Page.orSkip(this);
    const [refused = ''] = await add(page, 'wrong');
    assert.match(refused, /^showErrorMessage: /);
    assert.doesNotMatch(await team.mcpx('context', 'list'), /elsewhere/);
    assert.equal(setting(), '');
  });

  it('connect to one whose token is kept by the editor alone', async function () {
    const page = Page.orSkip(this);
    assert.deepEqual(await add(page, token), []);
    assert.equal(setting(), 'elsewhere');
    assert.match(await team.mcpx('context', 'list'), /elsewhere/);
    const document = readFileSync(path.join(variable('MCPX_HOME'), 'contexts.json'), 'utf8');
    assert.ok(document.includes('elsewhere') && !document.includes(token), document);
  });

  it('go back to this machine, and forget the other', async function () {
    const page = Page.orSkip(this);
    const leaving = vscode.commands.executeCommand('mcpx.connect');
    await page.waitFor({selector: ROW, hasText: 'elsewhere'});
    await page.screenshot('connect');
    await page.click({selector: ROW, hasText: 'This machine'});
    await leaving;
    assert.equal(setting(), '');
    const messages = new Messages(({buttons}) => (buttons.includes('Forget') ? 'Forget' : undefined));
    try {
      const forgetting = vscode.commands.executeCommand('mcpx.connect');
      await page.click({selector: ROW, hasText: 'Forget one'});
      await page.waitFor({selector: ROW, hasText: 'This machine'}, 'hidden');
      await page.click({selector: ROW, hasText: 'elsewhere'});
      await forgetting;
    } finally {
      messages.dispose();
    }
    assert.deepEqual(
      messages.shown.map(({message}) => message),
      ['Forget elsewhere?'],
    );
    assert.doesNotMatch(await team.mcpx('context', 'list'), /elsewhere/);
  });
});
