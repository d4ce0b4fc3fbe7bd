/** The end of a session for programs: the last line of `mcpx run --json`. Its keys are a promise. Pure. */

import {makespanMs, type SessionReport} from '../../client/report/sessionReport.ts';
import type {Continued} from '../../protocol/model/checkpoint.ts';
import {RESULT_TASK_ID} from '../../protocol/model/task.ts';

export interface FinalReport {
  readonly session: string;
  readonly status: string;
  readonly makespanMs: number;
  /** The tasks of the plan, and the merges of conflicts that were added to it; not the merge of the result. */
  readonly tasks: readonly {
    readonly id: string;
    readonly status: string;
    /** Whose result it has that was done earlier; absent when it was done in this session. */
    readonly cached?: {readonly attempt: string; readonly madeAt: string | null};
    readonly attempts: readonly {
      readonly agent: string;
      /** succeeded, failed, cancelled, lost or stale; null while it has none. */
      readonly outcome: string | null;
      /** ISO 8601, or null for what never happened. */
      readonly startedAt: string | null;
      readonly endedAt: string | null;
      /** Where it went on from; absent when it began anew. */
      readonly continued?: Continued;
    }[];
  }[];
  readonly result: {readonly branch: string; readonly commit: string} | null;
}

function finalReport(report: SessionReport, wallNow: number): FinalReport {
  const {session} = report;
  return {
    session: session.id,
    status: session.state,
    makespanMs: makespanMs(report, wallNow),
    tasks: report.tasks
      .filter(({record}) => record.id !== RESULT_TASK_ID)
      .map(({record, attempts}) => ({
        id: record.id,
        status: record.state,
        ...(record.cached
          ? {cached: {attempt: record.cached.attemptId, madeAt: isoTime(record.cached.madeAt)}}
          : {}),
        attempts: attempts.map(attempt => ({
          agent: attempt.agentId,
          outcome: attempt.outcome ?? null,
          ...(attempt.continued ? {continued: attempt.continued} : {}),
          startedAt: isoTime(attempt.startedAt),
          endedAt: isoTime(attempt.endedAt),
        })),
      })),
    result: session.result ? {branch: session.result.branch, commit: session.result.commit} : null,
  };
}

/** One line, without its line feed. */
export function finalLine(report: SessionReport, wallNow: number): string {
  return JSON.stringify(finalReport(report, wallNow));
}

function isoTime(wallMs: number | undefined): string | null {
  return wallMs === undefined ? null : new Date(wallMs).toISOString();
}
