/**
 * Keeps what tasks with `cache: true` leave, and completes later ones with identical inputs from it: by one fenced step of the lead, without an
 * attempt. Only successes are kept; what cannot be had any more is done again.
 */
import type {GateEvidence} from '../../protocol/gate.ts';
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import type {CachedResultRecord} from '../../protocol/model/cachedResult.ts';
import {tenantKeys} from '../../protocol/model/keys.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import type {CommitBundle} from '../../protocol/model/session.ts';
import type {Reused, TaskResult} from '../../protocol/model/task.ts';
import {mayBeReused} from '../../protocol/plan/reuse.ts';
import {partTaskId} from '../../protocol/plan/split.ts';
import type {Stored} from '../../store/records.ts';
import * as changes from '../deciding/changes.ts';
import {isFinalTask, type TaskNode} from '../fleet/fleet.ts';
import {bundlesOf} from '../results/bundles.ts';
import {resultRef} from '../results/resultRef.ts';
import type {Submission} from '../steps/taskSteps.ts';
import {nowOf, type Term} from '../term/term.ts';
import {inputsOf, type TaskInputs} from './inputKey.ts';
import type {ResultCache} from './resultCache.ts';

/** What a task can be completed from. */
export interface Reusable {
  readonly result: TaskResult;
  readonly gates: GateEvidence[] | undefined;
  readonly reused: Reused;
}

export type ReuseState =
  | {readonly kind: 'asking'}
  | {readonly kind: 'missed'}
  /** `created`: of the record that keeps it. */
  | {readonly kind: 'found'; readonly found: Reusable; readonly created: number};

export type ReuseTerm = Pick<Term, 'results' | 'hub' | 'clock' | 'principal' | 'logger' | 'signal'>;

/** Of the record that it would be completed with: the store takes a little more. */
const MAX_TASK_BYTES = 60 * 1024;

export class Reuse {
  constructor(
    private readonly term: ReuseTerm,
    private readonly cache: Pick<ResultCache, 'find' | 'keep' | 'used'>,
    private readonly evaluate: (task: TaskNode) => void,
  ) {}

  /** Looks, and has the task looked at again when that is known. */
  lookUp(task: TaskNode): void {
    const asking: ReuseState = {kind: 'asking'};
    task.reuse = asking;
    this.search(task)
      .catch((error: unknown): undefined => {
        this.term.logger.warn('results of earlier tasks cannot be looked up; the task is done', {
          task: task.key,
          error,
        });
      })
      .then(found => {
        // Meanwhile it came to an end and was begun anew.
        if (task.reuse !== asking || this.term.signal.aborted) return;
        task.reuse = found ?? {kind: 'missed'};
        this.evaluate(task);
      })
      .catch(() => undefined);
  }

  /** The step that completes the task; undefined when its inputs are others by now. */
  step(task: TaskNode): Submission | undefined {
    const {reuse, session} = task;
    if (reuse?.kind !== 'found' || isFinalTask(task)) return undefined;
    const {found, created} = reuse;
    const {key, attemptId} = found.reused;
    const inputs = inputsOf(task);
    if (inputs?.key !== key) return undefined;
    const {principal, clock} = this.term;
    const change = changes.reused(task, found, principal, nowOf(this.term));
    return {
      change,
      compare: [
        {key: tenantKeys(session.tenant).cachedResult(key), target: 'create', op: '=', operand: created},
      ],
      ops: resultRef(task, attemptId, change.task.result, {principal, at: clock.wallNow()}),
      committed: () => {
        this.cache.used(session.tenant, key);
        this.term.logger.info('a task was completed from the result of an earlier one', {
          task: task.key,
          of: attemptId,
        });
      },
      refused: () => {
        task.reuse = undefined;
      },
    };
  }

  /** Call when the attempt made its task succeed. */
  keep(task: TaskNode, attempt: AttemptRecord): void {
    const record = this.recordOf(task, attempt);
    if (!record) return;
    this.cache.keep(task.session.tenant, record).catch((error: unknown) => {
      if (!this.term.signal.aborted)
        this.term.logger.warn('a result is not kept for later tasks', {task: task.key, error});
    });
  }

  private async search(task: TaskNode): Promise<ReuseState | undefined> {
    const inputs = inputsOf(task);
    const stored = inputs && (await this.cache.find(task.session.tenant, inputs.key));
    if (!inputs || !stored) return undefined;
    const result = await this.resultFor(task, inputs, stored);
    if (!result || !(await this.isThere(task.session.tenant, result, stored.value.gates))) return undefined;
    const {gates, reused} = stored.value;
    const record = {...task.record, result, gates, cached: reused};
    if (Buffer.byteLength(JSON.stringify(record)) > MAX_TASK_BYTES) return undefined;
    return {kind: 'found', found: {result, gates, reused}, created: stored.createRevision};
  }

  /** What was left, as a result of this task's own inputs. Undefined where it cannot be that. */
  private async resultFor(
    task: TaskNode,
    {parents}: TaskInputs,
    {value: {result, origin, reused}}: Stored<CachedResultRecord>,
  ): Promise<TaskResult | undefined> {
    if (result.commit === undefined) return result;
    const {workspace} = task.session.record;
    if (!origin || !workspace || origin.parents.length !== parents.length) return undefined;
    const plain = {...result, borrowed: undefined, startedFrom: [...parents]};
    if (origin.sameAs !== undefined) return {...plain, commit: parents[origin.sameAs], bundle: undefined};
    const {bundle, tree, commit} = result;
    if (!bundle || tree === undefined) return undefined;
    const isSameBase = origin.base === workspace.commit;
    if (isSameBase && parents.every((parent, at) => parent === origin.parents[at])) return plain;
    // The same files on top of other commits: whoever merges it must find this session's history behind it.
    const holders = [...(isSameBase ? [] : origin.bundles), bundle];
    if (
      !(await this.allThere(
        task.session.tenant,
        holders.map(({sha256}) => sha256),
      ))
    )
      return undefined;
    const grafted = await this.term.results.graft(task.session.tenant, {
      tree,
      parents,
      holder: commit,
      message: messageOf(task, result, reused),
      at: reused.madeAt,
    });
    return {...plain, commit: grafted.commit, bundle: grafted, borrowed: holders};
  }

  private isThere(tenant: string, result: TaskResult, gates: GateEvidence[] = []): Promise<boolean> {
    const outputs = gates.flatMap(({artifact}) => artifact ?? []);
    return this.allThere(tenant, [...bundlesOf(result).map(({sha256}) => sha256), ...outputs]);
  }

  private async allThere(tenant: string, artifacts: readonly string[]): Promise<boolean> {
    for (const sha256 of artifacts) if (!(await this.term.results.has(tenant, sha256))) return false;
    return true;
  }

  /** Undefined for what must not be taken over, or cannot be. */
  private recordOf(task: TaskNode, attempt: AttemptRecord): CachedResultRecord | undefined {
    const {spec, session, record} = task;
    const {result} = record;
    if (!result || !mayBeReused(spec) || attempt.recheckOf !== undefined) return undefined;
    // A person took it although a gate failed; or part of its work was done by others, who leave that themselves.
    if (record.gates?.some(({waived}) => waived) || hasDelegated(task)) return undefined;
    const inputs = inputsOf(task);
    if (!inputs) return undefined;
    const origin = result.commit === undefined ? undefined : originOf(task, inputs, result);
    if (origin === 'unfit') return undefined;
    const at = attempt.endedAt ?? this.term.clock.wallNow();
    const {lineage: _here, borrowed: _none, ...kept} = result;
    const made = {
      v: RECORD_VERSION,
      principal: this.term.principal,
      sessionId: session.id,
      sessionName: session.record.name,
      taskId: spec.id,
      reused: {
        key: inputs.key,
        attemptId: attempt.id,
        agentId: attempt.agentId,
        madeAt: at,
        activeMs: attempt.activeMs,
        costUsd: attempt.usage.costUsd,
      },
      result: kept,
      gates: record.gates,
      ...(origin && {origin}),
      usedAt: at,
      uses: 0,
    };
    const bytes = (result.bundle?.bytes ?? 0) + JSON.stringify(made).length;
    return {...made, bytes};
  }
}

type Origin = NonNullable<CachedResultRecord['origin']>;

/** `unfit`: its bundle needs more than the base, or its commit is nobody's. */
function originOf(
  {session}: TaskNode,
  {parents}: TaskInputs,
  {commit, tree, bundle}: TaskResult,
): Origin | 'unfit' {
  const {workspace} = session.record;
  if (!workspace || tree === undefined || commit === undefined) return 'unfit';
  const origin = {base: workspace.commit, bundles: workspace.bundles, parents: [...parents]};
  if (bundle) return needsOnly(bundle, workspace.commit) ? origin : 'unfit';
  const sameAs = parents.indexOf(commit);
  return sameAs < 0 ? 'unfit' : {...origin, sameAs};
}

function needsOnly({prerequisites}: CommitBundle, base: string): boolean {
  return prerequisites.every(commit => commit === base);
}

/** Its attempt asked for tasks of others, which are numbered after its parts. */
function hasDelegated({spec, session}: TaskNode): boolean {
  return session.tasks.has(partTaskId(spec.id, (spec.parts ?? 0) + 1));
}

function messageOf({spec, session}: TaskNode, {summary}: TaskResult, {attemptId}: Reused): string {
  const trailers = [`MCPX-Session: ${session.id}`, `MCPX-Task: ${spec.id}`, `MCPX-Attempt: ${attemptId}`];
  const subject = `${spec.id}: ${(spec.title ?? summary).trim().split('\n')[0] ?? ''}`.slice(0, 100).trim();
  return `${[subject, summary.trim(), trailers.join('\n')].filter(part => part !== '').join('\n\n')}\n`;
}
