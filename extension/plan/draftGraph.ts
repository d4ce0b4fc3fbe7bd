/** The graph of a plan before it runs, which follows what is typed. The page itself is drawn elsewhere. */
import * as vscode from 'vscode';
import {parsePlan} from '../../coordinator/protocol/plan/parse.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {type Disposable, DisposableStore, noDisposable} from '../../coordinator/runtime/disposable.ts';
import type {Services} from '../services.ts';
import {chosenDocument, readPlan} from './chosenPlan.ts';

/** Where graphs of drafts are shown. */
export interface DraftPages {
  /** Opens the page of this plan file, or gives the open one the plan as it is now. */
  showDraft(uri: vscode.Uri, title: string, plan: Plan): unknown;
}

/** Typing is drawn once it pauses. */
const REDRAW_MS = 150;

/** One plan file each; a window has few. */
const followed = new Map<string, Disposable>();

export async function showPlanGraph(services: Services, pages: DraftPages, argument: unknown): Promise<void> {
  const document = await chosenDocument(argument);
  const plan = await readPlan(document);
  await pages.showDraft(document.uri, plan.name, plan);
  follow(services, pages, document);
}

/** Until the document is closed. A plan that is wrong for a moment leaves the graph as it was. */
function follow({clock, context}: Services, pages: DraftPages, document: vscode.TextDocument): void {
  const key = document.uri.toString();
  if (followed.has(key)) return;
  const lifetime = new DisposableStore();
  let redraw: Disposable = noDisposable;
  lifetime.add({dispose: () => redraw.dispose()});
  lifetime.add(
    vscode.workspace.onDidChangeTextDocument(event => {
      if (event.document.uri.toString() !== key || event.contentChanges.length === 0) return;
      redraw.dispose();
      redraw = clock.schedule(REDRAW_MS, () => {
        const parsed = parsePlan(event.document.getText());
        if (parsed.kind === 'plan') pages.showDraft(event.document.uri, parsed.plan.name, parsed.plan);
      });
    }),
  );
  lifetime.add(
    vscode.workspace.onDidCloseTextDocument(closed => {
      if (closed.uri.toString() !== key) return;
      followed.delete(key);
      lifetime.dispose();
    }),
  );
  followed.set(key, lifetime);
  context.subscriptions.push(lifetime);
}
