/**
 * Brings what an attempt starts from into its worktree: the base, or the merge of its inputs. A cached repository that a power cut damaged is fetched
 * anew. Whose worktrees there are, and what else is in them, is for others to say.
 */
import {rm} from 'node:fs/promises';
import type {GitRepository} from '../../artifacts/git/gitRepository.ts';
import type {Logger} from '../../observability/logger.ts';
import type {CommitBundle} from '../../protocol/model/session.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {type AttemptFolder, type AttemptFolders, removeTree} from './attemptFolder.ts';
import {controlOf} from './attemptRepository.ts';
import {type InputCommit, independentInputs, type MergedInputs, mergeInputs} from './mergeInputs.ts';
import type {RepositoryCache} from './repositoryCache.ts';

export interface CheckoutRequest {
  readonly attemptId: string;
  readonly repositoryId: string;
  readonly base: string;
  /** In the order of the plan, which is the order of merging. */
  readonly inputs: readonly InputCommit[];
  /** What leads to the base and every input, prerequisites first. */
  readonly bundles: readonly CommitBundle[];
  /** `keepMarkers`: the work gets the conflict as a merge in progress, to resolve it. */
  readonly onConflict: 'fail' | 'keepMarkers';
}

export interface CheckedOut {
  readonly cache: GitRepository;
  readonly merged: MergedInputs;
}

export class Checkout {
  constructor(
    private readonly repositories: RepositoryCache,
    private readonly folders: AttemptFolders,
    private readonly logger: Logger,
  ) {}

  /** A damaged repository stays where another attempt works on its objects; then its error is this one's. */
  async into(folder: AttemptFolder, request: CheckoutRequest, signal?: AbortSignal): Promise<CheckedOut> {
    try {
      return await this.once(folder, request, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const {repositoryId, attemptId} = request;
      if (!isCoordinatorError(error, 'git') || (await this.repositories.isSound(repositoryId, signal)))
        throw error;
      if (await this.isUsedByOthers(repositoryId, attemptId)) throw error;
      this.logger.error('the cached repository is damaged and is fetched anew', {
        repositoryId,
        error,
      });
      await this.repositories.drop(repositoryId);
      await removeTree(folder.worktree);
      await rm(folder.index, {force: true});
      await folder.create();
      return this.once(folder, request, signal);
    }
  }

  private async isUsedByOthers(repositoryId: string, attemptId: string): Promise<boolean> {
    for (const folder of await this.folders.list()) {
      const file = await folder.load();
      if (file?.repository?.id === repositoryId && file.attemptId !== attemptId) return true;
    }
    return false;
  }

  private async once(
    folder: AttemptFolder,
    request: CheckoutRequest,
    signal?: AbortSignal,
  ): Promise<CheckedOut> {
    await this.repositories.ensureCommits(request.repositoryId, request.bundles, signal);
    const cache = await this.repositories.repository(request.repositoryId, request.base);
    const control = controlOf(cache, folder);
    const base: InputCommit = {taskId: 'base', commit: request.base};
    const inputs =
      request.inputs.length > 0 ? await independentInputs(cache, request.inputs, signal) : [base];
    const first = inputs[0] ?? base;
    await control.run(['read-tree', '-m', '-u', first.commit], {signal});
    const throughConflicts = request.onConflict === 'keepMarkers';
    const merged = await mergeInputs(control, inputs, {throughConflicts, signal});
    const stop = merged.conflicts.length > 0 && !throughConflicts;
    const tree = await cache.text(['rev-parse', '--verify', merged.tree], {signal});
    if (!stop && inputs.length > 1)
      await control.run(['read-tree', '-m', '-u', first.commit, tree], {signal});
    return {cache, merged: {...merged, tree}};
  }
}
