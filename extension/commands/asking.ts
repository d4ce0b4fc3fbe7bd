/** Questions to a person. Whoever thinks better of one ends the command: every function here then throws `vscode.CancellationError`. */
import * as vscode from 'vscode';

export interface Offer<T> extends vscode.QuickPickItem {
  readonly value: T;
}

/** One of what is offered. Nothing to offer is said with `none`. */
export async function pickOne<T>(
  offers: readonly Offer<T>[],
  {title, placeHolder, none}: {title: string; placeHolder?: string | undefined; none: string},
): Promise<T> {
  if (offers.length === 0) sayAndStop(none);
  const picked = await vscode.window.showQuickPick(offers, {
    title,
    placeHolder,
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return given(picked).value;
}

export async function askText(options: vscode.InputBoxOptions): Promise<string> {
  return given(await vscode.window.showInputBox({ignoreFocusOut: true, ...options}));
}

/** For what cannot be undone: a modal question whose only other answer is Cancel. */
export async function confirm(message: string, detail: string, button: string): Promise<void> {
  given(await vscode.window.showWarningMessage(message, {modal: true, detail}, button));
}

/** Ends the command with a message that is no error. */
export function sayAndStop(message: string): never {
  void vscode.window.showInformationMessage(message);
  throw new vscode.CancellationError();
}

/** Throws when the person dismissed the question. */
export function given<T>(answer: T | undefined): T {
  if (answer === undefined) throw new vscode.CancellationError();
  return answer;
}

/** Shows that the command works; a long one can be cancelled by the signal. */
export function working<T>(title: string, work: () => Promise<T>): Promise<T> {
  return Promise.resolve(vscode.window.withProgress({location: vscode.ProgressLocation.Window, title}, work));
}

/** As `working`, where a person would wait for it: with a button to cancel. */
export function workingLong<T>(
  title: string,
  work: (signal: AbortSignal, tell: (line: string) => void) => Promise<T>,
): Promise<T> {
  const location = vscode.ProgressLocation.Notification;
  return Promise.resolve(
    vscode.window.withProgress({location, title, cancellable: true}, async (progress, token) => {
      const controller = new AbortController();
      const cancelled = token.onCancellationRequested(() => controller.abort(new vscode.CancellationError()));
      try {
        return await work(controller.signal, line => progress.report({message: line}));
      } finally {
        cancelled.dispose();
      }
    }),
  );
}

/** As `workingLong`, for what cannot be stopped any more. */
export function workingToEnd<T>(
  title: string,
  work: (tell: (line: string) => void) => Promise<T>,
): Promise<T> {
  const location = vscode.ProgressLocation.Notification;
  return Promise.resolve(
    vscode.window.withProgress({location, title}, progress => work(line => progress.report({message: line}))),
  );
}

/** What became of it, where it does not interrupt. */
export function told(message: string): void {
  vscode.window.setStatusBarMessage(`$(check) ${message}`, TOLD_MS);
}

const TOLD_MS = 8000;
