/** What is wrong with a plan, shown in the editor where it is wrong, and only as long as it is. */
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import {settled} from '../awaiting.ts';
import {Page} from '../page.ts';
import {workspaceFolder} from '../surroundings.ts';

interface Finding {
  readonly severity: 'Error' | 'Warning';
  /** As an editor counts for people: from 1. */
  readonly line: number;
  readonly column: number;
  /** What is underlined. */
  readonly text: string;
  readonly message: string;
}

const BROKEN = `name: broken
tasks:
  - id: build
    run: make
    maxTurns: 3
  - id: test
    run: make test
    dependsOn: biuld
  - id: publish
    run: make publish
    dependsOn: [test, build, tset]
`;

const FINDINGS: readonly Finding[] = [
  {
    severity: 'Warning',
    line: 5,
    column: 5,
    text: 'maxTurns',
    message: 'tasks[0].maxTurns: "maxTurns" has no meaning for a "run" task',
  },
  {
    severity: 'Error',
    line: 8,
    column: 16,
    text: 'biuld',
    message: 'tasks[1].dependsOn[0]: no task is called "biuld"; did you mean "build"?',
  },
  {
    severity: 'Error',
    line: 11,
    column: 30,
    text: 'tset',
    message: 'tasks[2].dependsOn[2]: no task is called "tset"; did you mean "test"?',
  },
];

describe('diagnostics of a plan file', () => {
  let file: string;
  before(() => {
    file = path.join(workspaceFolder(), 'broken.mcpx.yaml');
  });

  beforeEach(async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('stand where the plan is wrong', async () => {
    const document = await open(file, BROKEN);
    assert.deepEqual(await findings(document, FINDINGS.length), FINDINGS);
  });

  it('are drawn, and listed with the problems', async function () {
    const page = Page.orSkip(this);
    const document = await open(file, BROKEN);
    await findings(document, FINDINGS.length);
    await vscode.commands.executeCommand('workbench.actions.view.problems');
    await page.waitFor({selector: '.monaco-editor .squiggly-error'});
    await page.waitFor({selector: '.monaco-editor .squiggly-warning'});
    for (const {message} of FINDINGS)
      await page.waitFor({selector: '.markers-panel .monaco-list-row', hasText: message});
    await page.screenshot('diagnostics');
  });

  it('follow what is typed, without a save', async () => {
    const document = await open(file, BROKEN);
    await findings(document, 3);
    await replace(document, 'biuld', 'build');
    assert.deepEqual(await findings(document, 2), [FINDINGS[0], FINDINGS[2]]);
    await replace(document, 'tset', 'test');
    await replace(document, '    maxTurns: 3\n', '');
    assert.deepEqual(await findings(document, 0), []);
    assert.ok(document.isDirty);
    assert.equal(readFileSync(file, 'utf8'), BROKEN);
    await replace(document, 'name: broken\n', 'nam: broken\n');
    const [missing, unknown] = await findings(document, 2);
    assert.equal(missing?.message, 'name: "name" is missing');
    assert.deepEqual([unknown?.line, unknown?.column, unknown?.text], [1, 1, 'nam']);
    await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  });

  it('are mended by what was meant', async () => {
    const document = await open(file, BROKEN);
    await findings(document, FINDINGS.length);
    const at = document.positionAt(BROKEN.indexOf('tset') + 1);
    const [fix] = await vscode.commands.executeCommand<vscode.CodeAction[]>(
      'vscode.executeCodeActionProvider',
      document.uri,
      new vscode.Range(at, at),
      vscode.CodeActionKind.QuickFix.value,
    );
    assert.equal(fix?.title, 'Change to test');
    assert.ok(fix.edit && (await vscode.workspace.applyEdit(fix.edit)));
    assert.deepEqual(await findings(document, 2), FINDINGS.slice(0, 2));
    await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  });

  it('tell where YAML itself ends too early', async () => {
    const document = await open(file, 'name: open\ntasks:\n  - id: a\n    run: [true\n');
    const [first] = await findings(document, 1);
    assert.deepEqual([first?.severity, first?.line, first?.column], ['Error', 5, 1]);
  });

  it('are none for a plan that is right', async () => {
    const uri = vscode.Uri.file(path.join(workspaceFolder(), 'team.mcpx.yaml'));
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(document);
    assert.deepEqual(await findings(document, 0), []);
  });

  it('are none for YAML that is no plan', async () => {
    const other = path.join(workspaceFolder(), 'other.yaml');
    const document = await open(other, BROKEN);
    // Diagnostics come in the order of the documents: once this plan has its own, the other would have had them.
    await findings(await open(file, BROKEN), FINDINGS.length);
    assert.deepEqual(await findings(document, 0), []);
  });
});

async function open(file: string, text: string): Promise<vscode.TextDocument> {
  writeFileSync(file, text);
  const document = await vscode.workspace.openTextDocument(file);
  await vscode.window.showTextDocument(document);
  // The editor may hold what an earlier test left, and refuses an edit when it reads the file itself just then.
  for (let tries = 5; document.getText() !== text; tries--) {
    const done = await edit(document, document.getText(), text);
    assert.ok(done || tries > 1, `${file} cannot be edited`);
  }
  return document;
}

async function replace(document: vscode.TextDocument, before: string, after: string): Promise<void> {
  assert.ok(await edit(document, before, after));
}

/** False when the document changed meanwhile. */
function edit(document: vscode.TextDocument, before: string, after: string): Thenable<boolean> {
  const at = document.getText().indexOf(before);
  assert.ok(at >= 0, `there is no ${before}`);
  const change = new vscode.WorkspaceEdit();
  const range = new vscode.Range(document.positionAt(at), document.positionAt(at + before.length));
  change.replace(document.uri, range, after);
  return vscode.workspace.applyEdit(change);
}

/** In order, once there are `count`. */
function findings(document: vscode.TextDocument, count: number): Promise<Finding[]> {
  const ours = (): vscode.Diagnostic[] =>
    vscode.languages.getDiagnostics(document.uri).filter(({source}) => source === 'mcpx');
  return settled(
    vscode.languages.onDidChangeDiagnostics,
    () => (ours().length === count ? ours().map(each => findingOf(document, each)) : undefined),
    () => `${count} diagnostics; there are ${JSON.stringify(ours().map(each => findingOf(document, each)))}`,
  );
}

function findingOf(document: vscode.TextDocument, {severity, range, message}: vscode.Diagnostic): Finding {
  return {
    severity: severity === vscode.DiagnosticSeverity.Error ? 'Error' : 'Warning',
    line: range.start.line + 1,
    column: range.start.character + 1,
    text: document.getText(range),
    message,
  };
}
