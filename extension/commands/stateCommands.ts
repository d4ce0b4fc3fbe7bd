/** Commands of shared memory: open a value as a document, present or past, and make a new key. Conflicts are stateConflictCommands.ts. */
import * as vscode from 'vscode';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {MemoryKey} from '../../coordinator/protocol/model/facts.ts';
import {stateUri} from '../documents/stateDocuments.ts';
import type {StateKey} from '../documents/stateUri.ts';
import type {Services} from '../services.ts';
import {targetOf} from '../target.ts';
import {editorWords} from '../views/editorWords.ts';
import {historyRows} from '../views/model/keyHistory.ts';
import {askText, pickOne, told, working} from './asking.ts';
import {chooseSession} from './choosing.ts';
import {registerCommands} from './register.ts';
import {until} from './rows.ts';
import {registerStateConflictCommands} from './stateConflictCommands.ts';

export function registerStateCommands(services: Services): void {
  registerCommands(services, {
    openStateValue: argument => openStateValue(services, argument),
    newStateKey: (argument, key) => newStateKey(services, argument, key),
    showStateHistory: (argument, revision) => showStateHistory(services, argument, revision),
  });
  registerStateConflictCommands(services);
}

async function openStateValue(services: Services, argument: unknown): Promise<void> {
  const target = targetOf(argument);
  await show(target?.kind === 'stateKey' ? target : await chooseKey(services, argument));
}

/** A version of the past, beside what is stored now. */
async function showStateHistory(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('History of Key');
  const target = targetOf(argument);
  const key = target?.kind === 'stateKey' ? target : await chooseKey(services, argument);
  const {sessionId} = key;
  const {versions, compacted} = await working(title, () =>
    services.link.requireClient().request('mcpx.memory.history', {sessionId, key: key.key, limit: 200}),
  );
  const rows = historyRows(versions, editorWords(services));
  const revision =
    typeof given === 'number'
      ? given
      : await pickOne(
          rows.map(({revision: value, ...row}) => ({...row, value})),
          {
            title: `${title}: ${key.key}`,
            placeHolder:
              compacted === undefined
                ? undefined
                : vscode.l10n.t('What was before revision {0} is forgotten.', compacted),
            none: vscode.l10n.t('Nothing is known of the past of this key.'),
          },
        );
  const past = stateUri(key, {kind: 'past', revision});
  const isThere = rows.find(row => row.isPresent)?.revision;
  if (isThere === undefined || isThere === revision) {
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(past));
    return;
  }
  const heading = vscode.l10n.t('{0} (revision {1} ↔ now)', key.key, revision);
  await vscode.commands.executeCommand('vscode.diff', past, stateUri(key), heading);
}

async function newStateKey(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('New Key');
  const {id: sessionId, name} = await chooseForState(services, argument, title);
  const validateInput = (text: string): string | undefined =>
    MemoryKey.safeParse(text).success
      ? undefined
      : vscode.l10n.t('A key has no white space and no leading slash, such as api/shape.');
  const key =
    typeof given === 'string'
      ? given
      : await askText({title: `${title}: ${name}`, prompt: vscode.l10n.t('Name of the key'), validateInput});
  try {
    await working(title, () =>
      services.link.requireClient().request('mcpx.memory.put', {sessionId, key, value: {}, ifVersion: 0}),
    );
  } catch (error) {
    if (!isProtocolError(error, 'conflict')) throw error;
    told(vscode.l10n.t('{0} is there already', key));
  }
  await show({sessionId, key});
}

async function chooseKey(services: Services, argument: unknown): Promise<StateKey> {
  const title = vscode.l10n.t('Open Value');
  const {id: sessionId} = await chooseForState(services, argument, title);
  const view = services.link.requireClient().watch({view: 'memory', sessionId});
  try {
    await until(services.clock, view.onUpdate, () => view.cursor !== undefined);
    const keys = [...view.rows.values()].flatMap(row => (row.kind === 'memory' ? [row.key] : [])).sort();
    const offers = keys.map(key => ({label: key, value: {sessionId, key}}));
    return await pickOne(offers, {title, none: vscode.l10n.t('This session has no shared state yet.')});
  } finally {
    view.dispose();
  }
}

function chooseForState(services: Services, argument: unknown, title: string) {
  return chooseSession(services, argument, {
    title,
    fits: () => true,
    none: vscode.l10n.t('There are no sessions, and shared state is theirs.'),
  });
}

async function show(key: StateKey): Promise<void> {
  const document = await vscode.workspace.openTextDocument(stateUri(key));
  await vscode.window.showTextDocument(document);
}
