/** What is known of an agent's work by class of task: counts, means and quantiles, bounded. Pure; who keeps it is historyKeeper.ts. */
import {
  type AgentHistoryRecord,
  type ClassHistory,
  MAX_CLASSES,
  MAX_DURATIONS,
} from '../protocol/model/agentHistory.ts';
import type {AttemptRecord} from '../protocol/model/attempt.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {outcomeOf, type QuarantineSettings, withOutcome} from './quarantine.ts';

export const UNKNOWN_CLASS = 'unknown';

export function emptyHistory(agentId: string, principal: string): AgentHistoryRecord {
  return {v: RECORD_VERSION, principal, agentId, classes: [], recent: []};
}

/** With an attempt that has ended. What people stopped, or came too late, counts for nothing. */
export function withAttempt(
  history: AgentHistoryRecord,
  attempt: AttemptRecord,
  settings: QuarantineSettings,
): AgentHistoryRecord {
  const {outcome} = attempt;
  if (outcome !== 'succeeded' && outcome !== 'failed' && outcome !== 'lost') return history;
  const at = attempt.endedAt ?? attempt.assignedAt;
  const name = attempt.taskClass ?? UNKNOWN_CLASS;
  const before = history.classes.find(known => known.name === name) ?? emptyClass(name);
  const others = history.classes.filter(known => known.name !== name);
  const classes = [...others, counted(before, attempt, outcome, at)].slice(-MAX_CLASSES);
  const tells = outcomeOf(outcome, attempt.failure, at);
  const recent = tells ? withOutcome(history.recent, tells, settings) : history.recent;
  return {...history, classes, recent};
}

function emptyClass(name: string): ClassHistory {
  return {name, succeeded: 0, failed: 0, lost: 0, meanMs: 0, durationsMs: [], lastAt: 0};
}

function counted(
  before: ClassHistory,
  attempt: AttemptRecord,
  outcome: 'succeeded' | 'failed' | 'lost',
  at: number,
): ClassHistory {
  const now = {...before, [outcome]: before[outcome] + 1, lastAt: at};
  if (outcome !== 'succeeded') return now;
  const tookMs = attempt.activeMs ?? Math.max(0, at - (attempt.startedAt ?? attempt.assignedAt));
  return {
    ...now,
    meanMs: before.meanMs + (tookMs - before.meanMs) / now.succeeded,
    durationsMs: [...before.durationsMs, tookMs].slice(-MAX_DURATIONS),
  };
}

/** In one number: what part of its attempts succeeded, pulled towards one half as long as there are few. */
export function successRate({
  succeeded,
  failed,
  lost,
}: Pick<ClassHistory, 'succeeded' | 'failed' | 'lost'>): number {
  return (succeeded + 1) / (succeeded + failed + lost + 2);
}

/** Of the durations that are kept; undefined without any. `part` is in [0, 1]. */
export function durationQuantile({durationsMs}: ClassHistory, part: number): number | undefined {
  const sorted = [...durationsMs].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}

/** Over all classes. */
export function totalOf({classes}: Pick<AgentHistoryRecord, 'classes'>) {
  const total = {succeeded: 0, failed: 0, lost: 0, meanMs: 0};
  for (const {succeeded, failed, lost, meanMs} of classes) {
    total.failed += failed;
    total.lost += lost;
    total.meanMs =
      (total.meanMs * total.succeeded + meanMs * succeeded) / Math.max(1, total.succeeded + succeeded);
    total.succeeded += succeeded;
  }
  return total;
}
