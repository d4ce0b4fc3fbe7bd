/** The work in progress of one attempt as commits at the coordinator: each a bundle of what those before it lack, small ones written again together. */
import type {Checkpoint} from '../../protocol/model/checkpoint.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {CommitRequest, CommitResult} from '../workspace/commitWork.ts';
import type {Workspace} from '../workspace/workspace.ts';
import {staying} from './foldedParts.ts';

type Work = NonNullable<Checkpoint['work']>;
type Bundles = Work['bundles'];

/** The state of the worktree at one moment; nothing of it has left the machine yet. */
export type Snapshot = Omit<Work, 'bundles'>;

export type Taken =
  | {readonly kind: 'taken'; readonly snapshot: Snapshot}
  | {readonly kind: 'refused'; readonly message: string};

/** A file that changes while it is read spoils a commit. */
const TRIES = 2;

export class KeptWork {
  constructor(
    private readonly workspace: Workspace,
    /** Without a moment of its own, so that the same files give the same commit. */
    private readonly request: CommitRequest,
    private bundles: Bundles = [],
  ) {}

  async take(signal: AbortSignal): Promise<Taken> {
    const result = await this.commitTrying(signal);
    if (result.kind === 'refused') return {kind: 'refused', message: result.message};
    const {git} = this.workspace;
    const start = git?.start ?? result.commit;
    return {
      kind: 'taken',
      snapshot: {start, head: await this.workspace.head(signal), commit: result.commit},
    };
  }

  /** What leads to the snapshot; it counts once `commit` says so. Undefined when that would be more than `maxBytes`. */
  async with({start, commit}: Snapshot, maxBytes: number, signal: AbortSignal): Promise<Bundles | undefined> {
    const {bundles, workspace} = this;
    if (commit === start || bundles.at(-1)?.commit === commit) return bundles;
    const commits = bundles.map(bundle => bundle.commit);
    const added = await workspace.bundleBytes(commit, commits, signal);
    if (added === 0) return bundles;
    const sizes = bundles.map(({bytes}) => bytes);
    const kept = staying(sizes, added);
    const before = sizes.reduce((sum, size) => sum + size, 0);
    if (before + added > maxBytes) return undefined;
    const bundle = await workspace.bundle(commit, commits.slice(0, kept), signal);
    if (!bundle) return bundles;
    const {sha256, bytes} = bundle;
    return [...bundles.slice(0, kept), {commit, sha256, bytes}];
  }

  async commit(bundles: Bundles): Promise<void> {
    const current = new Set(bundles.map(({commit}) => commit));
    const gone = this.bundles.filter(({commit}) => !current.has(commit)).map(({commit}) => commit);
    this.bundles = bundles;
    if (gone.length > 0) await this.workspace.forget(gone);
  }

  private async commitTrying(signal: AbortSignal): Promise<CommitResult> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.workspace.checkpoint(this.request, signal);
      } catch (error) {
        if (tries >= TRIES || !isCoordinatorError(error, 'git')) throw error;
      }
    }
  }
}
