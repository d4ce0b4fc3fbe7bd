/** Plans as the editor understands them: what it offers while one is typed, what it tells, and how tasks are found and renamed. */
import assert from 'node:assert/strict';
import path from 'node:path';
import * as vscode from 'vscode';
import {settled} from '../awaiting.ts';
import {Page} from '../page.ts';
import {workspaceFolder} from '../surroundings.ts';

describe('a plan in the editor', () => {
  let plan: vscode.TextDocument;
  before(async () => {
    plan = await vscode.workspace.openTextDocument(path.join(workspaceFolder(), 'team.mcpx.yaml'));
    await vscode.window.showTextDocument(plan);
  });

  const positionOf = (text: string, inside = 0): vscode.Position => {
    const at = plan.getText().indexOf(text);
    assert.ok(at >= 0, text);
    return plan.positionAt(at + inside);
  };
  const ask = <T>(command: string, ...args: unknown[]): Thenable<T> =>
    vscode.commands.executeCommand<T>(command, plan.uri, ...args);
  const textsAt = (locations: readonly vscode.Location[]): string[] =>
    locations.map(({range}) => `${range.start.line + 1}: ${plan.getText(range)}`);

  it('offers the keys that a task does not have, described', async () => {
    const offered = await ask<vscode.CompletionList>(
      'vscode.executeCompletionItemProvider',
      positionOf('title: List', 0),
      '',
    );
    const keys = offered.items.filter(({kind}) => kind === vscode.CompletionItemKind.Property);
    assert.ok(keys.length > 0);
    const labels = keys.map(({label}) => String(label));
    assert.ok(!labels.includes('run') && !labels.includes('dependsOn'), labels.join());
  });

  it('offers the tasks that a task may wait for', async () => {
    const offered = await ask<vscode.CompletionList>(
      'vscode.executeCompletionItemProvider',
      positionOf('[greet, farewell]', 1),
    );
    const tasks = offered.items.filter(({kind}) => kind === vscode.CompletionItemKind.Reference);
    assert.deepEqual(
      tasks.map(({label}) => label),
      ['languages', 'greet', 'changelog'],
    );
  });

  it('tells what a key means', async () => {
    const [hover] = await ask<vscode.Hover[]>('vscode.executeHoverProvider', positionOf('budgetUsd', 2));
    const [content] = hover?.contents ?? [];
    assert.ok(content instanceof vscode.MarkdownString);
    assert.match(content.value.replaceAll('&nbsp;', ' '), /whole session stops spending/);
  });

  it('finds a task and everyone who names it', async () => {
    const at = positionOf('dependsOn: languages', 12);
    const definitions = await ask<vscode.Location[]>('vscode.executeDefinitionProvider', at);
    assert.deepEqual(textsAt(definitions), ['14: languages']);
    const references = await ask<vscode.Location[]>('vscode.executeReferenceProvider', at);
    assert.equal(references.length, 3);
  });

  it('renames a task wherever it is named', async () => {
    const edit = await ask<vscode.WorkspaceEdit>(
      'vscode.executeDocumentRenameProvider',
      positionOf('id: greet', 5),
      'welcome',
    );
    assert.deepEqual(
      edit.get(plan.uri).map(({newText}) => newText),
      ['welcome', 'welcome'],
    );
    await assert.rejects(async () =>
      ask('vscode.executeDocumentRenameProvider', positionOf('id: greet', 5), 'farewell'),
    );
  });

  it('lists its tasks with their gates', async () => {
    const symbols = await ask<vscode.DocumentSymbol[]>('vscode.executeDocumentSymbolProvider');
    assert.deepEqual(
      symbols.map(({name}) => name),
      ['languages', 'greet', 'farewell', 'api', 'readme', 'changelog'],
    );
    assert.deepEqual(
      symbols[1]?.children.map(({name}) => name),
      ['unit'],
    );
  });

  it('carries its actions on its first line', async () => {
    const lenses = await ask<vscode.CodeLens[]>('vscode.executeCodeLensProvider');
    assert.deepEqual(
      lenses.slice(0, 3).map(({command}) => command?.command),
      ['mcpx.runPlan', 'mcpx.rehearsePlan', 'mcpx.showPlanGraph'],
    );
  });

  it('is drawn beside its text, which stays where it is', async () => {
    await vscode.window.showTextDocument(plan, vscode.ViewColumn.One);
    await ask('mcpx.showPlanGraph');
    const drawn = (): vscode.Tab[] =>
      vscode.window.tabGroups.all.flatMap(({tabs}) => tabs.filter(({label}) => label === 'greeter (plan)'));
    const [tab] = await settled(
      vscode.window.tabGroups.onDidChangeTabs,
      () => (drawn().length > 0 ? drawn() : undefined),
      'the graph',
    );
    assert.ok(tab);
    assert.equal(tab.group.viewColumn, vscode.ViewColumn.Two);
    await ask('mcpx.showPlanGraph');
    assert.equal(drawn().length, 1);
    await vscode.window.tabGroups.close(drawn());
  });

  it('is completed as a person types', async function () {
    const page = Page.orSkip(this);
    const document = await vscode.workspace.openTextDocument({language: 'mcpx-plan', content: ''});
    const editor = await vscode.window.showTextDocument(document);
    await editor.insertSnippet(
      new vscode.SnippetString('name: typed\ntasks:\n  - id: a\n    run: "true"\n  - id: b\n    dep$0'),
    );
    await vscode.commands.executeCommand('editor.action.triggerSuggest');
    await page.waitFor({selector: '.suggest-widget .monaco-list-row', hasText: 'dependsOn'});
    await page.screenshot('completion');
    await page.press('Enter');
    await page.waitFor({selector: '.suggest-widget .monaco-list-row', hasText: 'a'});
    await page.press('Enter');
    await page.waitFor({selector: '.suggest-widget'}, 'hidden');
    assert.match(document.getText(), / {4}dependsOn: \[a\]/);
    await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  });
});

describe('a new plan', () => {
  it('fits the folder, is right, and takes no name that is taken', async () => {
    const team = await vscode.workspace.openTextDocument(path.join(workspaceFolder(), 'team.mcpx.yaml'));
    const before = team.getText();
    const uri = await vscode.commands.executeCommand<vscode.Uri>('mcpx.newPlan');
    try {
      assert.equal(path.basename(uri.fsPath), 'team-2.mcpx.yaml');
      const {document} = vscode.window.activeTextEditor ?? {};
      assert.equal(document?.uri.toString(), uri.toString());
      assert.match(document.getText(), /gates:\n {2}- name: test\n {4}command: npm test/);
      assert.equal(team.getText(), before);
    } finally {
      await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
      await vscode.workspace.fs.delete(uri);
    }
  });
});
