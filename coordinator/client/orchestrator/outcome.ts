/** What became of tasks, read from the rows of their session. Pure but for the wait. */
import type {Row} from '../../protocol/commands/watch.ts';
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import {
  type Failure,
  FINAL_TASK_STATES,
  type TaskRecord,
  type TaskResult,
} from '../../protocol/model/task.ts';
import type {Usage} from '../../protocol/usage.ts';
import {rejectOnAbort} from '../../runtime/abort.ts';
import {deferred} from '../../runtime/deferred.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {McpxClient} from '../mcpxClient.ts';

export type TaskOutcome =
  /** The commit, if it changed anything, what it said at the end, and the value that it was to give. */
  | {readonly kind: 'succeeded'; readonly result: TaskResult | undefined}
  | {readonly kind: 'failed'; readonly failure: Failure | undefined}
  /** By a person, with its session, or since a task failed that it depends on. */
  | {readonly kind: 'cancelled'; readonly failure: Failure | undefined}
  | {readonly kind: 'rolledBack'};

export interface OrchestrationResult {
  readonly sessionId: string;
  readonly taskId: string;
  readonly outcome: TaskOutcome;
  /** In their order. */
  readonly attempts: readonly AttemptRecord[];
  /** Of all attempts. */
  readonly usage: Usage;
}

/** Undefined while it is not at its end. */
export function resultOf(
  rows: Iterable<Row>,
  sessionId: string,
  taskId: string,
): OrchestrationResult | undefined {
  let record: TaskRecord | undefined;
  const attempts: AttemptRecord[] = [];
  for (const row of rows) {
    if (row.kind === 'task' && row.task.id === taskId) record = row.task;
    if (row.kind === 'attempt' && row.attempt.taskId === taskId) attempts.push(row.attempt);
  }
  const outcome = record && outcomeOf(record);
  if (!record || !outcome) return undefined;
  attempts.sort((a, b) => a.number - b.number);
  return {sessionId, taskId, outcome, attempts, usage: record.usage};
}

function outcomeOf({state, result, failure}: TaskRecord): TaskOutcome | undefined {
  if (state === 'succeeded') return {kind: state, result};
  if (state === 'failed' || state === 'cancelled') return {kind: state, failure};
  return state === 'rolledBack' ? {kind: state} : undefined;
}

/**
 * Resolves with what became of each, in their order, once all are at their end. Rejects with `notFound` when the session goes meanwhile, or with
 * the reason of `signal`; the tasks go on.
 */
export async function whenFinal(
  client: McpxClient,
  sessionId: string,
  taskIds: readonly string[],
  signal?: AbortSignal,
): Promise<OrchestrationResult[]> {
  const over = deferred<void>();
  const isFinal = (id: string): boolean => {
    const row = watch.rows.get(`task/${id}`);
    return row?.kind === 'task' && FINAL_TASK_STATES.has(row.task.state);
  };
  const gone = (): void =>
    over.reject(
      new CoordinatorError('notFound', `session ${sessionId} was deleted before its tasks had ended`),
    );
  const watch = client.watch({view: 'session', sessionId}, update => {
    if (update.kind === 'failed') return;
    if (!watch.rows.has(`session/${sessionId}`)) gone();
    else if (taskIds.every(isFinal)) over.resolve();
  });
  const abortion = rejectOnAbort(over, signal);
  try {
    await over.promise;
    const rows = [...watch.rows.values()];
    return taskIds.flatMap(id => resultOf(rows, sessionId, id) ?? []);
  } finally {
    abortion.dispose();
    watch.dispose();
  }
}
