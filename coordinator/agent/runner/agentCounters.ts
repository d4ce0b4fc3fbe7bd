/** Running totals of one agent for its metrics report and its registration. */
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import type {Usage} from '../../protocol/usage.ts';
import {addUsage, NO_USAGE} from '../../protocol/usage.ts';

export class AgentCounters {
  private readonly outcomes = {succeeded: 0, failed: 0, cancelled: 0};
  private succeededMs = 0;
  private usage: Usage = NO_USAGE;
  stale = 0;
  gates = 0;

  attemptEnded(report: AttemptReport, activeMs: number, usage: Usage): void {
    this.outcomes[report.outcome]++;
    if (report.outcome === 'succeeded') this.succeededMs += activeMs;
    if (usage !== NO_USAGE) this.usage = addUsage(this.usage, usage);
  }

  performance(): {
    attemptsSucceeded: number;
    attemptsFailed: number;
    meanDurationMs: number;
    costUsd: number;
    inputTokens: number;
    outputTokens: number;
  } {
    const {succeeded, failed} = this.outcomes;
    const {costUsd, inputTokens, outputTokens} = this.usage;
    const meanDurationMs = succeeded === 0 ? 0 : this.succeededMs / succeeded;
    return {
      attemptsSucceeded: succeeded,
      attemptsFailed: failed,
      meanDurationMs,
      costUsd,
      inputTokens,
      outputTokens,
    };
  }

  /** By metric name. */
  all(): Record<string, number> {
    return {
      'attempts.succeeded': this.outcomes.succeeded,
      'attempts.failed': this.outcomes.failed,
      'attempts.cancelled': this.outcomes.cancelled,
      'attempts.stale': this.stale,
      'attempts.succeededMs': this.succeededMs,
      'gates.run': this.gates,
      'usage.costUsd': this.usage.costUsd,
      'usage.inputTokens': this.usage.inputTokens,
      'usage.outputTokens': this.usage.outputTokens,
      'usage.cacheReadTokens': this.usage.cacheReadTokens,
      'usage.cacheWriteTokens': this.usage.cacheWriteTokens,
    };
  }
}
