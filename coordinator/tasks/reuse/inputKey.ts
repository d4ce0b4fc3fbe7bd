/**
 * What decides the result of a task, as one digest: tasks with the same digest may share a result. What the coordinator cannot know is not in it
 * (values of secrets, tools of the agent's machine, shared memory, the network): `cache: true` says that the result does not depend on them. Pure.
 */
import type {WorkspaceSource} from '../../protocol/model/session.ts';
import {MAX_CACHED_PARENTS, type TaskResult} from '../../protocol/model/task.ts';
import {canonicalJson, type JsonValue} from '../../runtime/json.ts';
import {jsonDigest} from '../../runtime/jsonDigest.ts';
import {needsOf, type TaskNode} from '../fleet/fleet.ts';

/** Raised when what is hashed changes: what was kept before is not found any more, and goes by its age. */
const FORM = 1;

export interface TaskInputs {
  /** 64 hex digits. */
  readonly key: string;
  /** The commits that it starts from, in the order of merging: never none, unless there is no repository. */
  readonly parents: readonly string[];
}

/** Undefined where they are not known: an agent or a client that does not say trees, or too many inputs. Every dependency has succeeded. */
export function inputsOf(task: TaskNode): TaskInputs | undefined {
  const files = filesOf(task);
  if (!files) return undefined;
  const {spec, session, record} = task;
  const {work, gates, env, secrets, requires, parts} = spec;
  const {rehearsal} = session.record;
  const key = jsonDigest(
    plainJson({
      form: FORM,
      files: files.digests,
      task: {id: spec.id, title: spec.title, work, gates, env, secrets, requires, parts},
      note: record.note?.text,
      handedOver: spec.dependsOn.map(id => {
        const result = session.tasks.get(id)?.record.result;
        return [id, result?.summary, result?.value];
      }),
      rehearsal,
    }),
  );
  return {key, parents: files.parents};
}

/**
 * The digest of the trees that led to a result: commits of two sessions with the same lineages have the same trees at every place where their
 * histories meet, so that merging them gives the same. Undefined where a tree is not known.
 */
export function lineageOf(task: TaskNode, tree: string): string | undefined {
  const inputs = sourcesOf(task);
  if (!inputs) return undefined;
  const lineages = inputs.map(({lineage}) => lineage);
  return lineages.includes(undefined) ? undefined : jsonDigest([tree, ...(lineages as string[])]);
}

interface Source {
  readonly commit: string;
  readonly tree: string | undefined;
  readonly lineage: string | undefined;
}

/** As the agent will merge them: inputs that left the base as it was are passed over, and with none of them it starts from the base. */
function sourcesOf(task: TaskNode): Source[] | undefined {
  const {workspace} = task.session.record;
  if (!workspace) return undefined;
  const sources: Source[] = [];
  const seen = new Set([workspace.commit]);
  for (const id of needsOf(task)) {
    const result = task.session.tasks.get(id)?.record.result;
    if (result?.commit === undefined || seen.has(result.commit)) continue;
    seen.add(result.commit);
    sources.push({commit: result.commit, tree: result.tree, lineage: result.lineage});
  }
  return sources.length > 0 ? sources : [baseOf(workspace)];
}

/** A tree that nobody told is stood in for by its commit: then the same commit is the same, and nothing else. */
function baseOf({commit, tree = commit}: WorkspaceSource): Source {
  return {commit, tree, lineage: jsonDigest([tree])};
}

function filesOf(task: TaskNode): {digests: JsonValue; parents: string[]} | undefined {
  const {plan, record} = task.session;
  if (plan.workspace.kind === 'none') return {digests: null, parents: []};
  const sources = sourcesOf(task);
  if (!sources || !record.workspace || sources.length > MAX_CACHED_PARENTS) return undefined;
  const [first, ...others] = sources;
  // One input is its tree, whatever led there. How several merge depends on where their histories part, too.
  const digests = others.length > 0 ? sources.map(({lineage}) => lineage) : [first?.tree];
  if (digests.includes(undefined)) return undefined;
  const {repositoryId, include} = record.workspace;
  const {setup} = plan.workspace;
  return {
    digests: plainJson({repositoryId, digests, setup, include}),
    parents: sources.map(({commit}) => commit),
  };
}

/** What a result is taken over with: the lead says its lineage, whatever the agent said. */
export function withLineage(task: TaskNode, result: TaskResult | undefined): TaskResult | undefined {
  if (!result) return undefined;
  const {lineage: _said, ...plain} = result;
  const lineage = result.tree === undefined ? undefined : lineageOf(task, result.tree);
  return lineage === undefined ? plain : {...plain, lineage};
}

/** Members that are undefined are left out, as in what is stored. */
function plainJson(value: unknown): JsonValue {
  return JSON.parse(canonicalJson(value)) as JsonValue;
}
