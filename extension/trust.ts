/** What runs commands of the folder, its plans or what its git configuration names, needs the folder to be trusted. */
import * as vscode from 'vscode';

/** Throws `vscode.CancellationError` after telling the person what was not done. */
export async function requireTrust(refusal: string): Promise<void> {
  if (vscode.workspace.isTrusted) return;
  const manage = vscode.l10n.t('Manage Trust');
  if ((await vscode.window.showWarningMessage(refusal, manage)) === manage)
    await vscode.commands.executeCommand('workbench.trust.manage');
  throw new vscode.CancellationError();
}

export function requireTrustToRun(): Promise<void> {
  return requireTrust(
    vscode.l10n.t('This folder is not trusted: its plans are not run. Nothing was started.'),
  );
}
