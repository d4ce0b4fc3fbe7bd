/** What Claude Code's messages say about the limits of the account. Pure. */
import type {SDKAPIRetryMessage, SDKRateLimitInfo} from '@anthropic-ai/claude-agent-sdk';

export interface AccountLimit {
  /** Wall time in ms. */
  readonly resetAt?: number | undefined;
  readonly message: string;
}

/** Shorter pauses are the ordinary back-off of one process and say nothing about the account. */
const TELLING_PAUSE_MS = 5000;

export function limitOfEvent(info: SDKRateLimitInfo): AccountLimit | undefined {
  if (info.status !== 'rejected') return undefined;
  const which = info.rateLimitType?.replaceAll('_', ' ') ?? 'usage';
  const resetsAt = info.resetsAt ?? info.overageResetsAt;
  return {
    message: `the ${which} limit of the account is reached`,
    // Seconds since the epoch, as the API's headers say it.
    ...(resetsAt === undefined ? {} : {resetAt: resetsAt * 1000}),
  };
}

export function limitOfRetry(retry: SDKAPIRetryMessage, now: number): AccountLimit | undefined {
  if (retry.error_status !== 429 || retry.retry_delay_ms < TELLING_PAUSE_MS) return undefined;
  return {message: 'the model API limits the rate', resetAt: now + retry.retry_delay_ms};
}
