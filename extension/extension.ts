/** The extension's main: plan files in the editor, checked as they are typed and run by the bundled command. */
import * as path from 'node:path';
import * as vscode from 'vscode';
import type {PlanDiagnostic} from '../coordinator/protocol/plan/diagnostics.ts';
import {parsePlan} from '../coordinator/protocol/plan/parse.ts';

const PLAN_PATTERN = /\.mcpx\.(ya?ml|json)$/;

export function activate(context: vscode.ExtensionContext): void {
  const diagnostics = vscode.languages.createDiagnosticCollection('mcpx');
  const check = (document: vscode.TextDocument): void => {
    if (PLAN_PATTERN.test(document.fileName))
      diagnostics.set(document.uri, planDiagnostics(document.getText()));
  };
  for (const document of vscode.workspace.textDocuments) check(document);
  context.subscriptions.push(
    diagnostics,
    vscode.workspace.onDidOpenTextDocument(check),
    vscode.workspace.onDidChangeTextDocument(event => check(event.document)),
    vscode.workspace.onDidCloseTextDocument(document => diagnostics.delete(document.uri)),
    vscode.commands.registerCommand('mcpx.rehearsePlan', () => runPlan(context, ['--rehearse'])),
    vscode.commands.registerCommand('mcpx.runPlan', () => runPlan(context, [])),
  );
}

async function runPlan(context: vscode.ExtensionContext, flags: readonly string[]): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  if (!document || !PLAN_PATTERN.test(document.fileName)) {
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

function planDiagnostics(text: string): vscode.Diagnostic[] {
  const parsed = parsePlan(text);
  return (parsed.kind === 'plan' ? parsed.warnings : parsed.diagnostics).map(toEditorDiagnostic);
}

function toEditorDiagnostic({position, field, message, severity}: PlanDiagnostic): vscode.Diagnostic {
  const range = new vscode.Range(
    position.line - 1,
    position.column - 1,
    position.end.line - 1,
    position.end.column - 1,
  );
  const diagnostic = new vscode.Diagnostic(
    range,
    field === '' ? message : `${field}: ${message}`,
    severity === 'error' ? vscode.DiagnosticSeverity.Error : vscode.DiagnosticSeverity.Warning,
  );
  diagnostic.source = 'mcpx';
  return diagnostic;
}
