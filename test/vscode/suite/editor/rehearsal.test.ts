/** A plan rehearsed from the editor: its session goes on in the background, real Claude Code included, until its result is a branch. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import path from 'node:path';
import * as vscode from 'vscode';
import {found} from '../../../support/waiting.ts';
import {Page} from '../page.ts';
import {bundledClaude, mcpx, runToEnd} from '../planRun.ts';
import {workspaceFolder} from '../surroundings.ts';

describe('rehearsing the plan that is open', function () {
  this.timeout(300_000);
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', workspaceFolder(), ...args], {encoding: 'utf8'}).trim();
  let plan: vscode.TextDocument;
  let checkout: string;
  let session: string;

  before(async () => {
    await settings({'run.uncommitted': 'never', 'claude.path': bundledClaude()});
    checkout = [git('rev-parse', 'HEAD'), git('branch', '--show-current'), git('status', '--short')].join();
    plan = await vscode.workspace.openTextDocument(path.join(workspaceFolder(), 'team.mcpx.yaml'));
    await vscode.window.showTextDocument(plan);
  });

  after(async () => {
    await vscode.commands.executeCommand('mcpx.stopCoordinator');
    await settings({'run.uncommitted': undefined, 'claude.path': undefined});
  });

  it('brings a branch with its result', async () => {
    const ended = await runToEnd(() => vscode.commands.executeCommand('mcpx.rehearsePlan', plan.uri));
    session = ended.session;
    assert.equal(ended.state, 'succeeded', await mcpx('sessions', 'show', session));
    const branch = git('for-each-ref', '--format=%(refname:short)', 'refs/heads/mcpx');
    assert.equal(branch, `mcpx/${session}`);
    assert.match(git('show', `${branch}:README.md`), /farewell\('Ada', 'fr'\)/);
  });

  it('leaves the checkout alone', () => {
    const now = [git('rev-parse', 'HEAD'), git('branch', '--show-current'), git('status', '--short')].join();
    assert.equal(now, checkout);
  });

  it('leaves the states of its tasks above their lines', async () => {
    await vscode.window.showTextDocument(plan);
    const lenses = await titlesOfLenses(
      plan,
      titles => titles.filter(title => title === 'Show').length === 6,
    );
    assert.ok(
      lenses.some(title => title.includes(`Session ${session}: succeeded`)),
      lenses.join(),
    );
    assert.equal(lenses.filter(title => title.startsWith('$(pass) succeeded')).length, 6, lenses.join());
    // A gate sends it back once.
    assert.ok(lenses.includes('$(pass) succeeded, attempt 2'), lenses.join());
  });

  it('tells of it over a task', async () => {
    const at = plan.positionAt(plan.getText().indexOf('id: greet') + 5);
    const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
      'vscode.executeHoverProvider',
      plan.uri,
      at,
    );
    const text = hovers
      .flatMap(({contents}) => contents)
      .map(content => (content instanceof vscode.MarkdownString ? content.value : ''))
      .join();
    assert.match(text.replaceAll('&nbsp;', ' '), new RegExp(`In session ${session}: succeeded`));
  });

  it('is there to be seen', async function () {
    const page = Page.orSkip(this);
    await page.waitFor({selector: '.monaco-editor .codelens-decoration', hasText: 'succeeded'});
    await page.screenshot('rehearsal');
  });
});

async function settings(values: Readonly<Record<string, string | undefined>>): Promise<void> {
  for (const [name, value] of Object.entries(values))
    await vscode.workspace.getConfiguration('mcpx').update(name, value, true);
}

/** Once they are what is waited for: the editor does not tell when they change. */
function titlesOfLenses(
  plan: vscode.TextDocument,
  fits: (titles: readonly string[]) => boolean,
): Promise<string[]> {
  return found(
    async () => {
      const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
        'vscode.executeCodeLensProvider',
        plan.uri,
      );
      const titles = lenses.map(({command}) => command?.title ?? '');
      return fits(titles) ? titles : undefined;
    },
    60_000,
    'the lenses',
  );
}
