/** The trees of the activity bar, and what stands around them: made once for a window, drawn when somebody looks. */
import * as vscode from 'vscode';
import {every} from '../../coordinator/runtime/clock.ts';
import {VIEWS} from '../contributions.ts';
import {Notifications, type Reveal} from '../notifications.ts';
import type {Services} from '../services.ts';
import {registerStatus} from '../status.ts';
import {registerWelcome} from '../welcome.ts';
import {agentPast} from './agentPast.ts';
import {showConnection} from './connectionMessage.ts';
import {editorWords} from './editorWords.ts';
import {memoryWatch} from './memoryWatch.ts';
import {ActiveWork} from './model/activeWork.ts';
import {AgentsModel} from './model/agentsModel.ts';
import {ApprovalsModel} from './model/approvalsModel.ts';
import {ServersModel} from './model/serversModel.ts';
import {SessionsModel} from './model/sessionsModel.ts';
import {SharedStateModel} from './model/sharedStateModel.ts';
import type {TreeModel} from './model/treeModel.ts';
import type {Words} from './model/words.ts';
import {registerSearch} from './searchSessions.ts';
import {dragTasks, dropTasks} from './taskDrag.ts';
import {transcriptTail} from './transcriptTail.ts';
import {TreeShell, type TreeShellOptions} from './treeShell.ts';

/** How often ages and times of what runs are drawn anew. */
const TICK_MS = 5000;

export function registerViews(services: Services): void {
  const {context, fleet} = services;
  const words = editorWords(services);
  const work = new ActiveWork(fleet);
  const views = makeTrees(services, work, words);
  const reveal: Reveal = async (view, nodeId) => {
    if (nodeId === undefined) await vscode.commands.executeCommand(`${VIEWS[view]}.focus`);
    else await views[view].reveal(nodeId, {focus: true});
  };
  const notifications = new Notifications({services, work, words, reveal});
  context.subscriptions.push(work, notifications);
  registerStatus(services);
  registerSearch(services, words, nodeId => reveal('sessions', nodeId));
  registerWelcome({
    services,
    views: Object.values(views).map(({view}) => view),
    knows: sessionId => notifications.notices.knew(sessionId),
    reveal: nodeId => reveal('sessions', nodeId),
  });
}

function makeTrees(
  {context, clock, fleet, link, conflicts, servers}: Services,
  work: ActiveWork,
  words: Words,
): Readonly<Record<keyof typeof VIEWS, TreeShell>> {
  const shell = (viewId: string, model: TreeModel, drag?: TreeShellOptions['drag']): TreeShell => {
    const made = new TreeShell({viewId, model, words, clock, drag});
    const ticking = every(clock, TICK_MS, () => {
      if (made.view.visible) model.tick();
    });
    context.subscriptions.push(made, ticking);
    return made;
  };
  const follow = transcriptTail(() => link.client);
  const past = agentPast(() => link.client);
  const approvals = new ApprovalsModel(fleet, words);
  const state = new SharedStateModel(
    fleet,
    memoryWatch(() => link.client),
    words,
    conflicts,
  );
  const trees = {
    sessions: shell(VIEWS.sessions, new SessionsModel({fleet, work, follow, words}), dragTasks),
    approvals: shell(VIEWS.approvals, approvals),
    agents: shell(VIEWS.agents, new AgentsModel(fleet, work, words, past), dropTasks),
    sharedState: shell(VIEWS.sharedState, state),
    servers: shell(VIEWS.servers, new ServersModel(servers, words)),
  };
  badge(
    trees.approvals,
    approvals,
    () => approvals.count,
    count => (count === 1 ? vscode.l10n.t('1 approval waits') : vscode.l10n.t('{0} approvals wait', count)),
  );
  badge(
    trees.sharedState,
    state,
    () => state.waiting,
    count => (count === 1 ? vscode.l10n.t('1 conflict waits') : vscode.l10n.t('{0} conflicts wait', count)),
  );
  context.subscriptions.push(showConnection(link, trees.sessions.view));
  return trees;
}

/** The number beside the view's name, and on the icon of the activity bar. */
function badge(
  {view}: TreeShell,
  model: TreeModel,
  countOf: () => number,
  tooltipOf: (count: number) => string,
): void {
  const show = (): void => {
    const count = countOf();
    view.badge = count === 0 ? undefined : {value: count, tooltip: tooltipOf(count)};
  };
  model.onDirty(show);
  show();
}
