/** The status bar: the coordinator, how many sessions run, and who waits for a person. */
import * as vscode from 'vscode';
import {FINAL_SESSION_STATES} from '../coordinator/protocol/model/session.ts';
import {type Disposable, noDisposable} from '../coordinator/runtime/disposable.ts';
import {commandId, VIEWS} from './contributions.ts';
import type {Services} from './services.ts';

/** Between two changes of the text. */
const REFRESH_MS = 250;

export function registerStatus({context, clock, fleet, link}: Services): void {
  const item = vscode.window.createStatusBarItem('mcpx.status', vscode.StatusBarAlignment.Left, 10);
  item.name = 'MCPX';
  let timer: Disposable = noDisposable;
  let waiting = false;
  const soon = (): void => {
    if (waiting) return;
    waiting = true;
    timer = clock.schedule(REFRESH_MS, () => {
      waiting = false;
      draw(item, {fleet, link});
    });
  };
  context.subscriptions.push(item, link.onState(soon), fleet.onChange(soon), {
    dispose: () => timer.dispose(),
  });
  draw(item, {fleet, link});
  item.show();
}

interface Shown {
  readonly text: string;
  readonly tooltip: string;
  readonly command: string;
  readonly needsPerson?: boolean;
}

function draw(item: vscode.StatusBarItem, services: Pick<Services, 'fleet' | 'link'>): void {
  const {text, tooltip, command, needsPerson} = shown(services);
  item.text = text;
  item.tooltip = tooltip;
  item.command = command;
  item.backgroundColor = needsPerson ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
  item.accessibilityInformation = {label: `MCPX: ${tooltip}`, role: 'button'};
}

function shown({fleet, link}: Pick<Services, 'fleet' | 'link'>): Shown {
  const showSessions = `${VIEWS.sessions}.focus`;
  switch (link.state.kind) {
    case 'off':
      return {
        text: '$(circle-outline) MCPX',
        tooltip: vscode.l10n.t('no coordinator is connected'),
        command: showSessions,
      };
    case 'stopped':
      return {
        text: '$(circle-slash) MCPX',
        tooltip: vscode.l10n.t('the coordinator was stopped; it is started when you ask for it'),
        command: showSessions,
      };
    case 'starting':
      return {
        text: '$(loading~spin) MCPX',
        tooltip: vscode.l10n.t('the coordinator is being started'),
        command: showSessions,
      };
    case 'failed':
      return {
        text: '$(error) MCPX',
        tooltip: vscode.l10n.t('the coordinator could not be reached: {0}', link.state.error.message),
        command: commandId('showLog'),
      };
    case 'reconnecting':
      return {
        text: '$(sync~spin) MCPX',
        tooltip: vscode.l10n.t('the connection is cut; what is shown may be old'),
        command: showSessions,
      };
    case 'connected':
      return connected(fleet);
  }
}

function connected({mirror}: Services['fleet']): Shown {
  const running = (mirror?.sessions ?? []).filter(
    ({session}) => !FINAL_SESSION_STATES.has(session.state),
  ).length;
  const waiting = mirror?.waiting.length ?? 0;
  const parts = [
    ...(running > 0 ? [`$(play-circle) ${running}`] : []),
    ...(waiting > 0 ? [`$(bell-dot) ${waiting}`] : []),
  ];
  const sessions =
    running === 0
      ? vscode.l10n.t('connected, no session runs')
      : running === 1
        ? vscode.l10n.t('1 session runs')
        : vscode.l10n.t('{0} sessions run', running);
  const approvals =
    waiting === 0
      ? undefined
      : waiting === 1
        ? vscode.l10n.t('1 approval waits for you')
        : vscode.l10n.t('{0} approvals wait for you', waiting);
  return {
    text: ['$(organization) MCPX', ...parts].join(' '),
    tooltip: approvals === undefined ? sessions : `${sessions}, ${approvals}`,
    command: `${waiting > 0 ? VIEWS.approvals : VIEWS.sessions}.focus`,
    needsPerson: waiting > 0,
  };
}
