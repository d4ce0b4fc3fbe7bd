/** Fetches a session's result into the repository that it came from, as the one branch `mcpx/SESSION`. */
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import * as z from 'zod';
import {ArtifactCache} from '../../artifacts/artifactCache.ts';
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import {fetchResult} from '../../client/repository/fetchResult.ts';
import type {LocalRepository} from '../../client/repository/localRepository.ts';
import type {Logger} from '../../observability/logger.ts';
import {CommitBundle, type SessionRecord} from '../../protocol/model/session.ts';
import {systemClock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';

/** Errors: those of `fetchResult`; `conflict` when the branch cannot be moved. */
export async function bringResult(
  session: SessionRecord,
  repository: LocalRepository,
  artifacts: ArtifactClient,
  logger: Logger,
): Promise<void> {
  const {result} = session;
  if (!result)
    throw new CoordinatorError('notFound', `session ${session.id} has no result (it is ${session.state})`);
  const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-result-'));
  try {
    const cache = await ArtifactCache.open({
      folder,
      maxBytes: Number.MAX_SAFE_INTEGER,
      client: artifacts,
      clock: systemClock,
      logger,
    });
    const bundles =
      result.bundleList === undefined ? result.bundles : await cache.use(result.bundleList, readBundleList);
    const fetched = await fetchResult(repository, {...result, bundles}, cache);
    if (fetched.kind === 'diverged') {
      throw new CoordinatorError('conflict', `the branch ${result.branch} has other commits`, {
        hint: `Rename it (git branch -m ${result.branch} NEW), then: mcpx sessions fetch ${session.id}`,
      });
    }
    if (fetched.kind === 'checkedOut') {
      throw new CoordinatorError('conflict', `the branch ${result.branch} is checked out in ${fetched.at}`, {
        hint: 'Check out another branch there first.',
      });
    }
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

/** Results of many tasks name their bundles in an artifact. */
async function readBundleList(file: string): Promise<CommitBundle[]> {
  return z.array(CommitBundle).parse(JSON.parse(await readFile(file, 'utf8')));
}
