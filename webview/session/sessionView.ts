/** What the session's page shows of its rows, now or in the past: attempts with their tasks, gates, and what is in shared memory. Pure. */
import {
  readSession,
  type SessionReport,
  type TaskReport,
} from '../../coordinator/client/report/sessionReport.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import type {GateEvidence} from '../../coordinator/protocol/gate.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';

export interface GateRun {
  readonly task: TaskReport;
  readonly attempt: AttemptRecord;
  readonly evidence: GateEvidence;
}

export interface SessionView extends SessionReport {
  /** Newest first. */
  readonly attempts: readonly AttemptRecord[];
  readonly titles: ReadonlyMap<string, string>;
  /** Failed first, then newest first. */
  readonly gateRuns: readonly GateRun[];
  readonly memory: readonly Extract<Row, {kind: 'memory'}>[];
}

export function viewSession(
  rows: ReadonlyMap<string, Row>,
  sessionId: string,
  plan: Plan | undefined,
): SessionView | undefined {
  const report = readSession(rows.values(), sessionId, plan);
  if (!report) return undefined;
  const attempts = report.tasks.flatMap(({attempts: own}) => own).sort((a, b) => b.assignedAt - a.assignedAt);
  const gateRuns = report.tasks
    .flatMap(task =>
      task.attempts.flatMap(attempt => (attempt.gates ?? []).map(evidence => ({task, attempt, evidence}))),
    )
    .sort(
      (a, b) =>
        Number(a.evidence.passed) - Number(b.evidence.passed) || b.attempt.assignedAt - a.attempt.assignedAt,
    );
  const memory = [...rows.values()].flatMap(row => (row.kind === 'memory' ? [row] : []));
  return {
    ...report,
    attempts,
    titles: new Map(report.tasks.map(({record, title}) => [record.id, title ?? record.id])),
    gateRuns,
    memory: memory.sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

/** The attempt that a person most likely wants to read: one that waits for an answer, one that runs, or the last. */
export function attemptToShow({attempts, approvals}: SessionView): AttemptRecord | undefined {
  const asking = approvals.find(({attemptId}) => attemptId !== undefined)?.attemptId;
  return (
    attempts.find(({id}) => id === asking) ??
    attempts.find(({outcome}) => outcome === undefined) ??
    attempts.find(({outcome}) => outcome === 'failed') ??
    attempts[0]
  );
}
