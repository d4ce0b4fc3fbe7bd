/** Says above the sessions that what they show may be old. */
import * as vscode from 'vscode';
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import type {CoordinatorLink} from '../connection/coordinatorLink.ts';

export function showConnection(link: CoordinatorLink, view: vscode.TreeView<unknown>): Disposable {
  const show = (): void => {
    const isCut = link.state.kind === 'reconnecting';
    view.message = isCut
      ? vscode.l10n.t('The connection to the coordinator is cut; what is shown may be old. Trying again.')
      : undefined;
  };
  show();
  return link.onState(show);
}
