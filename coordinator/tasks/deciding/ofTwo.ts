/**
 * What is to be done about a task that has two attempts: which of them is over, so that the other goes on as the only one. That costs the task
 * nothing, whatever became of it. Pure.
 */
import type {Failure} from '../../protocol/model/task.ts';
import {agentOf} from '../fleet/agentPresence.ts';
import type {AttemptNode, TaskNode} from '../fleet/fleet.ts';
import type {Decision, DecisionContext} from './decide.ts';

/** One of both ends, the other stays. */
export interface Drop {
  readonly kind: 'drop';
  readonly attempt: AttemptNode;
  readonly outcome: 'cancelled' | 'failed' | 'lost';
  readonly failure?: Failure;
}

/** What ends the current attempt, so that its backup goes first. */
const ENDS: ReadonlySet<Decision['kind']> = new Set([
  'accept',
  'verify',
  'retry',
  'requeue',
  'queue',
  'mergeInputs',
  'makeWay',
  'fail',
  'cancel',
  'park',
]);

/** `alone`: what there would be to do without the backup. */
export function ofTwo(task: TaskNode, alone: Decision, context: DecisionContext): Decision {
  const {attempt, backup} = task;
  if (!attempt || !backup) return alone;
  // It has taken the fence.
  if (!backup.record.backup) return outrun(attempt, backup);
  if (attempt.record.report?.outcome === 'succeeded') return outrun(backup, attempt);
  const over = endOf(backup, context) ?? endOf(attempt, context);
  if (over) return over;
  if (!ENDS.has(alone.kind)) return alone;
  return {
    kind: 'drop',
    attempt: backup,
    outcome: 'cancelled',
    failure: {kind: 'cancelled', message: 'the attempt that it ran beside was ended'},
  };
}

function outrun(attempt: AttemptNode, winner: AttemptNode): Drop {
  const message = `attempt ${winner.record.number} on ${winner.record.agentId} was done first`;
  return {kind: 'drop', attempt, outcome: 'cancelled', failure: {kind: 'cancelled', message}};
}

function endOf(attempt: AttemptNode, {lossGraceMs, reportGraceMs}: DecisionContext): Drop | undefined {
  const {record, rejected} = attempt;
  const {report} = record;
  if (report?.outcome === 'failed')
    return {kind: 'drop', attempt, outcome: 'failed', failure: report.failure};
  if (report || rejected === 'refused') return {kind: 'drop', attempt, outcome: 'cancelled'};
  if (rejected) return {kind: 'drop', attempt, outcome: 'failed', failure: rejected};
  const agent = agentOf(attempt);
  const isLost =
    agent === 'replaced' ||
    agent === 'left' ||
    (agent === 'reporting' && attempt.reportingMs >= reportGraceMs) ||
    (agent === 'silent' && attempt.silentMs >= lossGraceMs);
  return isLost ? {kind: 'drop', attempt, outcome: 'lost'} : undefined;
}
