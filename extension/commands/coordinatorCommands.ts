/** Commands about the coordinator itself: start, stop, log. */
import * as vscode from 'vscode';
import * as z from 'zod';
import type {Services} from '../services.ts';
import {registerCommands} from './register.ts';

const Stopped = z.object({stopped: z.boolean()});

export function registerCoordinatorCommands(services: Services): void {
  const {link, log, program} = services;
  registerCommands(services, {
    startCoordinator: () =>
      vscode.window.withProgress(
        {location: {viewId: 'mcpx.sessions'}, title: vscode.l10n.t('Starting the coordinator')},
        () => link.start({kind: 'local'}),
      ),
    stopCoordinator: async () => {
      await program.call(Stopped, ['coordinator', 'stop']);
      link.disconnect();
    },
    showLog: () => log.show(),
  });
}
