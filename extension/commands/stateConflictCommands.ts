/** A person decides the conflicts of shared memory: compares both values, keeps one of them, or writes a third. */
import * as vscode from 'vscode';
import type {MemoryResolve} from '../../coordinator/protocol/commands/memory.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import type {MemoryConflictRecord} from '../../coordinator/protocol/model/memory.ts';
import type {Clock} from '../../coordinator/runtime/clock.ts';
import {editJson} from '../documents/editJson.ts';
import {stateUri} from '../documents/stateDocuments.ts';
import type {StateConflicts} from '../fleet/stateConflicts.ts';
import type {Services} from '../services.ts';
import {targetOf} from '../target.ts';
import {editorWords} from '../views/editorWords.ts';
import {sidesText} from '../views/model/conflictNodes.ts';
import {confirm, pickOne, sayAndStop, told, working} from './asking.ts';
import {registerCommands} from './register.ts';
import {until} from './rows.ts';

const ARRIVAL_MS = 5000;

export function registerStateConflictCommands(services: Services): void {
  registerCommands(services, {
    showStateConflict: argument => showConflict(services, argument),
    keepMine: argument => keepMine(services, argument),
    keepTheirs: argument => keepTheirs(services, argument),
    editStateConflict: argument => editConflict(services, argument),
  });
}

/** What the key has now on the left, as it changes, and on the right what was written while cut off, or was there before what was rolled back. */
async function showConflict(services: Services, argument: unknown): Promise<void> {
  const conflict = await chooseConflict(services, argument, vscode.l10n.t('Compare Conflict'));
  const {id: conflictId, key, theirs} = conflict;
  const theirUri =
    theirs.version === 0 || theirs.version === undefined
      ? stateUri(conflict, {kind: 'past', revision: Math.max(1, theirs.revision ?? 1)})
      : stateUri(conflict, {kind: 'current'});
  const title = vscode.l10n.t('{0} ({1})', key, sidesText(conflict, editorWords(services)));
  await vscode.commands.executeCommand(
    'vscode.diff',
    theirUri,
    stateUri(conflict, {kind: 'mine', conflictId}),
    title,
  );
}

async function keepMine(services: Services, argument: unknown): Promise<void> {
  const conflict = await chooseConflict(services, argument, vscode.l10n.t('Keep Mine'));
  const choice = {kind: 'mine'} as const;
  try {
    await resolve(services, conflict, choice, await seenVersion(services, conflict));
  } catch (error) {
    if (!isProtocolError(error, 'conflict')) throw error;
    await confirm(
      vscode.l10n.t('{0} was changed again since the conflict.', conflict.key),
      vscode.l10n.t('Its newest value would be overwritten. It stays in the history of the key.'),
      vscode.l10n.t('Keep Mine'),
    );
    await resolve(services, conflict, choice);
  }
}

/** That the key had when the conflict arose: a rollback notes its revision only. */
async function seenVersion(
  {link}: Services,
  {sessionId, key, theirs: {version, revision}}: MemoryConflictRecord,
): Promise<number> {
  if (version !== undefined || revision === undefined) return version ?? 0;
  const stored = await link
    .requireClient()
    .request('mcpx.memory.get', {sessionId, key, atRevision: revision});
  return stored.version;
}

async function keepTheirs(services: Services, argument: unknown): Promise<void> {
  const conflict = await chooseConflict(services, argument, vscode.l10n.t('Keep Theirs'));
  await resolve(services, conflict, {kind: 'theirs'});
}

async function editConflict(services: Services, argument: unknown): Promise<void> {
  const conflict = await chooseConflict(services, argument, vscode.l10n.t('Edit and Resolve'));
  const {id, sessionId, key, mine, theirs} = conflict;
  const {conflicts} = services;
  const value = await editJson(mine.value ?? theirs.value ?? null, {
    message: vscode.l10n.t('Edit what {0} is to be, then resolve the conflict with it.', key),
    accept: vscode.l10n.t('Resolve'),
    event: conflicts.onChange,
    isOver: () =>
      conflicts.isWhole && !conflicts.get(sessionId, id)
        ? vscode.l10n.t('This conflict was resolved by somebody else.')
        : undefined,
  });
  await resolve(services, conflict, {kind: 'value', value});
}

async function resolve(
  {link}: Services,
  {id: conflictId, sessionId, key}: MemoryConflictRecord,
  choice: MemoryResolve['choice'],
  ifVersion?: number,
): Promise<void> {
  await working(vscode.l10n.t('Resolving {0}', key), () =>
    link.requireClient().request('mcpx.memory.resolve', {sessionId, conflictId, choice, ifVersion}),
  );
  told(vscode.l10n.t('{0}: resolved', key));
}

async function chooseConflict(
  services: Services,
  argument: unknown,
  title: string,
): Promise<MemoryConflictRecord> {
  const {conflicts, clock, link} = services;
  link.requireClient();
  await until(clock, conflicts.onChange, () => conflicts.isWhole);
  const target = targetOf(argument);
  if (target?.kind === 'stateConflict') return namedConflict(conflicts, clock, target);
  const offers = conflicts.all.map(conflict => ({
    label: conflict.key,
    description: `${conflict.sessionId} · ${sidesText(conflict, editorWords(services))}`,
    detail: JSON.stringify(conflict.mine.value ?? null).slice(0, 100),
    value: conflict,
  }));
  return pickOne(offers, {title, none: vscode.l10n.t('No conflict of shared state waits for you.')});
}

/** One that is new may not have arrived yet. */
async function namedConflict(
  conflicts: StateConflicts,
  clock: Clock,
  {sessionId, conflictId}: {readonly sessionId: string; readonly conflictId: string},
): Promise<MemoryConflictRecord> {
  const find = (): MemoryConflictRecord | undefined => conflicts.get(sessionId, conflictId);
  await until(clock, conflicts.onChange, () => find() !== undefined, ARRIVAL_MS).catch(() => undefined);
  return find() ?? sayAndStop(vscode.l10n.t('This conflict was resolved by somebody else.'));
}
