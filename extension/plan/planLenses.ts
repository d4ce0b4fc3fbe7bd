/** The actions above the lines of a plan, and the states of its tasks, as they change. */
import * as vscode from 'vscode';
import {type CommandName, commandId} from '../contributions.ts';
import type {Target} from '../target.ts';
import {type PlanLens, planLenses} from './lenses.ts';
import type {LivePlans} from './livePlans.ts';
import {outlineOf, PLAN_DOCUMENTS} from './planDocuments.ts';
import {stateIcon, stateText, taskStateText} from './stateTexts.ts';

export function offerLenses(live: LivePlans): vscode.Disposable {
  return vscode.languages.registerCodeLensProvider(PLAN_DOCUMENTS, {
    onDidChangeCodeLenses: live.onChange,
    provideCodeLenses(document) {
      const plan = live.of(document);
      const lenses = planLenses(
        outlineOf(document),
        plan && {
          sessionId: plan.session.id,
          state: plan.session.state,
          taskState: taskId => plan.task(taskId),
        },
      );
      return lenses.flatMap(lens => toEditorLenses(document, lens));
    },
  });
}

function toEditorLenses(document: vscode.TextDocument, lens: PlanLens): vscode.CodeLens[] {
  const {t} = vscode.l10n;
  const at = document.positionAt(lens.offset);
  const make = (title: string, name: CommandName, argument: vscode.Uri | Target): vscode.CodeLens =>
    new vscode.CodeLens(new vscode.Range(at, at), {title, command: commandId(name), arguments: [argument]});
  switch (lens.kind) {
    case 'run':
      return [make(`$(play) ${t('Run')}`, 'runPlan', document.uri)];
    case 'rehearse':
      return [make(`$(beaker) ${t('Rehearse')}`, 'rehearsePlan', document.uri)];
    case 'graph':
      return [make(`$(type-hierarchy) ${t('Graph')}`, 'showPlanGraph', document.uri)];
    case 'session': {
      const target: Target = {kind: 'session', sessionId: lens.sessionId};
      const title = t('Session {0}: {1}', lens.sessionId, stateText(lens.state));
      return [make(`${stateIcon(lens.state)} ${title}`, 'openGraph', target)];
    }
    case 'task': {
      const {sessionId, taskId, state} = lens;
      const target: Target = {kind: 'task', sessionId, taskId};
      return [
        make(`${stateIcon(state)} ${taskStateText(lens)}`, 'openGraph', target),
        make(t('Show'), 'attach', target),
      ];
    }
  }
}
