/** What an agent has done since it started, from the counters that it reports. Pure. */
import type {PerformanceMetrics} from '../protocol/instance.ts';

/** Counters are named by the agent: what is missing, negative or no number counts as none. */
export function performanceOf(counters: Readonly<Record<string, number>>): PerformanceMetrics {
  const amount = (name: string): number => Math.max(0, counters[name] ?? 0) || 0;
  const whole = (name: string): number => Math.floor(amount(name));
  const attemptsSucceeded = whole('attempts.succeeded');
  return {
    attemptsSucceeded,
    attemptsFailed: whole('attempts.failed'),
    meanDurationMs: attemptsSucceeded === 0 ? 0 : amount('attempts.succeededMs') / attemptsSucceeded,
    costUsd: amount('usage.costUsd'),
    inputTokens: whole('usage.inputTokens'),
    outputTokens: whole('usage.outputTokens'),
  };
}
