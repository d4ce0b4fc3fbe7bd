/** Run and rehearse: from a plan file to a session that goes on by itself. */
import path from 'node:path';
import * as vscode from 'vscode';
import type {Services} from '../services.ts';
import {setting} from '../settings.ts';
import {requireTrustToRun} from '../trust.ts';
import {savedPlan} from './chosenPlan.ts';
import {launch} from './launch.ts';
import {takesUncommitted} from './uncommittedWork.ts';

/** Resolves with the id of the session. */
export async function runPlan(
  services: Services,
  argument: unknown,
  way: 'run' | 'rehearse',
): Promise<string> {
  const {t} = vscode.l10n;
  await requireTrustToRun();
  const {uri, plan} = await savedPlan(argument);
  const {chosen} = services.link;
  if (way === 'rehearse' && chosen.kind === 'context')
    throw new Error(
      t(
        'Rehearsals run on this machine, and this window is connected to {0}. Connect to the coordinator of this machine first.',
        chosen.name,
      ),
    );
  const folder = path.dirname(uri.fsPath);
  const uncommitted = await takesUncommitted(services, plan.workspace, folder, [uri.fsPath]);
  await services.link.start();
  return launch(services, {
    title: way === 'run' ? t('Starting {0}', plan.name) : t('Rehearsing {0}', plan.name),
    args: [
      uri.fsPath,
      ...(way === 'rehearse' ? ['--rehearse'] : []),
      ...(uncommitted ? ['--uncommitted'] : []),
    ],
    cwd: folder,
    agents: plan.agents === undefined && chosen.kind === 'local' ? agentsFor(plan.tasks.length) : undefined,
  });
}

/** More than tasks would only wait. */
function agentsFor(tasks: number): number {
  return Math.max(1, Math.min(setting('agents.count'), tasks));
}
