/** What every part of the extension is made from: one of each for a window. */
import type * as vscode from 'vscode';
import type {Logger} from '../coordinator/observability/logger.ts';
import type {Clock} from '../coordinator/runtime/clock.ts';
import type {Random} from '../coordinator/runtime/random.ts';
import type {CoordinatorLink} from './connection/coordinatorLink.ts';
import type {Program} from './connection/program.ts';
import type {CommandName} from './contributions.ts';
import type {Fleet} from './fleet/fleet.ts';
import type {Servers} from './fleet/servers.ts';
import type {StateConflicts} from './fleet/stateConflicts.ts';
import type {PagePanels} from './panels/pagePanels.ts';

/** Throwing `vscode.CancellationError` says that the person thought better of it. */
export type CommandHandler = (...args: readonly unknown[]) => Promise<unknown> | unknown;

export interface Services {
  readonly context: vscode.ExtensionContext;
  /** Each part adds its own. */
  readonly handlers: Map<CommandName, CommandHandler>;
  readonly program: Program;
  readonly link: CoordinatorLink;
  readonly fleet: Fleet;
  readonly conflicts: StateConflicts;
  readonly servers: Servers;
  readonly panels: PagePanels;
  readonly log: vscode.LogOutputChannel;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}
