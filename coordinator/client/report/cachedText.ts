/** Where the result of a task is from that was not done again, in words. Pure. */
import type {Reused} from '../../protocol/model/task.ts';
import {duration} from './explainDecision.ts';

/** After the name of the task: "from the cache: ...". */
export function cachedText({attemptId, agentId, madeAt, activeMs, costUsd}: Reused): string {
  const saved = [
    ...(activeMs === undefined ? [] : [duration(activeMs)]),
    ...(costUsd > 0 ? [`$${costUsd.toFixed(costUsd < 0.01 ? 4 : 2)}`] : []),
  ];
  const cost = saved.length > 0 ? `; it took ${saved.join(' and ')} then` : '';
  return `from the cache: what attempt ${attemptId} left on ${agentId} at ${new Date(madeAt).toISOString()}${cost}`;
}
