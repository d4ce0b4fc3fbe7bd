/** Plan files are checked as they are typed: every mistake stands where it is, with a fix where it is plain what was meant. */
import * as vscode from 'vscode';
import type {PlanDiagnostic, PlanPosition} from '../../coordinator/protocol/plan/diagnostics.ts';
import {type PlanParse, parsePlan} from '../../coordinator/protocol/plan/parse.ts';
import {type Disposable, noDisposable} from '../../coordinator/runtime/disposable.ts';
import type {Services} from '../services.ts';
import {isPlanDocument, PLAN_DOCUMENTS} from './planDocuments.ts';
import {type UnmetRequirement, unmetRequirements} from './unmetRequirements.ts';

/** Agents that come and go do not check every plan each time. */
const RECHECK_MS = 1000;
/** Characters above which a plan is checked once typing pauses, and the pause. */
const LONG_PLAN = 200_000;
const PAUSE_MS = 500;

class PlanFinding extends vscode.Diagnostic {
  constructor(
    position: PlanPosition,
    message: string,
    severity: vscode.DiagnosticSeverity,
    readonly suggestion: string | undefined,
  ) {
    super(toEditorRange(position), message, severity);
    this.source = 'mcpx';
  }
}

export function checkPlans({context, fleet, clock}: Services): void {
  const diagnostics = vscode.languages.createDiagnosticCollection('mcpx');
  const findings = new Map<string, readonly PlanFinding[]>();
  const check = (document: vscode.TextDocument): void => {
    if (!isPlanDocument(document)) return;
    const parsed = parsePlan(document.getText());
    const found = [...findingsOf(parsed), ...unmetOf(parsed, fleet)];
    findings.set(document.uri.toString(), found);
    diagnostics.set(document.uri, found);
  };
  const forget = ({uri}: vscode.TextDocument): void => {
    findings.delete(uri.toString());
    diagnostics.delete(uri);
  };
  const checkAll = (): void => {
    for (const document of vscode.workspace.textDocuments) check(document);
  };
  let pause: Disposable = noDisposable;
  const checkTyped = (document: vscode.TextDocument): void => {
    if (!isPlanDocument(document)) return;
    pause.dispose();
    if (document.getText().length < LONG_PLAN) check(document);
    else pause = clock.schedule(PAUSE_MS, () => check(document));
  };
  let isPending = false;
  const recheck = (): void => {
    isPending = false;
    checkAll();
  };
  checkAll();
  context.subscriptions.push(
    diagnostics,
    {dispose: () => pause.dispose()},
    vscode.workspace.onDidOpenTextDocument(check),
    vscode.workspace.onDidChangeTextDocument(event => checkTyped(event.document)),
    vscode.workspace.onDidCloseTextDocument(forget),
    fleet.onChange(({part}) => {
      if ((part !== 'agents' && part !== 'reset') || isPending) return;
      isPending = true;
      clock.schedule(RECHECK_MS, recheck, {background: true});
    }),
    offerFixes(uri => findings.get(uri.toString()) ?? []),
  );
}

function findingsOf(parsed: PlanParse): PlanFinding[] {
  return (parsed.kind === 'plan' ? parsed.warnings : parsed.diagnostics).map(toFinding);
}

function toFinding({position, field, message, severity, suggestion}: PlanDiagnostic): PlanFinding {
  return new PlanFinding(
    position,
    field === '' ? message : `${field}: ${message}`,
    severity === 'error' ? vscode.DiagnosticSeverity.Error : vscode.DiagnosticSeverity.Warning,
    suggestion,
  );
}

/** Only what is known: without a coordinator, and before its agents were told, nothing is. */
function unmetOf(parsed: PlanParse, {mirror}: Services['fleet']): PlanFinding[] {
  if (parsed.kind !== 'plan' || !mirror?.isWhole) return [];
  const agents = mirror.agents.flatMap(({agent, online}) => (online ? [agent] : []));
  return unmetRequirements(parsed.file, agents).map(
    unmet =>
      new PlanFinding(
        parsed.positionOf(unmet.path),
        unmetText(unmet),
        vscode.DiagnosticSeverity.Warning,
        undefined,
      ),
  );
}

function unmetText({kind, word}: UnmetRequirement): string {
  const {t} = vscode.l10n;
  switch (kind) {
    case 'capability':
      return t('No connected agent can do {0}: the task waits until one that can joins.', word);
    case 'specialization':
      return t('No connected agent is specialised in {0}: the task waits until one joins.', word);
    case 'region':
      return t('No connected agent is in the region {0}: the task waits until one joins.', word);
    case 'tag':
      return t('No connected agent has the tag {0}: the task waits until one joins.', word);
    case 'resource':
      return t('No connected agent has {0}: the task waits until one joins.', word);
    case 'agent':
      return t('No connected agent is called {0}: the task waits until it joins.', word);
  }
}

function offerFixes(findingsIn: (uri: vscode.Uri) => readonly PlanFinding[]): vscode.Disposable {
  return vscode.languages.registerCodeActionsProvider(
    PLAN_DOCUMENTS,
    {
      provideCodeActions: (document, range) =>
        findingsIn(document.uri)
          .filter(finding => finding.range.intersection(range) !== undefined)
          .flatMap(finding => fixOf(document, finding)),
    },
    {providedCodeActionKinds: [vscode.CodeActionKind.QuickFix]},
  );
}

function fixOf(document: vscode.TextDocument, finding: PlanFinding): vscode.CodeAction[] {
  const {range, suggestion} = finding;
  if (suggestion === undefined) return [];
  const written = document.getText(range);
  const quote = /^["']/.exec(written)?.[0] ?? '';
  const fix = new vscode.CodeAction(
    vscode.l10n.t('Change to {0}', suggestion),
    vscode.CodeActionKind.QuickFix,
  );
  fix.edit = new vscode.WorkspaceEdit();
  fix.edit.replace(document.uri, range, quote + suggestion + quote);
  fix.diagnostics = [finding];
  fix.isPreferred = true;
  return [fix];
}

function toEditorRange({line, column, end}: PlanPosition): vscode.Range {
  return new vscode.Range(line - 1, column - 1, end.line - 1, end.column - 1);
}
