/** Whether uncommitted work goes along with a run: asked only where there is some, and only when the setting says so. */
import {tmpdir} from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import {LocalRepository} from '../../coordinator/client/repository/localRepository.ts';
import {dirtyFiles} from '../../coordinator/client/repository/pinRepository.ts';
import {isRemoteUrl} from '../../coordinator/client/repository/remoteUrl.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {describeError} from '../../coordinator/runtime/errors.ts';
import {pickOne} from '../commands/asking.ts';
import type {Services} from '../services.ts';
import {setting} from '../settings.ts';

/** Names in the question; more are counted. */
const SHOWN_FILES = 3;

/** `own`: files that the run itself is made of, which do not count. Throws `vscode.CancellationError` when the person gives up. */
export async function takesUncommitted(
  services: Services,
  workspace: Plan['workspace'],
  folder: string,
  own: readonly string[] = [],
): Promise<boolean> {
  const choice = setting('run.uncommitted');
  // Uncommitted work belongs to the checkout's HEAD.
  if (choice === 'never' || workspace.kind === 'none' || workspace.ref !== undefined) return false;
  const {repository = '.'} = workspace;
  if (isRemoteUrl(repository)) return false;
  const files = await uncommittedFiles(services, path.resolve(folder, repository), own);
  if (files.length === 0) return false;
  if (choice === 'always') return true;
  const {t} = vscode.l10n;
  const names = files.slice(0, SHOWN_FILES).join(', ');
  const detail =
    files.length <= SHOWN_FILES ? names : t('{0} and {1} more', names, files.length - SHOWN_FILES);
  return pickOne(
    [
      {label: t('Take it along'), description: detail, value: true},
      {label: t('Start from what is committed'), value: false},
    ],
    {
      title: t('There is uncommitted work'),
      placeHolder: t('The tasks work on a copy; your files stay as they are.'),
      none: '',
    },
  );
}

/** Of a folder that is no repository there is nothing to say here: the run itself says it, with what to do. */
async function uncommittedFiles(
  {program, logger}: Services,
  folder: string,
  own: readonly string[],
): Promise<string[]> {
  try {
    const repository = await LocalRepository.open(folder, {
      env: program.environment(),
      temporaryFolder: tmpdir(),
    });
    if (repository.bare) return [];
    const mine = new Set(own.map(file => path.relative(repository.root, file).replaceAll('\\', '/')));
    return (await dirtyFiles(repository)).filter(file => !mine.has(file));
  } catch (error) {
    logger.info('uncommitted work was not looked for', {folder, error: describeError(error)});
    return [];
  }
}
