/** The selected text as the prompt of one task: one question, which is how much it may cost. */
import * as vscode from 'vscode';
import {pickOne, sayAndStop} from '../commands/asking.ts';
import type {Services} from '../services.ts';
import {requireTrustToRun} from '../trust.ts';
import {launch} from './launch.ts';
import {takesUncommitted} from './uncommittedWork.ts';

/** US dollars. */
const CAPS = [1, 5, 20] as const;
const MAX_TITLE = 72;

export async function runSelection(services: Services): Promise<string> {
  const {t} = vscode.l10n;
  await requireTrustToRun();
  const editor = vscode.window.activeTextEditor;
  const prompt = editor?.document.getText(editor.selection).trim() ?? '';
  const folder = editor && vscode.workspace.getWorkspaceFolder(editor.document.uri);
  if (!editor || prompt === '') sayAndStop(t('Select the text of the task first.'));
  if (!folder) sayAndStop(t('Open the folder of this file first: the task works on its repository.'));
  const [line = ''] = prompt.split('\n', 1);
  const title = line.length > MAX_TITLE ? `${line.slice(0, MAX_TITLE - 1)}…` : line;
  const budgetUsd = await pickOne(
    CAPS.map(cap => ({label: t('Run it for US$ {0} at most', cap), value: cap})),
    {title: t('Run the Selection as a Task in {0}', folder.name), placeHolder: title, none: ''},
  );
  const cwd = folder.uri.fsPath;
  const uncommitted = await takesUncommitted(services, {kind: 'git', setup: [], include: []}, cwd);
  await services.link.start();
  return launch(services, {
    title: t('Starting {0}', title),
    args: ['-', ...(uncommitted ? ['--uncommitted'] : [])],
    cwd,
    stdin: JSON.stringify({name: title, agents: 1, budgetUsd, tasks: [{id: 'task', title, prompt}]}),
    agents: undefined,
  });
}
