/** Which commits a session's, a task's or an attempt's changes lie between, and these brought into a repository of ours. */
import {readFile} from 'node:fs/promises';
import * as vscode from 'vscode';
import * as z from 'zod';
import type {ArtifactSource} from '../../coordinator/artifacts/artifactCache.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {CommitBundle, type SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {SessionRows} from '../commands/rows.ts';
import type {Change} from './rawDiff.ts';
import {bundlesOf, closureOf} from './resultBundles.ts';
import type {ResultRepositories, ResultRepository} from './resultRepository.ts';

export interface Changes {
  readonly repository: ResultRepository;
  readonly from: string;
  readonly to: string;
  readonly files: readonly Change[];
}

export class Results {
  constructor(
    readonly repositories: ResultRepositories,
    private readonly source: ArtifactSource,
  ) {}

  /** From the commit that the session started with to its result. Errors: `notFound` when it has none; those of the artifacts. */
  async ofSession(session: SessionRecord, rows: SessionRows, signal?: AbortSignal): Promise<Changes> {
    const {workspace, result} = session;
    if (!workspace || !result) throw noChanges(vscode.l10n.t('{0} has no result yet.', session.name));
    const repository = await this.bring(session, rows, [workspace.commit, result.commit], signal);
    return compared(repository, workspace.commit, result.commit, signal);
  }

  /** From the commit that the session started with to all that tasks of these rows have delivered: the result, or what it would be made from. */
  async ofDelivered(
    session: SessionRecord,
    rows: SessionRows,
    signal?: AbortSignal,
  ): Promise<Changes & {readonly leftOut: readonly string[]}> {
    const {workspace, result, name} = session;
    if (result) return {...(await this.ofSession(session, rows, signal)), leftOut: []};
    const delivered = rows.tasks.flatMap(({id, state, result: {bundle, startedFrom} = {}}) =>
      state === 'succeeded' && bundle ? [{id, bundle, from: startedFrom ?? bundle.prerequisites}] : [],
    );
    const passedOn = new Set(delivered.flatMap(({from}) => from));
    const last = delivered.filter(({bundle}) => !passedOn.has(bundle.commit));
    if (!workspace || last.length === 0)
      throw noChanges(vscode.l10n.t('No task of {0} had delivered changes by then.', name));
    const commits = last.map(({bundle}) => bundle.commit);
    const repository = await this.bring(session, rows, [workspace.commit, ...commits], signal);
    const merged = await repository.merged(commits, signal);
    const leftOut = last.flatMap(({id, bundle}) => (merged.leftOut.includes(bundle.commit) ? [id] : []));
    return {...(await compared(repository, workspace.commit, merged.commit, signal)), leftOut};
  }

  /** From the merge of its inputs to what the attempt left. Errors: as `ofSession`. */
  async ofAttempt(
    session: SessionRecord,
    {taskId, report}: Pick<AttemptRecord, 'taskId' | 'report'>,
    rows: SessionRows,
    signal?: AbortSignal,
  ): Promise<Changes> {
    const result = report?.outcome === 'succeeded' ? report.result : undefined;
    if (!session.workspace || !result?.commit)
      throw noChanges(vscode.l10n.t('{0} has delivered no changes yet.', taskId));
    if (!result.bundle) throw noChanges(vscode.l10n.t('{0} has changed nothing.', taskId));
    const {prerequisites, commit} = result.bundle;
    const from = result.startedFrom ?? prerequisites;
    const repository = await this.bring(session, rows, [...from, commit], signal);
    return compared(repository, await repository.mergedInputs(from, signal), commit, signal);
  }

  /** As the changes of the attempt that made the task succeed. */
  ofTask(
    session: SessionRecord,
    {id, result}: TaskRecord,
    rows: SessionRows,
    signal?: AbortSignal,
  ): Promise<Changes> {
    const report = result && {outcome: 'succeeded' as const, result};
    return this.ofAttempt(session, {taskId: id, report}, rows, signal);
  }

  /** A repository that has all these commits of the session. */
  async bring(
    session: SessionRecord,
    {tasks, attempts, rows}: SessionRows,
    commits: readonly string[],
    signal?: AbortSignal,
  ): Promise<ResultRepository> {
    const {workspace, result} = session;
    if (!workspace) throw noChanges(vscode.l10n.t('{0} works without a repository.', session.name));
    const refs = rows.flatMap(row => (row.kind === 'ref' ? [row.ref] : []));
    const bundles = new Map(bundlesOf({session, tasks, attempts, refs}));
    if (result?.bundleList !== undefined)
      for (const bundle of await this.source.use(result.bundleList, readBundles, signal))
        bundles.set(bundle.commit, bundle);
    return this.repositories.bring(
      workspace.repositoryId,
      commits,
      closureOf([workspace.commit, ...commits], bundles),
      signal,
    );
  }
}

async function compared(
  repository: ResultRepository,
  from: string,
  to: string,
  signal?: AbortSignal,
): Promise<Changes> {
  return {repository, from, to, files: await repository.changes(from, to, signal)};
}

/** Results of many tasks name their bundles in an artifact. */
async function readBundles(file: string): Promise<CommitBundle[]> {
  return z.array(CommitBundle).parse(JSON.parse(await readFile(file, 'utf8')));
}

function noChanges(message: string): CoordinatorError {
  return new CoordinatorError('notFound', message);
}
