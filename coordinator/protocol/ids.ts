/** Identifiers that travel: their shapes, and how an attempt's is made from its session, task and number. */
import * as z from 'zod';

export const DEFAULT_TENANT = 'default';

/** What a person may name a task; a leading underscore is ours (`_result`, `_merge-x`). */
export const USER_TASK_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const ANY_TASK_ID = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,79}$/;

export const Identifier = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, 'letters, digits, "_", "-" and ".", at most 128');
export const TaskId = z.string().regex(ANY_TASK_ID);
export const SessionId = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/);
export const AgentId = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/);
export const AttemptId = z
  .string()
  .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[0-9]+$/)
  .max(192);
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hex');
export const CommitId = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, 'a full git commit id');
/** Wall time, milliseconds since the Unix epoch. */
export const WallTime = z.number().int().nonnegative();

export function attemptId(sessionId: string, taskId: string, number: number): string {
  return `${sessionId}.${taskId}.${number}`;
}

export function parseAttemptId(id: string): {sessionId: string; taskId: string; number: number} | undefined {
  const parts = id.split('.');
  const [sessionId, taskId, number] = parts;
  if (parts.length !== 3 || !sessionId || !taskId || !number || !/^[0-9]+$/.test(number)) return undefined;
  return {sessionId, taskId, number: Number(number)};
}

/** What admits an effect of an attempt: it holds while the attempt's live key has this create revision in this store incarnation. */
export const Fence = z.object({store: z.string(), attempt: AttemptId, revision: z.number().int().positive()});
export type Fence = z.infer<typeof Fence>;
