/**
 * One session's tasks and attempts, in order and by state, kept up to date row by row: a change of one task costs the same in a session of ten
 * as in one of ten thousand. Pure.
 */
import type {DirtyRows} from '../../../coordinator/client/mirror/dirtyRows.ts';
import {compareText} from '../../../coordinator/client/report/sessionReport.ts';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import {RESULT_TASK_ID, type TaskRecord, type TaskState} from '../../../coordinator/protocol/model/task.ts';
import type {Plan, TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import type {SessionRows} from './fleetRows.ts';

export interface IndexDirt {
  readonly tasks: Set<string>;
  readonly attempts: Set<string>;
  /** Their lists of tasks are others. */
  readonly states: Set<TaskState>;
  /** Tasks were added. */
  added: boolean;
}

export class SessionIndex {
  private readonly tasks = new Map<string, TaskRecord>();
  private readonly attempts = new Map<string, AttemptRecord[]>();
  private readonly byState = new Map<TaskState, Set<string>>();
  /** Sorted lists, until one of theirs changes. */
  private readonly sorted = new Map<TaskState | 'all', readonly string[]>();
  private order: ReadonlyMap<string, number> = new Map();
  private specifications: ReadonlyMap<string, TaskSpecification> = new Map();
  private dependents: ReadonlyMap<string, readonly string[]> = new Map();

  constructor(private readonly source: SessionRows) {
    this.rebuild();
  }

  get size(): number {
    return this.tasks.size;
  }

  get taskIds(): readonly string[] {
    return this.sortedList('all', this.tasks.keys());
  }

  tasksIn(state: TaskState): readonly string[] {
    return this.sortedList(state, this.byState.get(state) ?? []);
  }

  count(state: TaskState): number {
    return this.byState.get(state)?.size ?? 0;
  }

  task(taskId: string): TaskRecord | undefined {
    return this.tasks.get(taskId);
  }

  specification(taskId: string): TaskSpecification | undefined {
    return this.specifications.get(taskId);
  }

  /** By number. */
  attemptsOf(taskId: string): readonly AttemptRecord[] {
    return this.attempts.get(taskId) ?? [];
  }

  /** Unfinished dependencies, in plan order. */
  waitsFor(taskId: string): readonly string[] {
    const dependsOn = this.specifications.get(taskId)?.dependsOn ?? [];
    return dependsOn.filter(id => this.tasks.get(id)?.state !== 'succeeded');
  }

  /** Order, titles and dependencies; every task looks different then. */
  setPlan(plan: Plan): void {
    this.order = new Map(plan.tasks.map((task, index) => [task.id, index]));
    this.specifications = new Map(plan.tasks.map(task => [task.id, task]));
    const dependents = new Map<string, string[]>();
    for (const {id, dependsOn} of plan.tasks)
      for (const other of dependsOn) {
        const list = dependents.get(other) ?? [];
        list.push(id);
        dependents.set(other, list);
      }
    this.dependents = dependents;
    this.sorted.clear();
  }

  /** Takes in what changed. `all` after a snapshot, and when rows are gone. */
  update(dirty: DirtyRows): IndexDirt | 'all' {
    const {rows} = this.source;
    if (dirty === 'all' || [...dirty].some(key => !rows.has(key))) {
      this.rebuild();
      return 'all';
    }
    const dirt = noDirt();
    for (const key of dirty) {
      const row = rows.get(key);
      if (row?.kind === 'task') this.takeTask(row.task, dirt);
      else if (row?.kind === 'attempt') this.takeAttempt(row.attempt, dirt);
    }
    return dirt;
  }

  private rebuild(): void {
    this.tasks.clear();
    this.attempts.clear();
    this.byState.clear();
    this.sorted.clear();
    const dirt = noDirt();
    for (const row of this.source.rows.values())
      if (row.kind === 'task') this.takeTask(row.task, dirt);
      else if (row.kind === 'attempt') this.takeAttempt(row.attempt, dirt);
  }

  private takeTask(task: TaskRecord, dirt: IndexDirt): void {
    const before = this.tasks.get(task.id);
    this.tasks.set(task.id, task);
    dirt.tasks.add(task.id);
    if (!before) {
      dirt.added = true;
      this.sorted.delete('all');
    }
    if (before?.state === task.state) return;
    if (before) this.leave(before, dirt);
    const ids = this.byState.get(task.state) ?? new Set();
    this.byState.set(task.state, ids.add(task.id));
    this.sorted.delete(task.state);
    dirt.states.add(task.state);
    if (before?.state === 'succeeded' || task.state === 'succeeded')
      for (const dependent of this.dependents.get(task.id) ?? []) dirt.tasks.add(dependent);
  }

  private leave({id, state}: TaskRecord, dirt: IndexDirt): void {
    this.byState.get(state)?.delete(id);
    this.sorted.delete(state);
    dirt.states.add(state);
  }

  private takeAttempt(attempt: AttemptRecord, dirt: IndexDirt): void {
    const ofTask = (this.attempts.get(attempt.taskId) ?? []).filter(({id}) => id !== attempt.id);
    ofTask.push(attempt);
    ofTask.sort((a, b) => a.number - b.number);
    this.attempts.set(attempt.taskId, ofTask);
    dirt.attempts.add(attempt.id);
    dirt.tasks.add(attempt.taskId);
  }

  private sortedList(key: TaskState | 'all', ids: Iterable<string>): readonly string[] {
    const known = this.sorted.get(key);
    if (known) return known;
    const ranked = [...ids].map(id => ({id, rank: this.rank(id)}));
    ranked.sort((a, b) => (a.rank === b.rank ? compareText(a.id, b.id) : a.rank - b.rank));
    const list = ranked.map(({id}) => id);
    this.sorted.set(key, list);
    return list;
  }

  /** A merge that was added stands before the task that it is for, the merge of the result last. */
  private rank(taskId: string): number {
    if (taskId === RESULT_TASK_ID) return Number.POSITIVE_INFINITY;
    const mergeFor = this.tasks.get(taskId)?.mergeFor;
    if (mergeFor === undefined) return this.order.get(taskId) ?? this.order.size;
    return mergeFor === RESULT_TASK_ID ? this.order.size + 0.5 : (this.order.get(mergeFor) ?? 0) - 0.5;
  }
}

function noDirt(): IndexDirt {
  return {tasks: new Set(), attempts: new Set(), states: new Set(), added: false};
}
