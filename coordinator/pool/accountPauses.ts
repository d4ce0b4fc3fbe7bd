/** Rate limits of accounts: one report pauses every agent that spends from the account. Who is paused is written by agentStates.ts. */
import type * as z from 'zod';
import {boundedPut} from '../effects/recordSize.ts';
import type {RateLimitReport} from '../protocol/commands/agent.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {AccountRecord} from '../protocol/model/agent.ts';
import {type TenantKeys, tenantKeys} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Principal} from '../security/principal.ts';
import {absent, found, readRecord, storedRecord, unchanged} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import type {AgentDirectory} from './agentDirectory.ts';

export interface AccountPauseSettings {
  /** Pause after a limit that names no end, in ms; doubles with each in a row. */
  readonly firstPauseMs: number;
  readonly longestBackoffMs: number;
  /** A named end that is farther away is not believed, in ms: the longest limits last a week. */
  readonly longestPauseMs: number;
  /** Time without a limit after which the doubling starts anew, in ms. */
  readonly forgiveAfterMs: number;
  readonly maxTries: number;
}

export const ACCOUNT_PAUSE_SETTINGS: AccountPauseSettings = {
  firstPauseMs: 60_000,
  longestBackoffMs: 15 * 60_000,
  longestPauseMs: 8 * 24 * 3_600_000,
  forgiveAfterMs: 3_600_000,
  maxTries: 8,
};

export interface AccountPausesOptions {
  readonly store: Store;
  readonly tenant: string;
  readonly directory: AgentDirectory;
  readonly clock: Clock;
  readonly settings?: Partial<AccountPauseSettings>;
}

export class AccountPauses {
  private readonly keys: TenantKeys;
  private readonly settings: AccountPauseSettings;

  constructor(private readonly options: AccountPausesOptions) {
    this.keys = tenantKeys(options.tenant);
    this.settings = {...ACCOUNT_PAUSE_SETTINGS, ...options.settings};
  }

  /**
   * Pauses the account until its limit is reset, or for a growing while. Reports that arrive during a pause only lengthen it. Errors:
   * `forbidden` (not the agent's account), `overloaded`.
   */
  async rateLimited(
    report: z.infer<typeof RateLimitReport>,
    principal: Principal,
  ): Promise<Record<string, never>> {
    const {store, directory} = this.options;
    const agent = directory.record(report.agentId);
    if (principal.agentId !== report.agentId || agent?.value.instance.metadata.account !== report.account)
      throw new ProtocolError('forbidden', `${principal.id} does not spend from account ${report.account}`);
    const key = this.keys.account(report.account);
    let before = await readRecord(store, AccountRecord, key);
    for (let tries = this.settings.maxTries; tries > 0; tries--) {
      const value = this.paused(report, principal, before?.value);
      if (before && value.pausedUntil === before.value.pausedUntil) return {};
      const result = await store.txn({
        compare: [before ? unchanged(before) : absent(key)],
        then: [boundedPut(key, value)],
        else: [{kind: 'get', key}],
      });
      if (result.succeeded) return {};
      const now = found(result.responses[0]);
      before = now && storedRecord(AccountRecord, now);
    }
    throw new ProtocolError('overloaded', `the record of account ${report.account} is contended`);
  }

  private paused(
    report: z.infer<typeof RateLimitReport>,
    principal: Principal,
    before: AccountRecord | undefined,
  ): AccountRecord {
    const {firstPauseMs, longestBackoffMs, longestPauseMs, forgiveAfterMs} = this.settings;
    const now = this.options.clock.wallNow();
    const lasting = before && before.pausedUntil > now ? before : undefined;
    const forgiven = !before || now - before.pausedUntil > forgiveAfterMs;
    const strikes = lasting ? lasting.strikes : (forgiven ? 0 : before.strikes) + 1;
    const backoffMs = Math.min(longestBackoffMs, firstPauseMs * 2 ** Math.min(30, strikes - 1));
    const named = report.resetAt !== undefined && report.resetAt > now ? report.resetAt : now + backoffMs;
    // Without a named end, a report during a pause is an echo of the limit that caused it.
    const until = lasting && report.resetAt === undefined ? lasting.pausedUntil : named;
    return {
      ...before,
      v: RECORD_VERSION,
      principal: principal.id,
      account: report.account,
      pausedUntil: Math.max(lasting?.pausedUntil ?? 0, Math.min(until, now + longestPauseMs)),
      reason: report.message,
      strikes,
    };
  }
}
