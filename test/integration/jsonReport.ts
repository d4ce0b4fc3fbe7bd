/** The last line of `mcpx run --json` as programs may rely on it: every key, and no other. */
import assert from 'node:assert/strict';
import * as z from 'zod';

const time = z.iso.datetime().nullable();

export const JsonReport = z.strictObject({
  session: z.string().regex(/^s-[0-9a-f]{12}$/),
  /** `paused`: its budget is spent, and a person may raise it. */
  status: z.enum(['succeeded', 'failed', 'cancelled', 'paused']),
  makespanMs: z.number().nonnegative(),
  tasks: z.array(
    z.strictObject({
      id: z.string(),
      status: z.enum(['succeeded', 'failed', 'cancelled', 'ready', 'pending']),
      cached: z.strictObject({attempt: z.string(), madeAt: time}).optional(),
      attempts: z.array(
        z.strictObject({
          agent: z.string(),
          outcome: z.enum(['succeeded', 'failed', 'cancelled', 'lost', 'stale']).nullable(),
          startedAt: time,
          endedAt: time,
        }),
      ),
    }),
  ),
  result: z.strictObject({branch: z.string(), commit: z.string().regex(/^[0-9a-f]{40,64}$/)}).nullable(),
});
export type JsonReport = z.infer<typeof JsonReport>;

/** Of a run with `--json`, whose standard output is that line and nothing else. */
export function jsonReport(stdout: string): JsonReport {
  assert.match(stdout, /^\{[^\n]*\}\n$/);
  return JsonReport.parse(JSON.parse(stdout));
}

/** Task id -> status. */
export function statuses(report: JsonReport): Record<string, string> {
  return Object.fromEntries(report.tasks.map(task => [task.id, task.status]));
}

/** Outcomes of a task's attempts, in order. */
export function outcomes(report: JsonReport, taskId: string): (string | null)[] {
  return report.tasks.find(task => task.id === taskId)?.attempts.map(({outcome}) => outcome) ?? [];
}

/** The commit of the result; a test without one has failed. */
export function resultCommit(report: JsonReport): string {
  assert.ok(report.result, `session ${report.session} has no result: ${report.status}`);
  return report.result.commit;
}
