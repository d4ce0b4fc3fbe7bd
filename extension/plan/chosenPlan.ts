/** Which plan file a command is about, saved and read: the one that it was given, else the one in the active editor. */
import path from 'node:path';
import * as vscode from 'vscode';
import {type PlanDiagnostic, sortDiagnostics} from '../../coordinator/protocol/plan/diagnostics.ts';
import {parsePlan} from '../../coordinator/protocol/plan/parse.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {sayAndStop} from '../commands/asking.ts';
import {isPlanDocument} from './planDocuments.ts';

export interface ChosenPlan {
  readonly uri: vscode.Uri;
  readonly plan: Plan;
}

/** Lenses and menus pass an address, pages pass it as text. */
export async function chosenDocument(argument: unknown): Promise<vscode.TextDocument> {
  const uri =
    argument instanceof vscode.Uri
      ? argument
      : typeof argument === 'string'
        ? vscode.Uri.parse(argument, true)
        : undefined;
  const document = uri
    ? await vscode.workspace.openTextDocument(uri)
    : vscode.window.activeTextEditor?.document;
  if (document && isPlanDocument(document)) return document;
  return sayAndStop(vscode.l10n.t('Open a plan file (*.mcpx.yaml) first.'));
}

/** A plan that was never saved gets its place now. Throws `vscode.CancellationError` when it gets none, and when it is wrong: then it is shown where. */
export async function savedPlan(argument: unknown): Promise<ChosenPlan> {
  const document = await chosenDocument(argument);
  const isSaved = !document.isUntitled && !document.isDirty;
  const uri = isSaved ? document.uri : await vscode.workspace.save(document.uri);
  if (!uri) throw new vscode.CancellationError();
  const saved = await vscode.workspace.openTextDocument(uri);
  return {uri, plan: await readPlan(saved)};
}

/** Throws `vscode.CancellationError` after it has shown what is wrong. */
export async function readPlan(document: vscode.TextDocument): Promise<Plan> {
  const parsed = parsePlan(document.getText());
  if (parsed.kind === 'plan') return parsed.plan;
  const [first] = sortDiagnostics(parsed.diagnostics.filter(({severity}) => severity === 'error'));
  if (first) await showMistake(document, first, parsed.diagnostics.length);
  throw new vscode.CancellationError();
}

async function showMistake(
  document: vscode.TextDocument,
  {position, field, message}: PlanDiagnostic,
  count: number,
): Promise<void> {
  const at = new vscode.Position(position.line - 1, position.column - 1);
  await vscode.window.showTextDocument(document, {selection: new vscode.Range(at, at)});
  const where = `${path.basename(document.fileName)}:${position.line}:${position.column}`;
  const {t} = vscode.l10n;
  const what = field === '' ? message : `${field}: ${message}`;
  const problems = t('Show Problems');
  void vscode.window
    .showErrorMessage(
      count === 1
        ? t('{0}: {1}. Nothing was started.', where, what)
        : t('{0}: {1}, and {2} more problems. Nothing was started.', where, what, count - 1),
      problems,
    )
    .then(choice => {
      if (choice === problems) void vscode.commands.executeCommand('workbench.actions.view.problems');
    });
}
