/** Run a Goal: Claude Code drafts a plan, which is opened as a document with its graph beside it. Nothing of it runs before the person says so. */
import * as vscode from 'vscode';
import * as z from 'zod';
import {askText, workingLong} from '../commands/asking.ts';
import type {Services} from '../services.ts';
import {requireTrustToRun} from '../trust.ts';
import {isClaudeFault, offerDoctor} from './doctor.ts';
import {showPlanGraph} from './draftGraph.ts';
import {runEnvironment} from './launch.ts';
import {chooseFolder, freePlanFile} from './newPlan.ts';

const Draft = z.object({plan: z.string()});

export async function runGoal(services: Services): Promise<vscode.Uri> {
  const {t} = vscode.l10n;
  await requireTrustToRun();
  const folder = await chooseFolder();
  const goal = await askText({
    title: t('Run a Goal'),
    prompt: t(
      'What is to be achieved in {0}? Claude Code drafts a plan; nothing runs before you accept it.',
      folder.name,
    ),
    validateInput: text => (text.trim() === '' ? t('Say what is to be achieved.') : undefined),
  });
  const text = await draft(services, goal.trim(), folder.uri.fsPath);
  const uri = (await freePlanFile(folder.uri)).with({scheme: 'untitled'});
  const document = await vscode.workspace.openTextDocument(uri);
  const edit = new vscode.WorkspaceEdit();
  edit.insert(uri, new vscode.Position(0, 0), text);
  await vscode.workspace.applyEdit(edit);
  await vscode.window.showTextDocument(document, {preview: false});
  await showPlanGraph(services, uri);
  return uri;
}

async function draft(services: Services, goal: string, cwd: string): Promise<string> {
  try {
    const {plan} = await workingLong(vscode.l10n.t('Drafting a plan'), (signal, tell) =>
      services.program.call(Draft, ['plan', 'draft', '-'], {
        cwd,
        signal,
        stdin: goal,
        env: runEnvironment(services),
        onLine: tell,
      }),
    );
    return plan;
  } catch (error) {
    if (!isClaudeFault(error)) throw error;
    offerDoctor(services, error);
    throw new vscode.CancellationError();
  }
}
