/** The plans that are open, each read once for a version of its text. */
import * as vscode from 'vscode';
import {outlinePlan, type PlanOutline} from './outline.ts';
import {isPlanFile} from './planFile.ts';
import {readPlanSyntax, type Span} from './planSyntax.ts';

/** By name, since plans in JSON have the language of JSON. */
export const PLAN_DOCUMENTS: vscode.DocumentSelector = [
  {language: 'mcpx-plan'},
  {pattern: '**/*.mcpx.{yaml,yml,json}'},
];

const EMPTY: PlanOutline = {name: undefined, tasks: [], affinity: []};

const outlines = new WeakMap<
  vscode.TextDocument,
  {readonly version: number; readonly outline: PlanOutline}
>();

export function isPlanDocument({fileName, languageId}: vscode.TextDocument): boolean {
  return languageId === 'mcpx-plan' || isPlanFile(fileName);
}

export function isJson({languageId}: vscode.TextDocument): boolean {
  return languageId.startsWith('json');
}

export function outlineOf(document: vscode.TextDocument): PlanOutline {
  const known = outlines.get(document);
  if (known?.version === document.version) return known.outline;
  const syntax = readPlanSyntax(document.getText());
  const outline = syntax ? outlinePlan(syntax) : EMPTY;
  outlines.set(document, {version: document.version, outline});
  return outline;
}

export function rangeOf(document: vscode.TextDocument, {from, to}: Span): vscode.Range {
  return new vscode.Range(document.positionAt(from), document.positionAt(to));
}

/** Plans that somebody sees. */
export function visiblePlans(): vscode.TextDocument[] {
  return [...new Set(vscode.window.visibleTextEditors.map(({document}) => document))].filter(isPlanDocument);
}
