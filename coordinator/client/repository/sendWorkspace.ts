/** Sends the commit that a session starts from: pins it, uploads what the coordinator lacks, packs the ignored files that the plan includes. */
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import type {WorkspaceSource} from '../../protocol/model/session.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {McpxClient} from '../mcpxClient.ts';
import {includeFiles} from './includeFiles.ts';
import {LocalRepository} from './localRepository.ts';
import {type PinnedRepository, pinRepository} from './pinRepository.ts';
import {FETCHED_REF, fetchRemote} from './remoteRepository.ts';
import {isRemoteUrl, shownUrl} from './remoteUrl.ts';

/** How far back a commit is looked for that the coordinator has already. */
const RECENT_COMMITS = 500;
const MAX_BUNDLE_CHAIN = 16;

export interface WorkspaceRequest {
  readonly plan: Plan;
  /** Folder of the plan file: relative repositories start there. */
  readonly planFolder: string;
  readonly includeUncommitted: boolean;
  readonly client: McpxClient;
  readonly artifacts: ArtifactClient;
  readonly clock: Clock;
  /** Of the git that is run. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told once what is pinned, with the work that is not committed. */
  readonly onPinned?: (pin: PinnedRepository['pin']) => void;
  readonly signal: AbortSignal;
}

export interface SentWorkspace {
  readonly source: WorkspaceSource;
  /** Where the result branch goes; undefined when the repository is a URL. */
  readonly repository: LocalRepository | undefined;
}

/** Undefined for a plan without a repository. */
export async function sendWorkspace(request: WorkspaceRequest): Promise<SentWorkspace | undefined> {
  const {plan, signal} = request;
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
      request.onPinned?.(pinned.pin);
      const include =
        plan.workspace.include.length > 0
          ? await includeFiles(repository, plan.workspace.include, undefined, signal)
          : undefined;
      const sent = include && (await request.artifacts.upload(include.archive, signal));
      return {
        source: {
          repositoryId: pinned.pin.repositoryId,
          commit: pinned.pin.commit,
          tree: pinned.pin.tree,
          bundles: await sendCommit(pinned, repository, request, scratch),
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
  const context = {env: request.env, temporaryFolder: tmpdir()};
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

/** Sends what the coordinator lacks: nothing, what came since a commit that it knows, or the whole history. */
async function sendCommit(
  pinned: PinnedRepository,
  repository: LocalRepository,
  request: WorkspaceRequest,
  scratch: string,
): Promise<WorkspaceSource['bundles']> {
  const {client, artifacts, signal} = request;
  const {repositoryId, commit} = pinned.pin;
  const commits = [...new Set([commit, ...(await recentCommits(pinned, repository, signal))])];
  const {known, bundles} = await client.request(
    'mcpx.commits.known',
    {repositoryId, commits},
    {signal, retry: true},
  );
  if (known[0] === commit) return bundles;
  // A long chain of small bundles costs every agent more than one whole one.
  const base = bundles.length < MAX_BUNDLE_CHAIN ? known : [];
  const file = path.join(scratch, 'commit.bundle');
  const bundle = await pinned.bundle(file, base, signal);
  if (bundle.kind === 'empty') return base.length > 0 ? bundles : [];
  const stored = await artifacts.upload({file}, signal);
  const made = {commit, sha256: stored.sha256, bytes: stored.bytes, prerequisites: bundle.prerequisites};
  return base.length > 0 ? [...bundles, made] : [made];
}

async function recentCommits(
  pinned: PinnedRepository,
  repository: LocalRepository,
  signal: AbortSignal,
): Promise<string[]> {
  // A commit of uncommitted work is not in the person's own repository.
  const start = pinned.pin.uncommitted ? 'HEAD' : pinned.pin.commit;
  const list = await repository.readText(
    ['rev-list', '--first-parent', `--max-count=${RECENT_COMMITS}`, start],
    {signal},
  );
  return list.split('\n').filter(id => id !== '');
}
