/** The lines of a plan that carry actions: run, rehearse and graph at its top; each task's state where it ran. Pure. */
import type {SessionState} from '../../coordinator/protocol/model/session.ts';
import type {TaskState} from '../../coordinator/protocol/model/task.ts';
import type {PlanOutline} from './outline.ts';

export type PlanLens =
  | {readonly kind: 'run' | 'rehearse' | 'graph'; readonly offset: number}
  | {
      readonly kind: 'session';
      readonly offset: number;
      readonly sessionId: string;
      readonly state: SessionState;
    }
  | {
      readonly kind: 'task';
      readonly offset: number;
      readonly sessionId: string;
      readonly taskId: string;
      readonly state: TaskState;
      readonly attempts: number;
    };

/** What is known of the newest session of the plan. */
export interface LensSession {
  readonly sessionId: string;
  readonly state: SessionState;
  taskState(taskId: string): {readonly state: TaskState; readonly attempts: number} | undefined;
}

export function planLenses(outline: PlanOutline, session: LensSession | undefined): PlanLens[] {
  const top: PlanLens[] = (['run', 'rehearse', 'graph'] as const).map(kind => ({kind, offset: 0}));
  if (!session) return top;
  const {sessionId, state} = session;
  const tasks = outline.tasks.flatMap(({id, span}): PlanLens[] => {
    const known = id && session.taskState(id.id);
    return known ? [{kind: 'task', offset: span.from, sessionId, taskId: id.id, ...known}] : [];
  });
  return [...top, {kind: 'session', offset: 0, sessionId, state}, ...tasks];
}
