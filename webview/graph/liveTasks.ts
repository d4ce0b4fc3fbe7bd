/** Tasks of a session with their attempts and what waits for a person, kept up to date row by row. */
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import type {Dirty} from '../feed/rowStore.ts';
import {type LookName, lookOfTask} from '../theme/stateLook.ts';
import {criticalPath, type Graph} from './graphModel.ts';

export class LiveTasks {
  session: SessionRecord | undefined;
  readonly tasks = new Map<string, TaskRecord>();
  private readonly attempts = new Map<string, Map<string, AttemptRecord>>();
  private readonly approvals = new Map<string, Map<string, ApprovalRecord>>();
  /** By key of a row: the task that it is about, to find it when the row is gone. */
  private readonly owners = new Map<string, string>();

  constructor(private readonly sessionId: string) {}

  /** Ids of the tasks that changed, and whether tasks came or went. */
  apply(rows: ReadonlyMap<string, Row>, dirty: Dirty): {changed: ReadonlySet<string>; reshaped: boolean} {
    const changed = new Set<string>();
    const before = this.tasks.size;
    let reshaped = dirty === 'all';
    if (dirty === 'all') this.clear();
    for (const key of dirty === 'all' ? rows.keys() : dirty) {
      const row = rows.get(key);
      const known = this.tasks.size;
      const taskId = row ? this.put(key, row) : this.remove(key);
      reshaped ||= this.tasks.size !== known;
      if (taskId !== undefined) changed.add(taskId);
    }
    return {changed, reshaped: reshaped || this.tasks.size !== before};
  }

  /** By number. */
  attemptsOf(taskId: string): readonly AttemptRecord[] {
    return [...(this.attempts.get(taskId)?.values() ?? [])].sort((a, b) => a.number - b.number);
  }

  /** Those that wait, oldest first. */
  approvalsOf(taskId: string): readonly ApprovalRecord[] {
    return [...(this.approvals.get(taskId)?.values() ?? [])]
      .filter(({state}) => state.kind === 'waiting')
      .sort((a, b) => a.askedAt - b.askedAt);
  }

  /** `planned` without a record: it has not run. */
  lookOf(taskId: string): LookName {
    const task = this.tasks.get(taskId);
    if (!task) return 'planned';
    const waits =
      task.waitingFor?.kind === 'person' ||
      (this.approvals.has(taskId) && this.approvalsOf(taskId).length > 0);
    return lookOfTask(task.state, waits);
  }

  private clear(): void {
    this.session = undefined;
    this.tasks.clear();
    this.attempts.clear();
    this.approvals.clear();
    this.owners.clear();
  }

  private put(key: string, row: Row): string | undefined {
    if (row.kind === 'session' && row.session.id === this.sessionId) this.session = row.session;
    else if (row.kind === 'task' && row.task.sessionId === this.sessionId) {
      this.tasks.set(row.task.id, row.task);
      this.owners.set(key, row.task.id);
      return row.task.id;
    } else if (row.kind === 'attempt' && row.attempt.sessionId === this.sessionId)
      return this.putUnder(this.attempts, key, row.attempt.taskId, row.attempt);
    else if (row.kind === 'approval' && row.approval.sessionId === this.sessionId)
      return this.putUnder(this.approvals, key, row.approval.taskId, row.approval);
    return undefined;
  }

  private putUnder<T>(of: Map<string, Map<string, T>>, key: string, taskId: string, record: T): string {
    const known = of.get(taskId) ?? new Map<string, T>();
    known.set(key, record);
    of.set(taskId, known);
    this.owners.set(key, taskId);
    return taskId;
  }

  private remove(key: string): string | undefined {
    const taskId = this.owners.get(key);
    if (taskId === undefined) return undefined;
    this.owners.delete(key);
    if (key.startsWith('task/')) this.tasks.delete(taskId);
    this.attempts.get(taskId)?.delete(key);
    this.approvals.get(taskId)?.delete(key);
    return taskId;
  }
}

/**
 * The chain that decides when it ends: by what tasks took, or, where they have not ended, by what the others took on average or by what they have
 * taken so far, whichever is longer. `now` is wall time in ms.
 */
export function criticalChain(graph: Graph, live: LiveTasks, now: number): readonly number[] {
  const times = graph.nodes.map(({id}) => {
    const ended = live.tasks.get(id)?.endedAt;
    const [first] = live.attemptsOf(id);
    const began = first?.startedAt ?? first?.assignedAt;
    const took = began === undefined ? undefined : Math.max(1, (ended ?? now) - began);
    return {took, hasEnded: ended !== undefined};
  });
  const known = times.flatMap(({took, hasEnded}) => (hasEnded && took !== undefined ? [took] : []));
  const mean = known.length === 0 ? 1 : known.reduce((sum, value) => sum + value, 0) / known.length;
  return criticalPath(graph, index => {
    const {took, hasEnded} = times[index] ?? {took: undefined, hasEnded: false};
    return hasEnded ? (took ?? mean) : Math.max(mean, took ?? 0);
  });
}
