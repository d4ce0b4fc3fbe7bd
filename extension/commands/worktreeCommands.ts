/** Opens the folder in which an attempt works, or says on which machine it is. */
import {existsSync} from 'node:fs';
import {hostname} from 'node:os';
import * as vscode from 'vscode';
import type {Services} from '../services.ts';
import {sayAndStop} from './asking.ts';
import {chooseAttempt} from './choosing.ts';
import {registerCommands} from './register.ts';

export function registerWorktreeCommands(services: Services): void {
  registerCommands(services, {openWorktree: argument => openWorktree(services, argument)});
}

async function openWorktree(services: Services, argument: unknown): Promise<void> {
  const attempt = await chooseAttempt(services, argument, {
    title: vscode.l10n.t('Open Worktree'),
    fits: ({worktree}) => worktree !== undefined,
    none: vscode.l10n.t('No attempt has told where it works.'),
  });
  const {worktree} = attempt;
  if (!worktree) sayAndStop(vscode.l10n.t('{0} has not told where it works.', attempt.id));
  if (worktree.hostname !== hostname()) {
    const copy = vscode.l10n.t('Copy Path');
    const message = vscode.l10n.t('The worktree is on {0}, in {1}.', worktree.hostname, worktree.path);
    if ((await vscode.window.showInformationMessage(message, copy)) === copy)
      await vscode.env.clipboard.writeText(worktree.path);
    return;
  }
  if (!existsSync(worktree.path))
    sayAndStop(
      vscode.l10n.t(
        'The worktree {0} is gone: what it changed is in the result. Failed attempts keep theirs until they are deleted.',
        worktree.path,
      ),
    );
  await vscode.commands.executeCommand('vscode.openFolder', vscode.Uri.file(worktree.path), {
    forceNewWindow: true,
  });
}
