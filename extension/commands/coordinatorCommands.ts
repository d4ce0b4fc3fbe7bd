/** Commands about the coordinator itself: start, stop, log. */
import * as vscode from 'vscode';
import * as z from 'zod';
import type {Services} from '../services.ts';
import {registerCommands} from './register.ts';

const Stopped = z.object({stopped: z.boolean()});

export function registerCoordinatorCommands(services: Services): void {
  const {link, log, logger, program} = services;
  registerCommands(services, {
    startCoordinator: () =>
      vscode.window.withProgress(
        {location: {viewId: 'mcpx.sessions'}, title: vscode.l10n.t('Starting the coordinator')},
        () => link.start({kind: 'local'}),
      ),
    stopCoordinator: async () => {
      const isOurs = link.chosen.kind === 'local';
      const stop = () => program.call(Stopped, ['coordinator', 'stop']);
      try {
        // A link that sees its coordinator die starts it again.
        await (isOurs ? link.standAside(stop) : stop());
        if (isOurs) link.rest();
      } catch (error) {
        if (isOurs)
          await link.join().catch((fault: unknown) => logger.warn('it was not joined again', {error: fault}));
        throw error;
      }
    },
    showLog: () => log.show(),
  });
}
