/** Commands of plan files: run and rehearse. */
import * as path from 'node:path';
import * as vscode from 'vscode';
import {isPlanFile} from '../plan/planFile.ts';
import type {Services} from '../services.ts';
import {registerCommands} from './register.ts';

export function registerPlanCommands(services: Services): void {
  registerCommands(services, {
    runPlan: () => runPlan(services.context, []),
    rehearsePlan: () => runPlan(services.context, ['--rehearse']),
  });
}

async function runPlan(context: vscode.ExtensionContext, flags: readonly string[]): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  if (!document || !isPlanFile(document.fileName)) {
    await vscode.window.showErrorMessage(vscode.l10n.t('Open a plan file (*.mcpx.yaml) first.'));
    return;
  }
  if (!(await document.save())) return;
  await vscode.tasks.executeTask(planTask(context, document.uri, flags));
}

/** A task, since its terminal stays when the run is over: there is its result. */
function planTask(context: vscode.ExtensionContext, plan: vscode.Uri, flags: readonly string[]): vscode.Task {
  const command = [context.asAbsolutePath('dist/mcpx.mjs'), 'run', plan.fsPath, ...flags];
  const task = new vscode.Task(
    {type: 'process', command},
    vscode.workspace.getWorkspaceFolder(plan) ?? vscode.TaskScope.Global,
    path.basename(plan.fsPath),
    'mcpx',
    new vscode.ProcessExecution(process.execPath, command, {
      cwd: path.dirname(plan.fsPath),
      env: {ELECTRON_RUN_AS_NODE: '1'},
    }),
  );
  task.presentationOptions = {
    echo: false,
    panel: vscode.TaskPanelKind.Dedicated,
    showReuseMessage: false,
    clear: true,
  };
  return task;
}
