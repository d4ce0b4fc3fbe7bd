/** Registers commands by name, and tells a person when one fails: what happened, and what to do. */
import * as vscode from 'vscode';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {describeError, isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {CommandName} from '../contributions.ts';
import type {CommandHandler, Services} from '../services.ts';

export function registerCommands(
  {handlers}: Services,
  more: Readonly<Partial<Record<CommandName, CommandHandler>>>,
): void {
  for (const [name, handler] of Object.entries(more)) handlers.set(name as CommandName, handler);
}

export async function runCommand(
  services: Services,
  name: CommandName,
  args: readonly unknown[],
): Promise<unknown> {
  return guarded(services, name, () => services.handlers.get(name)?.(...args));
}

/** As a command: a failure is shown and logged, and nothing is thrown. */
export async function guarded(services: Services, name: string, work: () => unknown): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof vscode.CancellationError || isCoordinatorError(error, 'cancelled')) return undefined;
    services.logger.error(`${name} failed`, {error: describeError(error)});
    tellFailure(services, error);
    return undefined;
  }
}

/** The message with its hint; the log is one click away. */
export function tellFailure(services: Services, error: unknown): void {
  const hint = isCoordinatorError(error) && error.hint !== undefined ? ` ${error.hint}` : '';
  const message = isProtocolError(error) || error instanceof Error ? error.message : String(error);
  const showLog = vscode.l10n.t('Show Log');
  void vscode.window.showErrorMessage(`${message}${hint}`, showLog).then(choice => {
    if (choice === showLog) services.log.show();
  });
}
