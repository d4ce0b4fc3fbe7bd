/** Hovers over a plan: what a key means, and where a task stands. */
import * as vscode from 'vscode';
import {hoverPlan, type PlanHover} from './hovers.ts';
import type {LivePlan, LivePlans} from './livePlans.ts';
import {PLAN_DOCUMENTS, rangeOf} from './planDocuments.ts';
import {taskStateText} from './stateTexts.ts';

export function offerHovers(live: LivePlans): vscode.Disposable {
  return vscode.languages.registerHoverProvider(PLAN_DOCUMENTS, {
    provideHover(document, position) {
      const hover = hoverPlan(document.getText(), document.offsetAt(position));
      if (!hover) return undefined;
      return new vscode.Hover(hoverText(hover.content, live.of(document)), rangeOf(document, hover.span));
    },
  });
}

/** Texts of the plan are not markdown: they are appended as text. */
function hoverText(content: PlanHover['content'], live: LivePlan | undefined): vscode.MarkdownString {
  const {t} = vscode.l10n;
  const text = new vscode.MarkdownString('', true);
  if (content.kind === 'key') {
    const {name, description, fallback, values} = content;
    text.appendMarkdown(`**${name}**`);
    if (description !== undefined) text.appendMarkdown('\n\n').appendText(description);
    if (values.length > 0) text.appendMarkdown('\n\n').appendText(t('One of: {0}', values.join(', ')));
    if (fallback !== undefined) text.appendMarkdown('\n\n').appendText(t('Default: {0}', fallback));
    return text;
  }
  const {id, title, dependsOn, dependents} = content;
  text.appendMarkdown('**').appendText(id).appendMarkdown('**');
  if (title !== undefined) text.appendText(` ${title}`);
  const lines = [
    dependsOn.length > 0 && t('Depends on: {0}', dependsOn.join(', ')),
    dependents.length > 0 && t('Needed by: {0}', dependents.join(', ')),
  ];
  const record = live?.task(id);
  if (record && live) lines.push(t('In session {0}: {1}', live.session.id, taskStateText(record)));
  if (record?.waitingFor) lines.push(record.waitingFor.message);
  if (record?.failure) lines.push(record.failure.message);
  for (const line of lines) if (line !== false) text.appendMarkdown('\n\n').appendText(line);
  return text;
}
