/** The graph of a plan before it runs, which follows what is typed. The page itself is drawn elsewhere. */
import * as vscode from 'vscode';
import {parsePlan} from '../../coordinator/protocol/plan/parse.ts';
import {type Disposable, noDisposable} from '../../coordinator/runtime/disposable.ts';
import type {Services} from '../services.ts';
import {chosenDocument, readPlan} from './chosenPlan.ts';
import {isPlanDocument} from './planDocuments.ts';

/** Typing is drawn once it pauses. */
const REDRAW_MS = 150;

export async function showPlanGraph({panels}: Services, argument: unknown): Promise<void> {
  const document = await chosenDocument(argument);
  const plan = await readPlan(document);
  panels.showDraft(document.uri, plan.name, plan);
}

/** A plan that is wrong for a moment leaves its graph as it was. */
export function followDrafts({panels, clock}: Services): vscode.Disposable {
  const redraws = new Map<string, Disposable>();
  const listening = vscode.workspace.onDidChangeTextDocument(({document, contentChanges}) => {
    if (contentChanges.length === 0 || !isPlanDocument(document) || !panels.isDrawn(document.uri)) return;
    const key = document.uri.toString();
    (redraws.get(key) ?? noDisposable).dispose();
    redraws.set(
      key,
      clock.schedule(REDRAW_MS, () => {
        redraws.delete(key);
        const parsed = parsePlan(document.getText());
        if (parsed.kind === 'plan') panels.redrawDraft(document.uri, parsed.plan);
      }),
    );
  });
  return vscode.Disposable.from(listening, {
    dispose: () => {
      for (const redraw of redraws.values()) redraw.dispose();
    },
  });
}
