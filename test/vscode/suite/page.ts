/** The window as a person sees it: acts on the page that draws the editor, by Playwright's selectors. */
import assert from 'node:assert/strict';
import {mkdirSync} from 'node:fs';
import {request} from 'node:http';
import path from 'node:path';
import {text} from 'node:stream/consumers';
import {insist} from '../../support/insist.ts';
import {ACTION_LIMIT_MS, PAGE_VARIABLE, type PageAction, PageAnswer, type Target} from '../pageActions.ts';
import {pictureFile} from './surroundings.ts';

const INPUT = '.quick-input-widget input.input';
const PALETTE_ROW = '.quick-input-list .monaco-list-row';

const NO_COMMAND = 'No matching commands';

export class Page {
  constructor(private readonly socket: string) {}

  /** Skips the test where nothing drives the window. */
  static orSkip(test: Mocha.Context): Page {
    const socket = process.env[PAGE_VARIABLE];
    return socket === undefined ? test.skip() : new Page(socket);
  }

  async waitFor(target: Target, state: 'visible' | 'hidden' = 'visible'): Promise<void> {
    await this.act({kind: 'waitFor', target, state});
  }

  async click(target: Target): Promise<void> {
    await this.act({kind: 'click', target});
  }

  async drag(target: Target, onto: Target): Promise<void> {
    await this.act({kind: 'drag', target, onto});
  }

  async fill(target: Target, value: string): Promise<void> {
    await this.act({kind: 'fill', target, text: value});
  }

  async texts(target: Target): Promise<string[]> {
    return await this.act({kind: 'texts', target});
  }

  async attribute(target: Target, name: string): Promise<string | undefined> {
    return (await this.act({kind: 'attribute', target, name}))[0];
  }

  /** Of every element that matches. */
  async attributes(target: Target, name: string): Promise<string[]> {
    return await this.act({kind: 'attributes', target, name});
  }

  /** As Playwright names keys. */
  async press(keys: string): Promise<void> {
    await this.act({kind: 'press', keys});
  }

  async type(value: string): Promise<void> {
    await this.act({kind: 'type', text: value});
  }

  /** Answers the input box that asks `question`: by `value`, or by what it offers. */
  async answer(question: string, value?: string): Promise<void> {
    const box = {selector: '.quick-input-widget', hasText: question};
    await this.waitFor(box);
    if (value !== undefined) await this.fill({selector: INPUT}, value);
    await insist(async limitMs => {
      await this.press('Enter');
      await this.act({kind: 'waitFor', target: box, state: 'hidden', limitMs});
    }, ACTION_LIMIT_MS);
  }

  /** Opens the palette, and returns what it offers for `text`: at least one row, which may say that there is nothing. */
  async palette(text: string): Promise<string[]> {
    await insist(limitMs => this.ask(text, limitMs), ACTION_LIMIT_MS);
    return await this.texts({selector: PALETTE_ROW});
  }

  /** Runs a command by its title in the palette. */
  async runCommand(title: string): Promise<void> {
    await insist(async limitMs => {
      await this.ask(title, limitMs);
      await this.act({kind: 'click', target: {selector: PALETTE_ROW, hasText: title}, limitMs});
    }, ACTION_LIMIT_MS);
  }

  private async ask(text: string, limitMs: number): Promise<void> {
    await this.press('F1');
    await this.act({kind: 'fill', target: {selector: INPUT}, text: `>${text}`, limitMs});
    // Until then the rows may be those of before.
    const answered = [text, NO_COMMAND].map(each => `:has-text(${JSON.stringify(each)})`).join(', ');
    const rows = {selector: `${PALETTE_ROW}:is(${answered})`};
    await this.act({kind: 'waitFor', target: rows, state: 'visible', limitMs});
  }

  /** The file of the picture. */
  async screenshot(name: string): Promise<string> {
    const file = pictureFile(name);
    mkdirSync(path.dirname(file), {recursive: true});
    await this.act({kind: 'screenshot', file});
    return file;
  }

  private async act(action: PageAction): Promise<string[]> {
    const answer = PageAnswer.parse(JSON.parse(await this.post(JSON.stringify(action))));
    assert.ok(answer.kind === 'done', answer.kind === 'failed' ? answer.message : '');
    return answer.values;
  }

  private post(body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {socketPath: this.socket, method: 'POST', timeout: 2 * ACTION_LIMIT_MS},
        response => {
          text(response).then(resolve, reject);
        },
      );
      sent.on('error', reject);
      sent.on('timeout', () => sent.destroy(new Error(`no answer from the page to ${body}`)));
      sent.end(body);
    });
  }
}
