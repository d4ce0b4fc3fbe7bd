/** How the work of a session is shared out, changed while it runs. */
import * as z from 'zod';
import {LoadBalancingStrategyName} from '../context.ts';
import {SessionId, TaskId} from '../ids.ts';
import {SessionRecord} from '../model/session.ts';

export const LoadBalance = z.object({
  sessionId: SessionId,
  /** Only this task; else the session, but for tasks that have a strategy of their own. */
  taskId: TaskId.optional(),
  /** For what is placed from now on. */
  strategy: LoadBalancingStrategyName.optional(),
  /**
   * Attempts that take far longer than expected end at nobody's cost, where a fresh try on a free agent is expected to be done sooner. Tasks
   * that must not run twice stay where they are.
   */
  rebalance: z.boolean().default(false),
});
export type LoadBalance = z.infer<typeof LoadBalance>;

export const LoadBalanced = z.object({
  session: SessionRecord,
  /** Tasks whose attempts make way for another one elsewhere. */
  moved: z.array(TaskId),
});
export type LoadBalanced = z.infer<typeof LoadBalanced>;
