/** What the agent tells the hub by itself besides its attempts: metrics at a period, and limits of its account. */
import type {Logger} from '../observability/logger.ts';
import type {Usage} from '../protocol/usage.ts';
import type {Clock} from '../runtime/clock.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {AgentLink} from './link/agentLink.ts';
import type {Spool} from './link/spool.ts';
import type {AgentCounters} from './runner/agentCounters.ts';

export interface AgentReportsOptions {
  readonly agentId: string;
  readonly incarnation: string;
  readonly account: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly link: AgentLink;
  readonly spool: Spool;
  readonly counters: AgentCounters;
}

/** Several attempts meet the same limit at once; one report does for all of them. */
const LIMIT_PAUSE_MS = 10_000;
/** The next limit is reported again in any case. */
const MAX_FAULTS = 5;

export class AgentReports {
  private reporting = false;
  private lastLimit: {readonly at: number; readonly resetAt: number | undefined} | undefined;

  constructor(private readonly options: AgentReportsOptions) {}

  /** A report that is missed is made up for by the next: counters only grow. */
  metrics(attempts: {attemptId: string; usage: Usage}[]): void {
    const {agentId, incarnation, link, spool, logger} = this.options;
    if (this.reporting || !link.isUp) return;
    this.reporting = true;
    const counters = {
      ...this.options.counters.all(),
      'link.registrations': link.registrations,
      'spool.bytes': spool.budget.usedBytes,
      'spool.droppedEvents': spool.budget.refused,
      'completions.waiting': spool.completions.all().length,
    };
    link
      .request('mcpx.metrics.report', {agentId, incarnation, counters, attempts})
      .catch((error: unknown) => logger.debug('a metrics report was lost', {error}))
      .finally(() => {
        this.reporting = false;
      });
  }

  rateLimited({resetAt, message}: {readonly resetAt?: number | undefined; readonly message: string}): void {
    const {agentId, account, clock, link, logger} = this.options;
    const now = clock.now();
    const last = this.lastLimit;
    if (last && last.resetAt === resetAt && now - last.at < LIMIT_PAUSE_MS) return;
    this.lastLimit = {at: now, resetAt};
    logger.warn('the account has hit its limit', {account, resetAt, message});
    const at = resetAt === undefined ? undefined : Math.max(0, Math.round(resetAt));
    link
      .deliver(
        'mcpx.agent.rateLimited',
        {agentId, account, resetAt: at, message: message.slice(0, 1024)},
        {maxFaults: MAX_FAULTS},
      )
      .catch((error: unknown) => {
        if (!isCoordinatorError(error, 'closed')) logger.warn('a rate limit was not reported', {error});
      });
  }
}
