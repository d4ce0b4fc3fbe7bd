/** Fetches a session's result into the repository that it came from, as the one branch `mcpx/SESSION`. */
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {ArtifactCache} from '../../artifacts/artifactCache.ts';
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import {fetchResult} from '../../client/repository/fetchResult.ts';
import type {LocalRepository} from '../../client/repository/localRepository.ts';
import type {Logger} from '../../observability/logger.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import {systemClock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {CommandIo} from '../io.ts';

/** Errors: those of `fetchResult`; `conflict` when the branch cannot be moved. */
export async function bringResult(
  session: SessionRecord,
  repository: LocalRepository,
  artifacts: ArtifactClient,
  logger: Logger,
  io: CommandIo,
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
    const fetched = await fetchResult(repository, result, cache);
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
    if (fetched.kind !== 'present')
      io.stderr(`Result: branch ${fetched.branch} at ${fetched.commit.slice(0, 10)}\n`);
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}
