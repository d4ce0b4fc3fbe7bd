/** What leads to a commit of a session: its bundles with all that they stand on, in the order of import. Pure. */
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {RefRecord} from '../../coordinator/protocol/model/facts.ts';
import type {CommitBundle, SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';

export interface Sources {
  readonly session: SessionRecord;
  readonly tasks: readonly TaskRecord[];
  readonly attempts: readonly AttemptRecord[];
  readonly refs: readonly RefRecord[];
}

/** By commit: whatever the session's records name. */
export function bundlesOf({session, tasks, attempts, refs}: Sources): ReadonlyMap<string, CommitBundle> {
  const bundles = new Map<string, CommitBundle>();
  const add = (bundle: CommitBundle | undefined): void => {
    if (bundle) bundles.set(bundle.commit, bundle);
  };
  session.workspace?.bundles.forEach(add);
  session.result?.bundles.forEach(add);
  for (const {result} of tasks) {
    result?.borrowed?.forEach(add);
    add(result?.bundle);
  }
  for (const {report} of attempts) if (report?.outcome === 'succeeded') add(report.result.bundle);
  for (const {bundle} of refs) add(bundle);
  return bundles;
}

/** Those that bring `commits`, prerequisites first. What no bundle brings is left out: the receiver may have it. */
export function closureOf(
  commits: readonly string[],
  bundles: ReadonlyMap<string, CommitBundle>,
): readonly CommitBundle[] {
  const ordered: CommitBundle[] = [];
  const seen = new Set<string>();
  const visiting = commits.map(commit => ({commit, leave: false})).reverse();
  for (let next = visiting.pop(); next; next = visiting.pop()) {
    const bundle = bundles.get(next.commit);
    if (!bundle) continue;
    if (next.leave) {
      ordered.push(bundle);
      continue;
    }
    if (seen.has(next.commit)) continue;
    seen.add(next.commit);
    visiting.push({commit: next.commit, leave: true});
    for (const commit of bundle.prerequisites) visiting.push({commit, leave: false});
  }
  return ordered;
}
