/** Plan files are checked as they are typed: every mistake stands where it is. */
import * as vscode from 'vscode';
import type {PlanDiagnostic} from '../../coordinator/protocol/plan/diagnostics.ts';
import {parsePlan} from '../../coordinator/protocol/plan/parse.ts';
import {isPlanFile} from './planFile.ts';

export function checkPlans(context: vscode.ExtensionContext): void {
  const diagnostics = vscode.languages.createDiagnosticCollection('mcpx');
  const check = (document: vscode.TextDocument): void => {
    if (isPlanFile(document.fileName)) diagnostics.set(document.uri, planDiagnostics(document.getText()));
  };
  for (const document of vscode.workspace.textDocuments) check(document);
  context.subscriptions.push(
    diagnostics,
    vscode.workspace.onDidOpenTextDocument(check),
    vscode.workspace.onDidChangeTextDocument(event => check(event.document)),
    vscode.workspace.onDidCloseTextDocument(document => diagnostics.delete(document.uri)),
  );
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
