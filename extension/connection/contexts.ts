/**
 * Coordinators on other machines that this person knows: names, addresses and pins are in the command's own document, which every program of the person
 * shares. A token that is given here is kept by the editor, for this host and this name, and never in the document.
 */
import {hostname} from 'node:os';
import * as vscode from 'vscode';
import * as z from 'zod';
import {CoordinatorError, isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {Services} from '../services.ts';
import {setting} from '../settings.ts';
import type {Choice} from './coordinatorLink.ts';

const Context = z.object({
  name: z.string(),
  url: z.string(),
  caPin: z.string().nullish(),
  hasToken: z.boolean().default(false),
});
export type Context = z.infer<typeof Context>;
const ContextList = z.object({contexts: z.array(Context)});

type Parts = Pick<Services, 'context' | 'program'>;

export async function listContexts({program}: Parts): Promise<readonly Context[]> {
  return (await program.call(ContextList, ['context', 'list'])).contexts;
}

/** Kept once the coordinator has let us in: a wrong token or pin leaves nothing behind. */
export async function addContext(
  {context, program}: Parts,
  {name, url, caPin}: Pick<Context, 'name' | 'url' | 'caPin'>,
  token: string,
): Promise<void> {
  const parts = {context, program};
  const known = (await listContexts(parts)).find(other => other.name === name);
  if (known && (known.url !== url || (known.caPin ?? undefined) !== (caPin ?? undefined)))
    throw new CoordinatorError('conflict', vscode.l10n.t('{0} is another coordinator already', name), {
      hint: vscode.l10n.t('Take another name, or forget that one first.'),
    });
  const pin = caPin ? ['--ca-pin', caPin] : [];
  if (!known) await program.call(z.looseObject({}), ['context', 'add', name, url, ...pin]);
  try {
    await program.call(z.looseObject({}), ['endpoint', '--context', name], {env: {MCPX_TOKEN: token}});
  } catch (error) {
    if (!known) await program.call(z.looseObject({}), ['context', 'remove', name]);
    throw error;
  }
  await context.secrets.store(secretKey(name), token);
}

export async function removeContext({context, program}: Parts, name: string): Promise<void> {
  await program.call(z.looseObject({}), ['context', 'remove', name]);
  await context.secrets.delete(secretKey(name));
}

/** Which coordinator the settings name. */
export async function configuredChoice(services: Pick<Services, 'context'>): Promise<Choice> {
  const name = setting('coordinator.context');
  return name === '' ? {kind: 'local'} : contextChoice(services, name);
}

/** Without a token of ours the one in the document counts, if there is one. */
export async function contextChoice({context}: Pick<Services, 'context'>, name: string): Promise<Choice> {
  return {kind: 'context', name, token: await context.secrets.get(secretKey(name))};
}

/** Secrets live where the window is, contexts on the host that it is connected to. */
function secretKey(name: string): string {
  return `context/${hostname()}/${name}`;
}

function isConnecting({chosen, state}: Services['link'], name: string): boolean {
  const isBusy = state.kind !== 'off' && state.kind !== 'stopped' && state.kind !== 'failed';
  return isBusy && chosen.kind === 'context' && chosen.name === name;
}

/** Connects to what the settings name, now and whenever they change; nothing of the coordinator before stays. */
export function followConfiguredContext({context, link, logger}: Services): void {
  const follow = async (): Promise<void> => {
    const choice = await configuredChoice({context});
    if (choice.kind === 'local' ? link.chosen.kind === 'local' : isConnecting(link, choice.name)) return;
    link.disconnect();
    await link.start(choice).catch((error: unknown) => {
      // The state says it too, where the person looks.
      if (!isCoordinatorError(error, 'cancelled')) logger.warn('the coordinator was not reached', {error});
    });
  };
  const begin = (): void =>
    void follow().catch((error: unknown) => logger.error('the context could not be read', {error}));
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration(event => {
      if (event.affectsConfiguration('mcpx.coordinator.context')) begin();
    }),
  );
  if (setting('coordinator.context') !== '') begin();
}
