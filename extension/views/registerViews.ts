/** The trees of the activity bar, and what stands around them: made once for a window, drawn when somebody looks. */
import * as vscode from 'vscode';
import {every} from '../../coordinator/runtime/clock.ts';
import {VIEWS} from '../contributions.ts';
import type {Services} from '../services.ts';
import {ActiveWork} from './model/activeWork.ts';
import {AgentsModel} from './model/agentsModel.ts';
import {ApprovalsModel} from './model/approvalsModel.ts';
import {SessionsModel} from './model/sessionsModel.ts';
import type {TreeModel} from './model/treeModel.ts';
import type {Words} from './model/words.ts';
import {transcriptTail} from './transcriptTail.ts';
import {TreeShell} from './treeShell.ts';

/** How often ages and times of what runs are drawn anew. */
const TICK_MS = 5000;

export function registerViews(services: Services): void {
  const {context, clock, fleet, link} = services;
  const words: Words = {
    t: (text, ...values) => vscode.l10n.t(text, ...values),
    now: () => clock.wallNow(),
    locale: vscode.env.language,
  };
  const work = new ActiveWork(fleet);
  context.subscriptions.push(work);
  const shell = (viewId: string, model: TreeModel): TreeShell => {
    const made = new TreeShell({viewId, model, words, clock});
    context.subscriptions.push(
      made,
      every(clock, TICK_MS, () => {
        if (made.view.visible) model.tick();
      }),
    );
    return made;
  };
  const follow = transcriptTail(() => link.client);
  shell(VIEWS.sessions, new SessionsModel({fleet, work, follow, words}));
  shell(VIEWS.agents, new AgentsModel(fleet, work, words));
  const approvals = new ApprovalsModel(fleet, words);
  badge(shell(VIEWS.approvals, approvals), approvals);
}

/** The number beside the view's name, and on the icon of the activity bar. */
function badge({view}: TreeShell, model: ApprovalsModel): void {
  const show = (): void => {
    const {count} = model;
    view.badge =
      count === 0
        ? undefined
        : {
            value: count,
            tooltip:
              count === 1 ? vscode.l10n.t('1 approval waits') : vscode.l10n.t('{0} approvals wait', count),
          };
  };
  model.onDirty(show);
  show();
}
