/**
 * All worktrees of an agent: prepared for attempts, found again after a restart, removed when their attempt is over. What they start from is
 * checkout.ts. Where bundles come from and how commands are supervised is injected; which attempts live is for the caller to say.
 */
import path from 'node:path';
import type {ArtifactSource} from '../../artifacts/artifactCache.ts';
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import type {Git} from '../../artifacts/git/gitCommand.ts';
import type {GitRepository} from '../../artifacts/git/gitRepository.ts';
import type {Logger} from '../../observability/logger.ts';
import type {CommitBundle} from '../../protocol/model/session.ts';
import type {Clock} from '../../runtime/clock.ts';
import {Emitter} from '../../runtime/emitter.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import {type AttemptFile, type AttemptFolder, AttemptFolders, type AttemptGit} from './attemptFolder.ts';
import {createAttemptRepository, verifyIsolation} from './attemptRepository.ts';
import {Checkout, type CheckoutRequest} from './checkout.ts';
import {placeIncluded} from './includedFiles.ts';
import type {MergeConflict} from './mergeInputs.ts';
import {attemptRef, RepositoryCache} from './repositoryCache.ts';
import {type RunCommand, SetupCache, type WorkspaceSetup} from './setupCache.ts';
import {restoreWork, type UnfinishedWork} from './unfinishedWork.ts';
import {WORKSPACE_LIMITS, Workspace, type WorkspaceLimits} from './workspace.ts';

export interface WorkspacesOptions {
  /** Absolute path in the agent's state folder; this class owns it. */
  readonly folder: string;
  /** Of profile `isolated`. */
  readonly git: Git;
  readonly artifacts: ArtifactSource;
  readonly uploads: Pick<ArtifactClient, 'upload'>;
  readonly runCommand: RunCommand;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: Partial<WorkspaceLimits>;
  readonly maxSetupSnapshots?: number | undefined;
}

export interface AttemptIdentity {
  readonly sessionId: string;
  readonly taskId: string;
  readonly attemptId: string;
  /** It stays for a person whatever becomes of attempt and agent, unless its release says otherwise. Default false. */
  readonly keep?: boolean | undefined;
}

export interface PrepareRequest extends AttemptIdentity, CheckoutRequest {
  /** Digest of the archive of included files. */
  readonly include?: string | undefined;
  readonly setup?: WorkspaceSetup | undefined;
  /** What an earlier attempt had done, with what leads to it from the inputs. */
  readonly unfinished?: (UnfinishedWork & {readonly bundles: readonly CommitBundle[]}) | undefined;
}

export type PrepareResult =
  | {
      readonly kind: 'ready';
      readonly workspace: Workspace;
      /** Left in the worktree for the work; empty unless `keepMarkers`. */
      readonly conflicts: readonly MergeConflict[];
      /** Whether the outputs of setup were copied instead of made. */
      readonly setupReused: boolean;
      readonly warnings: readonly string[];
    }
  | {readonly kind: 'conflict'; readonly conflict: MergeConflict}
  | {readonly kind: 'setupFailed'; readonly command: string; readonly code: number; readonly output: string};

export class Workspaces {
  readonly repositories: RepositoryCache;
  private readonly folders: AttemptFolders;
  private readonly checkout: Checkout;
  private readonly setups: SetupCache;
  /** Prepared or reopened by this process and not released: never removed by a sweep. */
  private readonly open = new Set<string>();

  private readonly keptChanges = new Emitter<void>();

  /** What `kept` answers may have changed. */
  readonly onKept = this.keptChanges.event;

  constructor(private readonly options: WorkspacesOptions) {
    const {folder, git, artifacts, clock, random, logger, runCommand} = options;
    this.repositories = new RepositoryCache({folder: path.join(folder, 'repositories'), git, artifacts});
    this.folders = new AttemptFolders(path.join(folder, 'attempts'), random);
    this.checkout = new Checkout(this.repositories, this.folders, logger);
    this.setups = new SetupCache({
      folder: path.join(folder, 'setups'),
      runCommand,
      clock,
      random,
      logger,
      maxSnapshots: options.maxSetupSnapshots,
    });
  }

  /**
   * Makes the worktree of an attempt; whatever an earlier preparation of the same attempt left is replaced. Errors: those of the artifact source,
   * `git`, `diskFull`, `config` (an included file is tracked), `incompatible` (unfinished work that began elsewhere). After an error, a conflict or a failed setup nothing is left.
   */
  async prepare(request: PrepareRequest, signal?: AbortSignal): Promise<PrepareResult> {
    const {attemptId} = request;
    return this.build(attemptId, async folder => {
      const repository = {id: request.repositoryId, base: request.base};
      await folder.save(fileOf(request, repository));
      const {cache, merged} = await this.checkout.into(folder, request, signal);
      const [conflict] = merged.conflicts;
      if (conflict && request.onConflict === 'fail') return {kind: 'conflict', conflict};
      const branch = `mcpx/${folder.name}`;
      await cache.setRef(attemptRef(folder.name, 'start'), merged.head, signal);
      await createAttemptRepository(cache, folder, branch, merged, signal);
      const warnings = await verifyIsolation(cache, folder, branch, merged, signal);
      const {artifacts} = this.options;
      const over = {cache, start: merged.head};
      const included =
        request.include === undefined
          ? []
          : await placeIncluded(artifacts, request.include, folder, over, signal);
      const setup = await this.setups.apply({
        cache,
        folder,
        start: merged.head,
        setup: request.setup ?? {commands: [], env: {}},
        include: request.include,
        included,
        signal,
      });
      if (setup.kind === 'failed') return {...setup, kind: 'setupFailed'};
      const git: AttemptGit = {
        branch,
        base: request.base,
        start: merged.head,
        inputs: request.inputs.map(({taskId, commit}) => ({taskId, commit})),
        unmerged: [...merged.unmerged],
        conflicts: structuredClone(merged.conflicts) as AttemptGit['conflicts'],
        markedTree: merged.conflicts.length > 0 ? merged.tree : undefined,
        included,
      };
      if (request.unfinished) {
        await this.repositories.ensureCommits(request.repositoryId, request.unfinished.bundles, signal);
        await restoreWork(cache, folder, git, request.unfinished, signal);
      }
      await folder.save(fileOf(request, repository, git));
      return {
        kind: 'ready',
        workspace: this.workspace(attemptId, folder, git, cache),
        conflicts: merged.conflicts,
        setupReused: setup.reused,
        warnings: [...warnings, ...setup.warnings],
      };
    });
  }

  /** An empty folder for an attempt of a plan without a repository. */
  async prepareEmpty(identity: AttemptIdentity): Promise<Workspace> {
    const made = await this.build(identity.attemptId, async folder => {
      await folder.save(fileOf(identity));
      return {
        kind: 'ready' as const,
        workspace: this.workspace(identity.attemptId, folder, undefined, undefined),
      };
    });
    return made.workspace;
  }

  /** The worktree of an attempt that is over or that an earlier process prepared, such as one whose gates are to run; undefined when it is not there or not whole. */
  async reopen(attemptId: string): Promise<Workspace | undefined> {
    const folder = this.folders.of(attemptId);
    const file = await folder.load();
    if (!file || !isWhole(file) || !(await folder.hasWorktree())) return undefined;
    this.open.add(folder.name);
    if (!file.repository) return this.workspace(attemptId, folder, undefined, undefined);
    const cache = await this.repositories.repository(file.repository.id, file.repository.base);
    return this.workspace(attemptId, folder, file.git, cache);
  }

  /** Absolute path of an attempt's worktree, whether it is there or not. */
  worktreeOf(attemptId: string): string {
    return this.folders.of(attemptId).worktree;
  }

  /**
   * The attempt is over and its processes are gone. `keep` leaves the worktree for a person until `discard`. Resolves to whether it is there
   * then, and whole.
   */
  async release(attemptId: string, options: {keep: boolean}): Promise<boolean> {
    const folder = this.folders.of(attemptId);
    this.open.delete(folder.name);
    const file = await folder.load();
    if (!options.keep || !file || !(await folder.hasWorktree())) {
      await this.remove(folder, file);
      if (file?.kept) this.keptChanges.emit();
      return false;
    }
    await folder.save({...file, kept: true});
    this.keptChanges.emit();
    return isWhole(file);
  }

  /** Removes a worktree that was kept. */
  async discard(attemptId: string): Promise<void> {
    await this.release(attemptId, {keep: false});
  }

  /** Worktrees that were kept for a person, of attempts that are over. */
  async kept(): Promise<(AttemptIdentity & {readonly path: string})[]> {
    const found: (AttemptIdentity & {path: string})[] = [];
    for (const folder of await this.folders.list()) {
      if (this.open.has(folder.name)) continue;
      const file = await folder.load();
      if (!file?.kept || !(await folder.hasWorktree())) continue;
      const {sessionId, taskId, attemptId} = file;
      found.push({sessionId, taskId, attemptId, path: folder.worktree});
    }
    return found;
  }

  /**
   * Removes what dead agents left: every worktree that is neither kept, nor of an attempt in `live`, nor open in this process. Call it at start,
   * after the leftover processes were killed. Answers the ids of the attempts removed; a folder without a record goes by its name.
   */
  async sweep(live: ReadonlySet<string>): Promise<string[]> {
    await this.folders.emptyTrash();
    await this.repositories.clearStaleLocks(this.options.clock.wallNow());
    const alive = new Set([...live].map(id => this.folders.of(id).name));
    const removed: string[] = [];
    for (const folder of await this.folders.list()) {
      if (alive.has(folder.name) || this.open.has(folder.name)) continue;
      const file = await folder.load();
      if (file?.kept) continue;
      await this.remove(folder, file);
      removed.push(file?.attemptId ?? folder.name);
    }
    return removed;
  }

  /** Builds in a fresh folder, and leaves none behind unless the result is ready. */
  private async build<T extends {readonly kind: string}>(
    attemptId: string,
    make: (folder: AttemptFolder) => Promise<T>,
  ): Promise<T> {
    const folder = this.folders.of(attemptId);
    if (this.open.has(folder.name)) {
      throw new CoordinatorError('conflict', `attempt ${attemptId} has its worktree already`);
    }
    this.open.add(folder.name);
    let ready = false;
    try {
      await this.remove(folder, await folder.load());
      await folder.create();
      const made = await make(folder);
      ready = made.kind === 'ready';
      return made;
    } finally {
      if (!ready) {
        this.open.delete(folder.name);
        await this.remove(folder, await folder.load());
      }
    }
  }

  private async remove(folder: AttemptFolder, file: AttemptFile | undefined): Promise<void> {
    await this.folders.remove(folder);
    if (!file?.repository) return;
    const cache = await this.repositories.repository(file.repository.id, file.repository.base);
    const refs = (['start', 'head', 'result', 'checkpoint'] as const).map(which =>
      attemptRef(folder.name, which),
    );
    await cache.deleteRefs(refs);
  }

  private workspace(
    attemptId: string,
    folder: AttemptFolder,
    git: AttemptGit | undefined,
    cache: GitRepository | undefined,
  ): Workspace {
    const {uploads, limits} = this.options;
    return new Workspace(attemptId, git, {folder, cache, uploads, limits: {...WORKSPACE_LIMITS, ...limits}});
  }
}

function isWhole({repository, git}: AttemptFile): boolean {
  return repository === undefined || git !== undefined;
}

function fileOf(
  identity: AttemptIdentity,
  repository?: AttemptFile['repository'],
  git?: AttemptGit,
): AttemptFile {
  const {sessionId, taskId, attemptId, keep = false} = identity;
  return {v: 1, sessionId, taskId, attemptId, kept: keep, repository, git};
}
