/** Completion of plans in the editor. */
import * as vscode from 'vscode';
import type {Services} from '../services.ts';
import {completePlan, type PlanCompletion} from './completions.ts';
import {fleetWords} from './fleetWords.ts';
import {isJson, PLAN_DOCUMENTS, rangeOf} from './planDocuments.ts';

const KINDS: Readonly<Record<PlanCompletion['kind'], vscode.CompletionItemKind>> = {
  key: vscode.CompletionItemKind.Property,
  value: vscode.CompletionItemKind.EnumMember,
  task: vscode.CompletionItemKind.Reference,
  agent: vscode.CompletionItemKind.Constant,
  snippet: vscode.CompletionItemKind.Snippet,
};

export function offerCompletions({fleet}: Services): vscode.Disposable {
  return vscode.languages.registerCompletionItemProvider(
    PLAN_DOCUMENTS,
    {
      provideCompletionItems(document, position) {
        const agents = fleet.mirror?.agents.map(({agent}) => agent) ?? [];
        return completePlan(
          document.getText(),
          document.offsetAt(position),
          fleetWords(agents),
          isJson(document) ? 'json' : 'yaml',
        ).map((completion, index) => toEditorItem(document, completion, index));
      },
    },
    ' ',
    '[',
    ',',
    '"',
  );
}

function toEditorItem(
  document: vscode.TextDocument,
  {kind, label, detail, documentation, insert, span, continues}: PlanCompletion,
  index: number,
): vscode.CompletionItem {
  const item = new vscode.CompletionItem(label, KINDS[kind]);
  if (detail !== undefined) item.detail = detail;
  if (documentation !== undefined) item.documentation = documentation;
  item.insertText = new vscode.SnippetString(insert);
  item.range = rangeOf(document, span);
  item.sortText = String(index).padStart(5, '0');
  if (continues) item.command = {command: 'editor.action.triggerSuggest', title: ''};
  return item;
}
