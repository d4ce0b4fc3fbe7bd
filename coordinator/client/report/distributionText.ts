/** A forecast of where tasks would go, in lines for a person. Pure. */
import type {DistributionPlan, PlannedTask} from '../../protocol/commands/distribution.ts';
import {duration, explainDecision} from './explainDecision.ts';

export function distributionText({assignments, unplaced, finishMs, more}: DistributionPlan): string[] {
  const lines = assignments.flatMap(task => [
    `${task.taskId} -> ${task.agentId}, from ${duration(task.startMs)} to ${duration(task.finishMs)}`,
    ...sentences(task).map(line => `  ${line}`),
  ]);
  for (const {taskId, reason} of unplaced) lines.push(`${taskId} would wait: ${reason}`);
  if (more > 0) lines.push(`and ${more} more tasks, which are beyond one answer`);
  if (assignments.length > 0) lines.push(`The last of them would be done in about ${duration(finishMs)}.`);
  return lines;
}

function sentences(task: PlannedTask): string[] {
  return [...explainDecision(task.agentId, task), ...task.reasons];
}
