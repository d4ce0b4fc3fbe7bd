/** The legal transitions of a task, by name. Pure: what a transition means for other records is decided elsewhere. */
import type {TaskRecord, TaskState} from '../../protocol/model/task.ts';
import {assert} from '../../runtime/assert.ts';

export interface Transition<S extends string> {
  readonly from: readonly S[];
  readonly to: S;
}

export const TASK_TRANSITIONS = {
  /** Every dependency succeeded. */
  release: {from: ['pending'], to: 'ready'},
  /** Stays ready: a person decides, or the reason of its waiting changed. */
  wait: {from: ['pending', 'ready'], to: 'ready'},
  /** More was put before it. */
  defer: {from: ['pending', 'ready'], to: 'pending'},
  assign: {from: ['ready'], to: 'assigned'},
  /** The agent took it. */
  start: {from: ['assigned'], to: 'running'},
  /** The work is done, its gates run. */
  verify: {from: ['assigned', 'running'], to: 'verifying'},
  succeed: {from: ['assigned', 'running', 'verifying'], to: 'succeeded'},
  /** An earlier task with identical inputs left what it would. */
  reuse: {from: ['ready'], to: 'succeeded'},
  /** Its attempt ended without a verdict, or with one that allows another try. */
  requeue: {from: ['assigned', 'running', 'verifying'], to: 'ready'},
  /** Its inputs conflict: it waits for the task that merges them. */
  block: {from: ['assigned', 'running'], to: 'pending'},
  fail: {from: ['pending', 'ready', 'assigned', 'running', 'verifying'], to: 'failed'},
  cancel: {from: ['pending', 'ready', 'assigned', 'running', 'verifying'], to: 'cancelled'},
  /** A person takes its result although a gate failed. */
  waive: {from: ['failed'], to: 'succeeded'},
  /** A person asked for a fresh start. */
  reopen: {from: ['failed', 'cancelled', 'rolledBack'], to: 'pending'},
  /** What it did is undone. */
  rollBack: {from: ['succeeded', 'failed'], to: 'rolledBack'},
  /** It is about something else now. */
  redo: {from: ['succeeded', 'failed', 'cancelled'], to: 'pending'},
} as const satisfies Readonly<Record<string, Transition<TaskState>>>;

export type TaskTransition = keyof typeof TASK_TRANSITIONS;

export function isLegalTaskTransition(state: TaskState, name: TaskTransition): boolean {
  return (TASK_TRANSITIONS[name].from as readonly TaskState[]).includes(state);
}

/** A new record; fields of `patch` that are undefined are dropped from it when it is stored. */
export function taskTransition(
  record: TaskRecord,
  name: TaskTransition,
  patch: Partial<TaskRecord> = {},
): TaskRecord {
  assert(isLegalTaskTransition(record.state, name), `task ${record.id}: ${name} from ${record.state}`);
  return {...record, ...patch, state: TASK_TRANSITIONS[name].to};
}
