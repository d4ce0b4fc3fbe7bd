/** Commands that choose the coordinator of this window: this machine's own, one elsewhere that is known, or a new one. */
import * as vscode from 'vscode';
import {addContext, contextChoice, listContexts, removeContext} from '../connection/contexts.ts';
import type {Services} from '../services.ts';
import {askText, confirm, given, type Offer, pickOne, told, workingLong} from './asking.ts';
import {registerCommands} from './register.ts';

type Way =
  | {readonly kind: 'local' | 'add' | 'disconnect'}
  | {readonly kind: 'context' | 'remove'; readonly name: string};

export interface NewContext {
  readonly name?: string | undefined;
  readonly url: string;
  readonly caPin?: string | undefined;
}

export function registerContextCommands(services: Services): void {
  registerCommands(services, {
    connect: () => connect(services),
    addContext: () => askContext(services),
  });
}

async function connect(services: Services): Promise<void> {
  const title = vscode.l10n.t('Connect to Coordinator');
  const way = await pickOne(await ways(services), {title, none: ''});
  switch (way.kind) {
    case 'local':
      return useContext(services, undefined);
    case 'context':
      return useContext(services, way.name);
    case 'add':
      return askContext(services);
    case 'disconnect':
      services.link.disconnect();
      return;
    case 'remove':
      return forget(services, title);
  }
}

async function ways(services: Services): Promise<Offer<Way>[]> {
  const {t} = vscode.l10n;
  const {chosen, state} = services.link;
  const isOn = state.kind === 'connected' || state.kind === 'reconnecting';
  const mark = (is: boolean): string => (is && isOn ? '$(check) ' : '');
  const contexts = await listContexts(services);
  return [
    {
      label: `${mark(chosen.kind === 'local')}${t('This machine')}`,
      detail: t('started when it is needed'),
      value: {kind: 'local'},
    },
    ...contexts.map(({name, url}): Offer<Way> => {
      const isIt = chosen.kind === 'context' && chosen.name === name;
      return {label: `${mark(isIt)}${name}`, detail: url, value: {kind: 'context', name}};
    }),
    {label: `$(add) ${t('A coordinator elsewhere…')}`, value: {kind: 'add'}},
    ...(isOn
      ? [{label: `$(debug-disconnect) ${t('Disconnect')}`, value: {kind: 'disconnect'} as const}]
      : []),
    ...(contexts.length > 0
      ? [{label: `$(trash) ${t('Forget one…')}`, value: {kind: 'remove', name: ''} as const}]
      : []),
  ];
}

/** Remembered in this folder's settings, or the person's where no folder is open; the token is not. */
async function useContext(services: Services, name: string | undefined): Promise<void> {
  const {link} = services;
  const choice = name === undefined ? ({kind: 'local'} as const) : await contextChoice(services, name);
  link.disconnect();
  await workingLong(vscode.l10n.t('Connecting to {0}', name ?? vscode.l10n.t('this machine')), () =>
    link.start(choice),
  );
  const target = vscode.workspace.workspaceFolders
    ? vscode.ConfigurationTarget.Workspace
    : vscode.ConfigurationTarget.Global;
  await vscode.workspace.getConfiguration('mcpx').update('coordinator.context', name, target);
  told(vscode.l10n.t('Connected to {0}', name ?? vscode.l10n.t('this machine')));
}

async function askContext(services: Services): Promise<void> {
  const url = await askText({
    title: vscode.l10n.t('A Coordinator Elsewhere'),
    prompt: vscode.l10n.t('Its address, as "mcpx token create --role client" prints it there.'),
    placeHolder: 'wss://host:7800',
    validateInput: text =>
      /^wss?:\/\/[^\s/]+/.test(text) ? undefined : vscode.l10n.t('A ws:// or wss:// address.'),
  });
  const caPin = url.startsWith('wss:')
    ? await askText({
        title: vscode.l10n.t('A Coordinator Elsewhere'),
        prompt: vscode.l10n.t(
          'The pin of its authority, sha256:…, printed beside the address. Empty: what this machine trusts.',
        ),
        validateInput: text =>
          text === '' || /^sha256:\S+$/.test(text) ? undefined : vscode.l10n.t('A pin begins with sha256:'),
      })
    : '';
  await joinContext(services, {url, caPin: caPin || undefined});
}

/** Asks for what is missing; the token always, and it is shown nowhere. */
export async function joinContext(services: Services, {name: known, url, caPin}: NewContext): Promise<void> {
  const title = vscode.l10n.t('A Coordinator Elsewhere');
  const name =
    known ??
    (await askText({
      title,
      prompt: vscode.l10n.t('A name for it'),
      value: new URL(url).hostname,
      validateInput: text =>
        /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)
          ? undefined
          : vscode.l10n.t('Letters, digits, dots and dashes.'),
    }));
  const token = await askText({
    title,
    prompt: vscode.l10n.t('A client token of it. It is kept in the secret storage of the editor.'),
    password: true,
    validateInput: text => (text.trim() === '' ? vscode.l10n.t('A token is required.') : undefined),
  });
  await workingLong(vscode.l10n.t('Looking for {0}', url), () =>
    addContext(services, {name, url, caPin}, token.trim()),
  );
  await useContext(services, name);
}

async function forget(services: Services, title: string): Promise<void> {
  const offers = (await listContexts(services)).map(({name, url}) => ({
    label: name,
    detail: url,
    value: name,
  }));
  const name = given(await pickOne(offers, {title, none: ''}));
  await confirm(
    vscode.l10n.t('Forget {0}?', name),
    vscode.l10n.t('Its address and its token are deleted here. The coordinator and its sessions stay.'),
    vscode.l10n.t('Forget'),
  );
  await removeContext(services, name);
  if (services.link.chosen.kind === 'context' && services.link.chosen.name === name)
    await useContext(services, undefined);
}
