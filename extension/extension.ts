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
  await document.save();
  const terminal = vscode.window.createTerminal({
    name: 'MCPX',
    cwd: path.dirname(document.fileName),
    shellPath: process.execPath,
    shellArgs: [context.asAbsolutePath('dist/mcpx.mjs'), 'run', document.fileName, ...flags],
    env: {ELECTRON_RUN_AS_NODE: '1'},
  });
  terminal.show();
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
