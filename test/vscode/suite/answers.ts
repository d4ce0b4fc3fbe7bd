/** Answers to what the editor asks by dialogs and toasts, which no test can click: given at once, by the label of a button. */
import * as vscode from 'vscode';

type Ask = 'showInformationMessage' | 'showWarningMessage' | 'showErrorMessage';

export interface Shown {
  readonly kind: Ask;
  readonly message: string;
  readonly buttons: readonly string[];
}

/** While it stands in, `answer` chooses the button of every message; undefined dismisses it. */
export class Messages {
  readonly shown: Shown[] = [];
  private readonly real = {
    showInformationMessage: vscode.window.showInformationMessage,
    showWarningMessage: vscode.window.showWarningMessage,
    showErrorMessage: vscode.window.showErrorMessage,
  };

  constructor(private readonly answer: (shown: Shown) => string | undefined | Promise<string | undefined>) {
    for (const kind of Object.keys(this.real) as Ask[])
      Object.assign(vscode.window, {
        [kind]: (message: string, ...rest: unknown[]) => this.take(kind, message, rest),
      });
  }

  dispose(): void {
    Object.assign(vscode.window, this.real);
  }

  private async take(kind: Ask, message: string, rest: readonly unknown[]): Promise<string | undefined> {
    const buttons = rest.filter((each): each is string => typeof each === 'string');
    const shown = {kind, message, buttons};
    this.shown.push(shown);
    return this.answer(shown);
  }
}

/** The arguments of every call of a command while `work` runs. Instead of doing what it does: for what leaves the window. */
export async function observed(command: string, work: () => Thenable<unknown>): Promise<unknown[][]> {
  const {executeCommand} = vscode.commands;
  const calls: unknown[][] = [];
  const observe = (name: string, ...args: unknown[]): Thenable<unknown> => {
    if (name !== command) return executeCommand(name, ...args);
    calls.push(args);
    return Promise.resolve(undefined);
  };
  Object.assign(vscode.commands, {executeCommand: observe});
  try {
    await work();
  } finally {
    Object.assign(vscode.commands, {executeCommand});
  }
  return calls;
}
