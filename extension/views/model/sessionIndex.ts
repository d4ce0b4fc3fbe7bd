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
  /** Task -> those that are parts of it, or that its attempts have asked for. */
  private readonly parts = new Map<string, Set<string>>();
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

  /** Those that are no part of another that is here. */
  get rootIds(): readonly string[] {
    return this.taskIds.filter(id => this.parentOf(id) === undefined);
  }

  /** The tasks that it was divided into, or that its attempts have asked for. */
  partsOf(taskId: string): readonly string[] {
    const ids = this.parts.get(taskId);
    return ids ? this.inOrder(ids) : [];
  }

  parentOf(taskId: string): string | undefined {
    const parent = this.tasks.get(taskId)?.parentTaskId;
    return parent !== undefined && this.tasks.has(parent) ? parent : undefined;
  }

  /** Whether an attempt has asked for it, as far as the plan is read: the parts that a task is divided into are numbered first. */
  isDelegated(taskId: string): boolean {
    const {parent} = this.specifications.get(taskId) ?? {};
    return parent !== undefined && parent.index > (this.specifications.get(parent.taskId)?.parts ?? 0);
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
    this.parts.clear();
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
    const {parentTaskId} = task;
    if (parentTaskId !== undefined) {
      this.parts.set(parentTaskId, (this.parts.get(parentTaskId) ?? new Set()).add(task.id));
      // It says how many of them are done.
      if (before?.state !== task.state) dirt.tasks.add(parentTaskId);
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
    const list = this.inOrder(ids);
    this.sorted.set(key, list);
    return list;
  }

  private inOrder(ids: Iterable<string>): readonly string[] {
    const ranked = [...ids].map(id => ({id, rank: this.rank(id)}));
    ranked.sort((a, b) => (a.rank === b.rank ? compareText(a.id, b.id) : a.rank - b.rank));
    return ranked.map(({id}) => id);
  }

  /** A merge that was added stands before the task that it is for, a review behind its task, the merge of the result last. */
  private rank(taskId: string): number {
    if (taskId === RESULT_TASK_ID) return Number.POSITIVE_INFINITY;
    const {mergeFor, about} = this.tasks.get(taskId) ?? {};
    if (about) return (this.order.get(about.taskId) ?? this.order.size) + 0.25;
    if (mergeFor === undefined) return this.order.get(taskId) ?? this.order.size;
    return mergeFor === RESULT_TASK_ID ? this.order.size + 0.5 : (this.order.get(mergeFor) ?? 0) - 0.5;
  }
}

function noDirt(): IndexDirt {
  return {tasks: new Set(), attempts: new Set(), states: new Set(), added: false};
}
