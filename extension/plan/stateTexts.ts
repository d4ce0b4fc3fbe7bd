/** States of sessions and tasks as a plan's lines say them. */
import * as vscode from 'vscode';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';

const ICONS: Readonly<Record<TaskRecord['state'] | SessionRecord['state'], string>> = {
  pending: '$(circle-outline)',
  ready: '$(clock)',
  assigned: '$(sync~spin)',
  running: '$(sync~spin)',
  verifying: '$(beaker)',
  succeeded: '$(pass)',
  failed: '$(error)',
  cancelled: '$(circle-slash)',
  rolledBack: '$(discard)',
  paused: '$(debug-pause)',
  ending: '$(sync~spin)',
};

export function stateIcon(state: keyof typeof ICONS): string {
  return ICONS[state];
}

export function stateText(state: keyof typeof ICONS): string {
  const {t} = vscode.l10n;
  switch (state) {
    case 'pending':
      return t('waits for other tasks');
    case 'ready':
      return t('ready');
    case 'assigned':
      return t('starting');
    case 'running':
      return t('running');
    case 'verifying':
      return t('in its gates');
    case 'succeeded':
      return t('succeeded');
    case 'failed':
      return t('failed');
    case 'cancelled':
      return t('cancelled');
    case 'rolledBack':
      return t('rolled back');
    case 'paused':
      return t('paused');
    case 'ending':
      return t('ending');
  }
}

/** With the number of its attempts, where there was more than one. */
export function taskStateText({state, attempts}: Pick<TaskRecord, 'state' | 'attempts'>): string {
  return attempts > 1 ? vscode.l10n.t('{0}, attempt {1}', stateText(state), attempts) : stateText(state);
}
