/**
 * The start of an attempt: the merge of its inputs, in the order of the plan. Nothing about a machine or a moment enters a merge commit, so the
 * same inputs give the same commit id everywhere. What to do about a conflict is the caller's decision.
 */
import {splitNul} from '../../artifacts/git/gitCommand.ts';
import type {GitRepository} from '../../artifacts/git/gitRepository.ts';
import {identityEnv, MCPX_IDENTITY} from '../../artifacts/git/identity.ts';

export interface InputCommit {
  readonly taskId: string;
  readonly commit: string;
}

export interface MergeConflict {
  /** As people read them: bytes that are not UTF-8 are replaced. */
  readonly paths: readonly string[];
  readonly ours: InputCommit;
  readonly theirs: InputCommit;
  /** git's own words, one line a conflict. */
  readonly messages: readonly string[];
}

export interface MergedInputs {
  /** What merged without conflict: the first commit of the attempt's branch. */
  readonly head: string;
  /** Inputs that `head` does not contain because of conflicts; empty when there are none. */
  readonly unmerged: readonly string[];
  /** The tree to work on: that of `head`, or the one with conflict markers. */
  readonly tree: string;
  readonly conflicts: readonly MergeConflict[];
  /** Index entries of conflicted paths as `update-index --index-info -z` takes them, keyed by path (latin1). */
  readonly stages: ReadonlyMap<string, readonly string[]>;
}

/** Commits named on one command line. */
const MAX_ARGUMENTS = 200;

interface TreeMerge {
  readonly tree: string;
  readonly clean: boolean;
  readonly stages: Map<string, string[]>;
  readonly paths: string[];
  readonly messages: string[];
}

/**
 * Merges `inputs` one after the other. Stops at the first conflict unless `throughConflicts`, which goes on with markers in the files.
 * `repository` needs a work tree whose `.gitattributes` are those of the first input: they choose merge drivers.
 */
export async function mergeInputs(
  repository: GitRepository,
  inputs: readonly InputCommit[],
  options: {throughConflicts: boolean; signal?: AbortSignal | undefined},
): Promise<MergedInputs> {
  const {signal} = options;
  const [first, ...rest] = inputs;
  if (!first) throw new RangeError('nothing to merge');
  let head = first.commit;
  /** `head`, or beyond a conflict a commit of the marked tree, made only to merge on. */
  let top = first.commit;
  const merged: InputCommit[] = [first];
  const unmerged: string[] = [];
  const conflicts: MergeConflict[] = [];
  const stages = new Map<string, readonly string[]>();
  for (const theirs of rest) {
    const base = (await repository.run(['merge-base', top, theirs.commit], {okCodes: [1], signal})).stdout;
    const common = base.toString('latin1').trim();
    if (common === theirs.commit) continue;
    if (common === top) {
      head = top = theirs.commit;
    } else {
      const result = await mergeTrees(repository, top, theirs.commit, signal);
      const names = merged.map(input => input.taskId).join(', ');
      top = await commitMerge(repository, result.tree, [top, theirs.commit], names, theirs.taskId, signal);
      if (!result.clean) {
        const ours = await otherSide(repository, merged, theirs, result.paths, signal);
        conflicts.push({paths: result.paths, ours, theirs, messages: result.messages});
        for (const [name, lines] of result.stages) stages.set(name, lines);
        if (!options.throughConflicts) break;
      }
      if (conflicts.length === 0) head = top;
      else unmerged.push(theirs.commit);
    }
    merged.push(theirs);
  }
  return {head, unmerged, tree: `${top}^{tree}`, conflicts, stages};
}

/** `inputs` without repetitions and without ancestors of others, in their order. */
export async function independentInputs(
  repository: GitRepository,
  inputs: readonly InputCommit[],
  signal?: AbortSignal,
): Promise<InputCommit[]> {
  const seen = new Set<string>();
  const distinct = inputs.filter(({commit}) => !seen.has(commit) && seen.add(commit));
  // Beyond one command line the merging itself skips what is contained already.
  if (distinct.length < 2 || distinct.length > MAX_ARGUMENTS) return distinct;
  const commits = distinct.map(input => input.commit);
  const output = await repository.text(['merge-base', '--independent', ...commits], {signal});
  const independent = new Set(output.split('\n'));
  return distinct.filter(input => independent.has(input.commit));
}

async function mergeTrees(
  repository: GitRepository,
  ours: string,
  theirs: string,
  signal?: AbortSignal,
): Promise<TreeMerge> {
  const {code, stdout} = await repository.run(
    ['merge-tree', '--write-tree', '--messages', '-z', ours, theirs],
    {
      okCodes: [1],
      signal,
    },
  );
  const fields = splitNul(stdout);
  const tree = fields.shift()?.toString('latin1') ?? '';
  const stages = new Map<string, string[]>();
  for (let field = fields.shift(); field && field.length > 0; field = fields.shift()) {
    const line = field.toString('latin1');
    const name = line.slice(line.indexOf('\t') + 1);
    stages.set(name, [...(stages.get(name) ?? []), line]);
  }
  const told = conflictMessages(fields);
  const staged = [...stages.keys()].map(name => Buffer.from(name, 'latin1').toString('utf8'));
  return {
    tree,
    clean: code === 0,
    stages,
    paths: [...new Set([...staged, ...told.flatMap(conflict => conflict.paths)])].sort(),
    messages: told.map(conflict => conflict.text),
  };
}

/** Messages come as: number of paths, the paths, a stable type, the text. Only conflicts are of interest. */
function conflictMessages(fields: readonly Buffer[]): {paths: string[]; text: string}[] {
  const conflicts: {paths: string[]; text: string}[] = [];
  for (let at = 0; at < fields.length; ) {
    const count = Number(fields[at]?.toString('latin1'));
    if (!Number.isInteger(count)) break;
    const [type = '', text = ''] = fields
      .slice(at + count + 1, at + count + 3)
      .map(field => field.toString('utf8'));
    const paths = fields.slice(at + 1, at + count + 1).map(field => field.toString('utf8'));
    if (type.startsWith('CONFLICT')) conflicts.push({paths, text: text.trim()});
    at += count + 3;
  }
  return conflicts;
}

/** The one input that conflicts with `theirs` by itself, so that both sides have a name; the latest when only their sum conflicts. */
async function otherSide(
  repository: GitRepository,
  merged: readonly InputCommit[],
  theirs: InputCommit,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<InputCommit> {
  const latest = merged[merged.length - 1] ?? theirs;
  if (merged.length === 1 || merged.length > MAX_ARGUMENTS) return latest;
  for (const ours of merged) {
    const pair = await mergeTrees(repository, ours.commit, theirs.commit, signal);
    if (pair.paths.some(name => paths.includes(name))) return ours;
  }
  return latest;
}

async function commitMerge(
  repository: GitRepository,
  tree: string,
  parents: readonly string[],
  ours: string,
  theirs: string,
  signal?: AbortSignal,
): Promise<string> {
  // The later of the parents' dates: a date of our own would differ between machines.
  const dates = await repository.text(['show', '--no-patch', '--format=%ct', ...parents], {signal});
  const seconds = Math.max(...dates.split('\n').map(Number));
  const message = `Merge ${theirs} into ${ours.length > 200 ? `${ours.slice(0, 200)}…` : ours}\n`;
  const args = ['commit-tree', tree, ...parents.flatMap(parent => ['-p', parent])];
  return repository.text(args, {
    input: message,
    signal,
    env: identityEnv(MCPX_IDENTITY, seconds),
  });
}
