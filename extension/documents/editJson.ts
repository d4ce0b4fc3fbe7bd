/** A value that a person edits as a document of its own before it is used: accepted once it is JSON, and gone afterwards. */
import * as vscode from 'vscode';
import type {Event} from '../../coordinator/runtime/emitter.ts';
import type {JsonValue} from '../../coordinator/runtime/json.ts';
import {formatJson, parseJsonText} from './jsonText.ts';

export interface EditOptions {
  /** Says what is edited, beside the buttons. */
  readonly message: string;
  readonly accept: string;
  /** Why editing is pointless by now, looked at after every event. */
  readonly isOver: () => string | undefined;
  readonly event: Event<unknown>;
}

/** Throws `vscode.CancellationError` when the person cancels or closes the document. */
export async function editJson(value: JsonValue, options: EditOptions): Promise<JsonValue> {
  const document = await vscode.workspace.openTextDocument({language: 'json', content: formatJson(value)});
  const editor = await vscode.window.showTextDocument(document, {preview: false});
  const ending = watchEnd(document, options);
  try {
    for (let message = options.message; ; ) {
      const choice = await Promise.race([ask(message, options.accept), ending.ended]);
      if (choice !== options.accept) throw new vscode.CancellationError();
      const parsed = parseJsonText(document.getText());
      if (parsed.kind === 'value') return parsed.value;
      message = vscode.l10n.t('Line {0}, column {1}: this is not JSON.', parsed.line, parsed.column);
      const place = document.positionAt(parsed.offset);
      editor.selection = new vscode.Selection(place, place);
      editor.revealRange(new vscode.Range(place, place));
    }
  } finally {
    ending.dispose();
    await close(document);
  }
}

function ask(message: string, accept: string): Thenable<string | undefined> {
  return vscode.window.showInformationMessage(message, accept, vscode.l10n.t('Cancel'));
}

/** `ended` resolves, with nothing, once the document is closed or there is no use for it. */
function watchEnd(
  document: vscode.TextDocument,
  {event, isOver}: EditOptions,
): vscode.Disposable & {readonly ended: Promise<undefined>} {
  const subscriptions: {dispose(): void}[] = [];
  const ended = new Promise<undefined>(resolve => {
    subscriptions.push(
      vscode.workspace.onDidCloseTextDocument(closed => {
        if (closed === document) resolve(undefined);
      }),
      event(() => {
        const why = isOver();
        if (why === undefined) return;
        void vscode.window.showWarningMessage(why);
        resolve(undefined);
      }),
    );
  });
  return {
    ended,
    dispose: () => {
      for (const each of subscriptions) each.dispose();
    },
  };
}

/** Without the question whether to save it. */
async function close(document: vscode.TextDocument): Promise<void> {
  if (document.isClosed) return;
  await vscode.window.showTextDocument(document, {preview: false});
  await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
}
