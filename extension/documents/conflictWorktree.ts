/**
 * A conflict of two results as a worktree with conflict markers, in a folder of the extension's own: the Git extension's merge editor works there, and
 * nobody's checkout is touched.
 */
import {existsSync} from 'node:fs';
import {mkdir} from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import {Git} from '../../coordinator/artifacts/git/gitCommand.ts';
import {identityEnv, MCPX_IDENTITY} from '../../coordinator/artifacts/git/identity.ts';
import type {Failure} from '../../coordinator/protocol/model/task.ts';
import type {Services} from '../services.ts';
import {filesIn} from './filesIn.ts';
import {markUsed} from './pruneResults.ts';
import type {ResultRepository} from './resultRepository.ts';

export type Conflict = NonNullable<Failure['conflict']> & {
  readonly sessionId: string;
  readonly taskId: string;
};

const GitExports = z.looseObject({enabled: z.boolean()});

/** A worktree that is there already is kept with what the person has resolved in it. */
export async function conflictWorktree(
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
  {repository}: ResultRepository,
  {sessionId, taskId, ours, theirs}: Conflict,
  signal?: AbortSignal,
): Promise<void> {
  if (existsSync(path.join(folder, '.git'))) return;
  await mkdir(path.dirname(folder), {recursive: true, mode: 0o700});
  await repository.run(['worktree', 'prune'], {signal});
  const branch = `conflict/${sessionId}/${taskId}`;
  await repository.run(['worktree', 'add', '--quiet', '--force', '-B', branch, folder, ours.commit], {
    signal,
  });
  const git = new Git('isolated', env);
  const merge = ['merge', '--quiet', '--no-commit', '--no-ff', theirs.commit];
  try {
    const who = identityEnv(MCPX_IDENTITY, 0);
    await git.run(merge, {cwd: folder, env: who, okCodes: [1], signal});
  } catch (error) {
    // Half made it would be taken for one that a person works in.
    await repository.run(['worktree', 'remove', '--force', folder]);
    throw error;
  }
}

export async function openConflict(
  {context, program, clock}: Services,
  repository: ResultRepository,
  conflict: Conflict,
  signal?: AbortSignal,
): Promise<void> {
  const {sessionId, taskId, paths, ours, theirs} = conflict;
  const name = `${sessionId}-${taskId}-${ours.commit.slice(0, 8)}-${theirs.commit.slice(0, 8)}`;
  const folder = path.join(context.globalStorageUri.fsPath, 'conflicts', name);
  await conflictWorktree(folder, program.environment(), repository, conflict, signal);
  await markUsed(folder, clock.wallNow());
  const withGit = await openInGit(folder);
  for (const file of filesIn(folder, paths).slice(0, MAX_OPENED)) {
    const uri = vscode.Uri.file(file);
    if (withGit) await vscode.commands.executeCommand('git.openMergeEditor', uri);
    else await vscode.window.showTextDocument(uri, {preview: false});
  }
  const newWindow = vscode.l10n.t('Open in New Window');
  const message = vscode.l10n.t(
    '{0} and {1} changed {2}. Both sides are merged with conflict markers in {3}; your checkout was not touched.',
    ours.taskId,
    theirs.taskId,
    paths.join(', '),
    folder,
  );
  void vscode.window.showInformationMessage(message, newWindow).then(choice => {
    if (choice === newWindow)
      void vscode.commands.executeCommand('vscode.openFolder', vscode.Uri.file(folder), {
        forceNewWindow: true,
      });
  });
}

const MAX_OPENED = 5;

/** True when the Git extension shows the worktree in this window. */
async function openInGit(folder: string): Promise<boolean> {
  const extension = vscode.extensions.getExtension('vscode.git');
  if (!extension) return false;
  const git = GitExports.safeParse(await extension.activate());
  if (!git.success || !git.data.enabled) return false;
  await vscode.commands.executeCommand('git.openRepository', folder);
  return true;
}
