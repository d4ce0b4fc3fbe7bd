/** New Plan: looks at the open folder, writes a plan that fits it and opens it. What is there already is never overwritten. */
import path from 'node:path';
import * as vscode from 'vscode';
import {pickOne, sayAndStop} from '../commands/asking.ts';
import {planTemplate} from './planTemplate.ts';
import {type ProjectFiles, projectGates} from './projectGates.ts';

export async function newPlan(argument: unknown): Promise<vscode.Uri> {
  const folder = argument instanceof vscode.Uri ? argument : (await chooseFolder()).uri;
  const gates = projectGates(await lookAt(folder));
  const file = await writeNew(folder, planTemplate(path.basename(folder.fsPath), gates));
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(file));
  return file;
}

/** The folder of the active editor, else the only one, else the one that the person picks. */
export async function chooseFolder(): Promise<vscode.WorkspaceFolder> {
  const {workspaceFolders = []} = vscode.workspace;
  const active = vscode.window.activeTextEditor?.document.uri;
  const around = active && vscode.workspace.getWorkspaceFolder(active);
  const only = around ?? (workspaceFolders.length === 1 ? workspaceFolders[0] : undefined);
  if (only) return only;
  const {t} = vscode.l10n;
  if (workspaceFolders.length === 0) sayAndStop(t('Open a folder first.'));
  return pickOne(
    workspaceFolders.map(folder => ({label: folder.name, description: folder.uri.fsPath, value: folder})),
    {title: t('In which folder?'), none: ''},
  );
}

async function lookAt(folder: vscode.Uri): Promise<ProjectFiles> {
  const names = new Set((await vscode.workspace.fs.readDirectory(folder)).map(([name]) => name));
  const read = async (...candidates: string[]): Promise<string | undefined> => {
    const name = candidates.find(candidate => names.has(candidate));
    if (name === undefined) return undefined;
    return new TextDecoder().decode(await vscode.workspace.fs.readFile(vscode.Uri.joinPath(folder, name)));
  };
  const [packageJson, makefile, pyproject, goMod, cargoToml] = await Promise.all([
    read('package.json'),
    read('Makefile', 'makefile', 'GNUmakefile'),
    read('pyproject.toml'),
    read('go.mod'),
    read('Cargo.toml'),
  ]);
  return {packageJson, makefile, pyproject, goMod, cargoToml, names};
}

const MAX_NAMES = 1000;

/** `team.mcpx.yaml`, `team-2.mcpx.yaml`, …: the first name that nobody has, even if somebody takes one meanwhile. */
async function writeNew(folder: vscode.Uri, text: string): Promise<vscode.Uri> {
  for (let number = 1; number <= MAX_NAMES; number++) {
    const file = vscode.Uri.joinPath(folder, planName(number));
    const edit = new vscode.WorkspaceEdit();
    edit.createFile(file, {
      ignoreIfExists: false,
      overwrite: false,
      contents: new TextEncoder().encode(text),
    });
    if (!(await exists(file)) && (await vscode.workspace.applyEdit(edit))) return file;
  }
  throw new Error(vscode.l10n.t('{0} has too many plans: no name is free.', folder.fsPath));
}

function planName(number: number): string {
  return number === 1 ? 'team.mcpx.yaml' : `team-${number}.mcpx.yaml`;
}

/** An address below the folder at which nothing is yet. */
export async function freePlanFile(folder: vscode.Uri): Promise<vscode.Uri> {
  for (let number = 1; ; number++) {
    const file = vscode.Uri.joinPath(folder, planName(number));
    if (number === MAX_NAMES || !(await exists(file))) return file;
  }
}

async function exists(file: vscode.Uri): Promise<boolean> {
  return vscode.workspace.fs.stat(file).then(
    () => true,
    () => false,
  );
}
