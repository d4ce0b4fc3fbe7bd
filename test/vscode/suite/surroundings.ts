/** What the runner told the suite: where things are. */
import assert from 'node:assert/strict';
import path from 'node:path';
import * as vscode from 'vscode';

export const EXTENSION_ID = 'mcpx.mcpx';

export function variable(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

/** The folder that is open. */
export function workspaceFolder(): string {
  const folder = vscode.workspace.workspaceFolders?.[0];
  assert.ok(folder, 'no folder is open');
  return folder.uri.fsPath;
}

/** Outside the workspace, and gone after the run. */
export function scratchFolder(): string {
  return variable('HOME');
}

/** For pictures that a person may look at afterwards. */
export function pictureFile(name: string): string {
  return path.join(variable('MCPX_TEST_ROOT'), 'out/screenshots', `${name}.png`);
}

export function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension(EXTENSION_ID);
  assert.ok(found, `${EXTENSION_ID} is not installed`);
  return found;
}
