/** What a person may do about a task as it stands. Pure. */
import {attemptThatCounts} from '../../coordinator/client/report/attemptThatCounts.ts';
import type {PageAction} from '../messages.ts';
import type {TaskShown} from './taskShown.ts';

export interface NamedAction {
  /** English; translate it. */
  readonly label: string;
  readonly action: PageAction;
}

type TaskCommand = Extract<PageAction, {kind: 'task'}>['command'];
type AttemptCommand = Extract<PageAction, {kind: 'attempt'}>['command'];

/** These ask a person more than a page can, or open a document. */
const EDITOR_ONLY: ReadonlySet<TaskCommand | AttemptCommand> = new Set([
  'retryTaskWithNote',
  'reassignTask',
  'rerunGates',
  'waiveGate',
  'explainTask',
  'showDiff',
  'openWorktree',
]);

/** The first is the one most likely wanted. */
export function taskActions(
  {sessionId, node, task, attempts}: Pick<TaskShown, 'sessionId' | 'node' | 'task' | 'attempts'>,
  host: 'editor' | 'browser',
): NamedAction[] {
  if (sessionId === undefined || !task) return [];
  const taskId = node.id;
  const latest = attemptThatCounts(task, attempts);
  const actions: NamedAction[] = [];
  const add = (label: string, command: TaskCommand): void => {
    if (host === 'editor' || !EDITOR_ONLY.has(command))
      actions.push({label, action: {kind: 'task', sessionId, taskId, command}});
  };
  const addFor = (label: string, command: AttemptCommand): void => {
    if (latest && (host === 'editor' || !EDITOR_ONLY.has(command)))
      actions.push({label, action: {kind: 'attempt', attemptId: latest.id, command}});
  };
  const {state} = task;
  if (state === 'failed' || state === 'cancelled' || state === 'rolledBack') {
    add('Retry', 'retryTask');
    add('Retry with a Note…', 'retryTaskWithNote');
    if (task.failure?.kind === 'gate') {
      add('Run the Gates Again', 'rerunGates');
      add('Waive a Gate…', 'waiveGate');
    }
    addFor('Open Worktree', 'openWorktree');
  }
  addFor('Transcript', 'attach');
  if (state === 'running' || state === 'assigned') addFor('Interrupt', 'interrupt');
  if (state === 'ready' || state === 'running' || state === 'assigned') add('Reassign…', 'reassignTask');
  if (latest || task.waitingFor) add('Explain Placement', 'explainTask');
  if (task.result?.commit !== undefined) add('Show Diff', 'showDiff');
  if (['pending', 'ready', 'assigned', 'running', 'verifying'].includes(state)) add('Cancel', 'cancelTask');
  return actions;
}
