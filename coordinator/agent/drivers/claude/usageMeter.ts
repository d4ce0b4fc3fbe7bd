/** Adds up what an attempt has spent. Claude Code reports running totals of its process; what is published is the attempt's own spend. Pure. */
import type {SDKAssistantMessage, SDKResultMessage} from '@anthropic-ai/claude-agent-sdk';
import {addUsage} from '../../../protocol/usage.ts';
import {type DriverUsage, NO_USAGE} from '../../driver.ts';

type ReportedTokens = SDKAssistantMessage['message']['usage'];

export class UsageMeter {
  /** Spend of totals that were reset meanwhile, as /clear does. */
  private before: DriverUsage = NO_USAGE;
  private total: DriverUsage = NO_USAGE;
  /** Answers since the last total: a turn may take an hour, and nobody wants to see zero until then. */
  private readonly since = new Map<string, DriverUsage>();

  /** Never falls from one reading to the next, except where a total corrects an estimate. */
  get spent(): DriverUsage {
    return [...this.since.values()].reduce(addUsage, addUsage(this.before, this.total));
  }

  /** The blocks of one answer arrive as messages with the same id, each with the answer's usage so far. */
  onAnswer(id: string, tokens: ReportedTokens): void {
    this.since.set(id, {
      ...NO_USAGE,
      inputTokens: tokens.input_tokens ?? 0,
      outputTokens: tokens.output_tokens ?? 0,
      cacheReadTokens: tokens.cache_read_input_tokens ?? 0,
      cacheWriteTokens: tokens.cache_creation_input_tokens ?? 0,
      turns: 1,
    });
  }

  onResult(result: Pick<SDKResultMessage, 'total_cost_usd' | 'modelUsage' | 'num_turns'>): void {
    const models = Object.values(result.modelUsage);
    const sum = (of: (model: (typeof models)[number]) => number): number =>
      models.reduce((all, model) => all + of(model), 0);
    const next: DriverUsage = {
      costUsd: result.total_cost_usd,
      inputTokens: sum(model => model.inputTokens),
      outputTokens: sum(model => model.outputTokens),
      cacheReadTokens: sum(model => model.cacheReadInputTokens),
      cacheWriteTokens: sum(model => model.cacheCreationInputTokens),
      // Of this turn alone, unlike the others.
      turns: this.total.turns + result.num_turns,
    };
    if (next.costUsd < this.total.costUsd || next.outputTokens < this.total.outputTokens) {
      this.before = addUsage(this.before, this.total);
      this.total = {...next, turns: result.num_turns};
    } else this.total = next;
    this.since.clear();
  }
}
