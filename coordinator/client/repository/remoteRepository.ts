/** A repository that a plan names by URL: its commit is fetched with the person's own credentials into a bare repository of ours. */
import {existsSync} from 'node:fs';
import {mkdir, rename, rm} from 'node:fs/promises';
import path from 'node:path';
import {Git} from '../../artifacts/git/gitCommand.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {LocalRepository, type RepositoryContext} from './localRepository.ts';
import {isRemoteUrl, shownUrl} from './remoteUrl.ts';

/** What `fetchRemote` fetched: pass it to `pinRepository` as `ref`. */
export const FETCHED_REF = 'refs/mcpx/fetched';

/**
 * Fetches `ref` (a branch, tag or commit; the remote's HEAD when absent) of `url` into `folder`, which may have been used for the same URL before.
 * Errors: `config` (not a URL), `git` (unreachable, no permission, no such ref).
 */
export async function fetchRemote(
  url: string,
  ref: string | undefined,
  folder: string,
  context: RepositoryContext,
  signal?: AbortSignal,
): Promise<LocalRepository> {
  if (!isRemoteUrl(url)) {
    throw new CoordinatorError('config', `${JSON.stringify(url)} is not the URL of a git repository`, {
      hint: 'use https://…, ssh://… or user@host:path',
    });
  }
  if (ref !== undefined && /^[-+]|[:^~?*[\\\s]|\.\./.test(ref)) {
    throw new CoordinatorError('config', `${JSON.stringify(ref)} is not a branch, tag or commit`);
  }
  const git = new Git('reading', context.env);
  if (!existsSync(folder)) {
    await mkdir(path.dirname(folder), {recursive: true, mode: 0o700});
    const unfinished = `${folder}.new`;
    await rm(unfinished, {recursive: true, force: true});
    await git.run(['init', '--quiet', '--bare', '--template=', unfinished], {
      cwd: path.dirname(folder),
      signal,
    });
    await rename(unfinished, folder);
  }
  const quiet = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance'];
  const env = {GIT_DIR: folder};
  const fetched = await git.run(['fetch', ...quiet, '--', url, `+${ref ?? 'HEAD'}:${FETCHED_REF}`], {
    cwd: folder,
    env,
    okCodes: [1, 128],
    signal,
  });
  if (fetched.code !== 0) {
    throw new CoordinatorError(
      'git',
      `could not fetch ${ref ?? 'HEAD'} of ${shownUrl(url)}: ${fetched.stderr.trim()}`,
      {
        hint: 'check that "git ls-remote" works for this URL without asking for a password',
      },
    );
  }
  return LocalRepository.open(folder, context, signal);
}
