/** Claude Code is missing or not signed in: what is wrong, and the doctor that says what to do, in a terminal. */
import * as vscode from 'vscode';
import type {Services} from '../services.ts';

/** Whether the fault is one that the doctor can explain. Codes are compared since this bundle has classes of its own. */
export function isClaudeFault(error: unknown): error is Error & {readonly hint?: string} {
  return error instanceof Error && 'code' in error && error.code === 'claude';
}

export function offerDoctor(
  services: Services,
  {message, hint = ''}: Error & {readonly hint?: string},
): void {
  const {t} = vscode.l10n;
  const [doctor, rehearse] = [t('Run the Doctor'), t('Rehearse Instead')];
  void vscode.window.showErrorMessage(`${message}. ${hint}`, doctor, rehearse).then(choice => {
    if (choice === rehearse) void vscode.commands.executeCommand('mcpx.rehearsePlan');
    if (choice === doctor) void runDoctor(services);
  });
}

async function runDoctor({program}: Services): Promise<void> {
  const args = [await program.path(), 'doctor'];
  const task = new vscode.Task(
    {type: 'process', command: args},
    vscode.TaskScope.Global,
    'doctor',
    'mcpx',
    new vscode.ProcessExecution(process.execPath, args, {env: {ELECTRON_RUN_AS_NODE: '1'}}),
  );
  task.presentationOptions = {
    echo: false,
    panel: vscode.TaskPanelKind.Dedicated,
    showReuseMessage: false,
    clear: true,
  };
  await vscode.tasks.executeTask(task);
}
