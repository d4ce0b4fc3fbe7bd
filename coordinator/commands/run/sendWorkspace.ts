/** Sends the commit that a session starts from: pins it, uploads what the coordinator lacks, packs the ignored files that the plan includes. */
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import type {McpxClient} from '../../client/mcpxClient.ts';
import {includeFiles} from '../../client/repository/includeFiles.ts';
import {LocalRepository} from '../../client/repository/localRepository.ts';
import {type PinnedRepository, pinRepository} from '../../client/repository/pinRepository.ts';
import {FETCHED_REF, fetchRemote} from '../../client/repository/remoteRepository.ts';
import {isRemoteUrl, shownUrl} from '../../client/repository/remoteUrl.ts';
import type {WorkspaceSource} from '../../protocol/model/session.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {CommandIo} from '../io.ts';

export interface WorkspaceRequest {
  readonly plan: Plan;
  /** Folder of the plan file: relative repositories start there. */
  readonly planFolder: string;
  readonly includeUncommitted: boolean;
  readonly client: McpxClient;
  readonly artifacts: ArtifactClient;
  readonly clock: Clock;
  readonly io: CommandIo;
  readonly signal: AbortSignal;
}

export interface SentWorkspace {
  readonly source: WorkspaceSource;
  /** Where the result branch goes; undefined when the repository is a URL. */
  readonly repository: LocalRepository | undefined;
}

/** Undefined for a plan without a repository. */
export async function sendWorkspace(request: WorkspaceRequest): Promise<SentWorkspace | undefined> {
  const {plan, io, signal} = request;
  if (plan.workspace.kind === 'none') return undefined;
  const scratch = await mkdtemp(path.join(tmpdir(), 'mcpx-send-'));
  try {
    const {repository, remote} = await openRepository(request, plan.workspace.repository, scratch);
    const pinned = await pinRepository(
      repository,
      {
        ref: remote ? FETCHED_REF : plan.workspace.ref,
        uncommitted: request.includeUncommitted,
        at: request.clock.wallNow(),
      },
      signal,
    );
    try {
      tellDirt(pinned, request.includeUncommitted, io);
      const include =
        plan.workspace.include.length > 0
          ? await includeFiles(repository, plan.workspace.include, undefined, signal)
          : undefined;
      const sent = include && (await request.artifacts.upload(include.archive, signal));
      return {
        source: {
          repositoryId: pinned.pin.repositoryId,
          commit: pinned.pin.commit,
          bundles: await sendCommit(pinned, request, scratch),
          include: sent?.sha256,
          origin: remote ? shownUrl(plan.workspace.repository ?? '') : (pinned.pin.remote ?? repository.root),
          ref: pinned.pin.branch ?? plan.workspace.ref,
        },
        repository: remote ? undefined : repository,
      };
    } finally {
      await pinned.dispose();
    }
  } finally {
    await rm(scratch, {recursive: true, force: true});
  }
}

async function openRepository(
  request: WorkspaceRequest,
  named: string | undefined,
  scratch: string,
): Promise<{repository: LocalRepository; remote: boolean}> {
  const context = {env: request.io.env, temporaryFolder: tmpdir()};
  if (named !== undefined && isRemoteUrl(named)) {
    const ref = request.plan.workspace.kind === 'git' ? request.plan.workspace.ref : undefined;
    return {
      repository: await fetchRemote(named, ref, path.join(scratch, 'remote'), context, request.signal),
      remote: true,
    };
  }
  return {
    repository: await LocalRepository.open(
      path.resolve(request.planFolder, named ?? '.'),
      context,
      request.signal,
    ),
    remote: false,
  };
}

async function sendCommit(
  pinned: PinnedRepository,
  request: WorkspaceRequest,
  scratch: string,
): Promise<WorkspaceSource['bundles']> {
  const {client, artifacts, signal} = request;
  const {repositoryId, commit} = pinned.pin;
  const {bundles} = await client.request(
    'mcpx.commits.known',
    {repositoryId, commits: [commit]},
    {signal, retry: true},
  );
  if (bundles.length > 0) return bundles;
  const file = path.join(scratch, 'commit.bundle');
  const bundle = await pinned.bundle(file, [], signal);
  if (bundle.kind === 'empty') return [];
  const stored = await artifacts.upload({file}, signal);
  return [{commit, sha256: stored.sha256, bytes: stored.bytes, prerequisites: bundle.prerequisites}];
}

function tellDirt({pin}: PinnedRepository, included: boolean, io: CommandIo): void {
  if (pin.dirty.length === 0) return;
  const some = pin.dirty.slice(0, 3).join(', ') + (pin.dirty.length > 3 ? ', …' : '');
  if (included) {
    io.stderr(
      `Taking uncommitted work along: ${pin.dirty.length} file${pin.dirty.length === 1 ? '' : 's'} (${some}).\n`,
    );
    for (const folder of pin.skipped) io.stderr(`Left out: ${folder} is a git repository of its own.\n`);
  } else {
    io.stderr(
      `Uncommitted work stays behind: ${pin.dirty.length} file${pin.dirty.length === 1 ? '' : 's'} (${some}). --uncommitted takes it along.\n`,
    );
  }
}
