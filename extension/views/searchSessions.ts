/** Finds a session by name, state or age, and shows it in its tree. */
import * as vscode from 'vscode';
import {registerCommands} from '../commands/register.ts';
import type {Services} from '../services.ts';
import {sessionNodeId} from './model/nodeIds.ts';
import {isAbandoned} from './model/sessionList.ts';
import {sessionIcon, sessionStatus} from './model/sessionNodes.ts';
import {ago, joined, type Words} from './model/words.ts';

interface SessionPick extends vscode.QuickPickItem {
  readonly sessionId: string;
}

export function registerSearch(
  services: Services,
  words: Words,
  reveal: (nodeId: string) => Promise<void>,
): void {
  registerCommands(services, {
    searchSessions: async () => {
      services.link.requireClient();
      const picks = sessionPicks(services, words);
      if (picks.length === 0) {
        await vscode.window.showInformationMessage(vscode.l10n.t('There are no sessions yet.'));
        return;
      }
      const picked = await vscode.window.showQuickPick(picks, {
        placeHolder: vscode.l10n.t('Name, state or id of a session'),
        matchOnDescription: true,
        matchOnDetail: true,
      });
      if (picked) await reveal(sessionNodeId(picked.sessionId));
    },
  });
}

/** Newest first. */
function sessionPicks({fleet: {mirror}}: Services, words: Words): SessionPick[] {
  return (mirror?.sessions ?? []).map(({session}) => {
    const isInterrupted = isAbandoned(session, mirror?.agents ?? [], words.now());
    const look = {session, isInterrupted, waiting: [], keptBytes: 0};
    const icon = sessionIcon(look);
    return {
      label: session.name,
      description: joined(sessionStatus(look, words) ?? words.t('succeeded'), ago(session.createdAt, words)),
      detail: session.id,
      iconPath: new vscode.ThemeIcon(
        icon.id,
        icon.color === undefined ? undefined : new vscode.ThemeColor(icon.color),
      ),
      sessionId: session.id,
    };
  });
}
