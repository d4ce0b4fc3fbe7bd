/**
 * The one central queue of ready tasks, split into classes of tasks that ask the same of an agent, so that a thousand tasks which nobody can
 * take cost one look. Order: priority, then upward rank, then age. Knows nothing of agents' load.
 */

import {isBetweenTasks} from './affinity.ts';
import type {SessionNode, TaskNode} from './fleet.ts';
import {Heap} from './heap.ts';
import {type Requirement, recheckRequirements, requirementsOf, wishRequirements} from './requirements.ts';

interface Entry {
  readonly task: TaskNode;
  readonly ticket: number;
  readonly priority: number;
  readonly rank: number;
}

export interface PlacementClass {
  readonly key: string;
  readonly session: SessionNode;
  readonly isPrompt: boolean;
  readonly requirements: readonly Requirement[];
  /** Where it may run depends on where other tasks run. */
  readonly dependsOnPlaces: boolean;
  readonly avoid: readonly string[];
  readonly entries: Heap<Entry>;
  /** Valid entries. */
  size: number;
  /** Hub time since when no connected agent fits; undefined while one does. */
  misfitSince: number | undefined;
}

function isBefore(a: Entry, b: Entry): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.rank !== b.rank) return a.rank > b.rank;
  return a.ticket < b.ticket;
}

export class ReadyQueue {
  private readonly all = new Map<string, PlacementClass>();
  private tickets = 0;
  private count = 0;

  get size(): number {
    return this.count;
  }

  classes(): IterableIterator<PlacementClass> {
    return this.all.values();
  }

  /** Does nothing when it is queued already. */
  add(task: TaskNode): void {
    if (task.queuedIn) return;
    const placement = this.classOf(task);
    this.tickets += 1;
    task.ticket = this.tickets;
    task.queuedIn = placement;
    placement.entries.push({
      task,
      ticket: task.ticket,
      priority: task.spec.priority,
      rank: task.rank,
    });
    placement.size += 1;
    this.count += 1;
  }

  remove(task: TaskNode): void {
    const placement = task.queuedIn;
    if (!placement) return;
    task.queuedIn = undefined;
    placement.size -= 1;
    this.count -= 1;
    // What is left behind in the heap is skipped when it surfaces; an empty class goes as a whole.
    if (placement.size === 0) this.all.delete(placement.key);
  }

  /** The task of the class that is next in order. */
  head(placement: PlacementClass): TaskNode | undefined {
    for (let top = placement.entries.peek(); top; top = placement.entries.peek()) {
      if (top.task.queuedIn === placement && top.task.ticket === top.ticket) return top.task;
      placement.entries.pop();
    }
    return undefined;
  }

  /** Some of the class's tasks from near the head, at most `count`. */
  sample(placement: PlacementClass, count: number): TaskNode[] {
    return placement.entries
      .nearTop(count)
      .filter(entry => entry.task.queuedIn === placement && entry.task.ticket === entry.ticket)
      .map(entry => entry.task);
  }

  private classOf(task: TaskNode): PlacementClass {
    const key = classKey(task);
    const known = this.all.get(key);
    if (known) return known;
    const created = placementClass(task, key);
    this.all.set(key, created);
    return created;
  }
}

/** What the task asks of an agent, outside the queue. */
export function describePlacement(task: TaskNode): PlacementClass {
  return task.queuedIn ?? placementClass(task, classKey(task));
}

function classKey(task: TaskNode): string {
  const {session, spec, avoid, record} = task;
  const placed = [record.wished?.on, record.wished?.notOn, record.recheck?.agentId];
  return JSON.stringify([
    session.tenant,
    session.id,
    spendsOnModel(task),
    spec.requires,
    spec.affinity,
    avoid,
    ...(placed.some(id => id !== undefined) ? placed : []),
  ]);
}

function placementClass(task: TaskNode, key: string): PlacementClass {
  const {session, spec, record} = task;
  const traits = {id: session.id, rehearsal: session.record.rehearsal, mode: session.plan.mode};
  return {
    key,
    session,
    isPrompt: spendsOnModel(task),
    requirements: record.recheck
      ? recheckRequirements(record.recheck.agentId)
      : [...requirementsOf(spec, traits), ...wishRequirements(record.wished)],
    dependsOnPlaces: !record.recheck && spec.affinity.some(isBetweenTasks),
    avoid: task.avoid,
    entries: new Heap(isBefore),
    size: 0,
    misfitSince: undefined,
  };
}

/** Its next or present attempt spends money on a model. */
export function spendsOnModel({spec, record}: Pick<TaskNode, 'spec' | 'record'>): boolean {
  return spec.work.kind === 'prompt' && !record.recheck;
}

/** True when `a` is placed before `b`, both being heads of their classes. */
export function comesFirst(a: TaskNode, b: TaskNode): boolean {
  if (a.spec.priority !== b.spec.priority) return a.spec.priority > b.spec.priority;
  if (a.rank !== b.rank) return a.rank > b.rank;
  return a.ticket < b.ticket;
}
