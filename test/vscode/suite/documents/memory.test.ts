/** Values of shared memory as documents: saved where nobody else wrote, and never over what somebody else did. */
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type {JsonValue} from '../../../../coordinator/runtime/json.ts';
import {Messages} from '../answers.ts';
import {settled} from '../awaiting.ts';
import {Page} from '../page.ts';
import {Team} from '../team.ts';

const NOTE = '.notifications-center .notification-list-item';

describe('values of shared memory', function () {
  this.timeout(240_000);
  let team: Team;
  let sessionId: string;
  before(async () => {
    team = await Team.start({
      'quiet.mcpx.yaml': 'name: quiet\nagents: 1\ntasks:\n  - { id: wait, run: sleep 1000 }\n',
    });
    sessionId = await team.run('quiet.mcpx.yaml');
  });
  after(() => team?.leave());
  beforeEach(() => vscode.commands.executeCommand('workbench.action.closeAllEditors'));

  const put = async (key: string, value: JsonValue): Promise<void> => {
    await (await team.client()).request('mcpx.memory.put', {sessionId, key, value});
  };
  const stored = async (key: string): Promise<JsonValue | undefined> =>
    (await (await team.client()).request('mcpx.memory.get', {sessionId, key})).record?.value;
  const open = async (key: string): Promise<vscode.TextDocument> => {
    await vscode.commands.executeCommand('mcpx.openStateValue', {target: {kind: 'stateKey', sessionId, key}});
    const document = vscode.window.activeTextEditor?.document;
    assert.equal(document?.uri.scheme, 'mcpx-memory');
    return document;
  };

  it('are saved, several times in a row', async () => {
    await put('api/shape', {size: 1});
    const document = await open('api/shape');
    assert.equal(document.languageId, 'json');
    assert.equal(document.getText(), '{\n  "size": 1\n}\n');
    for (const size of [2, 3, 4]) {
      await replaceAll(document, `{"size": ${size}}`);
      assert.ok(await document.save());
      assert.deepEqual(await stored('api/shape'), {size});
    }
    assert.equal(document.isDirty, false);
  });

  it('follow what others write while they are only looked at', async () => {
    await put('followed', 'before');
    const document = await open('followed');
    await put('followed', 'after!');
    await settled(
      vscode.workspace.onDidChangeTextDocument,
      () => document.getText() === '"after!"\n' || undefined,
      'the document to follow',
    );
    assert.equal(document.isDirty, false);
  });

  it('are not saved over a foreign change, even of the same length, until the person says so', async function () {
    const page = Page.orSkip(this);
    await put('contended', 'mine 1');
    const document = await open('contended');
    await replaceAll(document, '"mine 2"\n');
    await put('contended', 'theirs');
    await vscode.commands.executeCommand('notifications.clearAll');
    assert.equal(await tryToSave(document), false);
    assert.equal(await stored('contended'), 'theirs');
    assert.ok(document.isDirty);
    assert.equal(document.getText(), '"mine 2"\n');

    await vscode.commands.executeCommand('notifications.showList');
    await page.waitFor({selector: NOTE, hasText: 'Failed to save'});
    await page.screenshot('memoryConflict');
    await page.click({selector: `${NOTE} .monaco-button`, hasText: 'Compare'});
    await settled(
      vscode.window.tabGroups.onDidChangeTabs,
      () =>
        vscode.window.tabGroups.activeTabGroup.activeTab?.input instanceof vscode.TabInputTextDiff ||
        undefined,
      'the comparison',
    );
    await page.screenshot('memoryCompare');
    assert.equal(await stored('contended'), 'theirs');
    await vscode.commands.executeCommand('workbench.files.action.acceptLocalChanges', document.uri);
    await settled(
      vscode.workspace.onDidSaveTextDocument,
      () => !document.isDirty || undefined,
      'the person’s own version to be saved',
    );
    assert.equal(await stored('contended'), 'mine 2');
  });

  it('are not saved by whoever has not looked since somebody wrote, and the two are compared on request', async () => {
    await put('beside', 'first');
    await put('raced', 'first');
    const {uri: beside} = await open('beside');
    // Not open itself: the window would look by itself as soon as it hears of the change.
    const uri = beside.with({path: beside.path.replace('beside', 'raced')});
    const messages = new Messages(({buttons}) => (buttons.includes('Compare') ? 'Compare' : undefined));
    try {
      await vscode.workspace.fs.stat(uri);
      await put('raced', 'other');
      const written = Promise.resolve(
        vscode.workspace.fs.writeFile(uri, new TextEncoder().encode('"mine!"')),
      );
      await assert.rejects(written, /changed by somebody else/);
      assert.equal(await stored('raced'), 'other');
      await settled(
        vscode.window.tabGroups.onDidChangeTabs,
        () => vscode.window.tabGroups.activeTabGroup.activeTab?.label.includes('stored') || undefined,
        'the comparison',
      );
    } finally {
      messages.dispose();
    }
  });

  it('are not stored when they are not JSON, and the place is said', async function () {
    const page = Page.orSkip(this);
    await put('strict', [1]);
    const document = await open('strict');
    await replaceAll(document, '[\n  1,\n]\n');
    await vscode.commands.executeCommand('notifications.clearAll');
    assert.equal(await tryToSave(document), false);
    assert.deepEqual(await stored('strict'), [1]);
    await vscode.commands.executeCommand('notifications.showList');
    await page.waitFor({selector: NOTE, hasText: 'line 3, column 1: this is not JSON'});
    await vscode.commands.executeCommand('notifications.clearAll');
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('are made by name, and opened when they are there already', async () => {
    await vscode.commands.executeCommand('mcpx.newStateKey', {kind: 'session', sessionId}, 'fresh/key');
    assert.equal(vscode.window.activeTextEditor?.document.uri.path, `/${sessionId}/fresh/key.json`);
    assert.deepEqual(await stored('fresh/key'), {});
    await put('fresh/key', 'kept');
    await vscode.commands.executeCommand('mcpx.newStateKey', {kind: 'session', sessionId}, 'fresh/key');
    assert.equal(await stored('fresh/key'), 'kept');
  });
});

/** False too when the editor rejects it. */
async function tryToSave(document: vscode.TextDocument): Promise<boolean> {
  try {
    return await document.save();
  } catch {
    return false;
  }
}

async function replaceAll(document: vscode.TextDocument, text: string): Promise<void> {
  const edit = new vscode.WorkspaceEdit();
  edit.replace(document.uri, new vscode.Range(0, 0, document.lineCount, 0), text);
  assert.ok(await vscode.workspace.applyEdit(edit));
}
