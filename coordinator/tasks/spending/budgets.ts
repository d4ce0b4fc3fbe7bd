/** What may still be spent: by a task, by its session, by the whole fleet on one UTC day. Counts in dollars. */
import type {SpendRecord} from '../../protocol/model/facts.ts';
import type {TenantKeys} from '../../protocol/model/keys.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import {putRecord} from '../../store/records.ts';
import type {Compare, Op} from '../../store/store.ts';
import type {Fleet, SessionNode} from '../fleet/fleet.ts';

interface DaySpend {
  readonly day: string;
  usd: number;
  mod: number;
}

/** Dollars that are too few to begin anything with. */
export function leastOf(budgetUsd: number | undefined): number {
  return Math.min(0.001, (budgetUsd ?? 1) / 1000);
}

/** A part of a transaction; `committed` takes its revision. */
export interface DayAddition {
  readonly compare: readonly Compare[];
  readonly ops: readonly Op[];
  committed(revision: number): void;
}

export class Budgets {
  private readonly days = new Map<string, DaySpend>();

  constructor(
    private readonly fleet: Fleet,
    private readonly wallNow: () => number,
    private readonly usdPerDay: number,
    private readonly principal: string,
  ) {}

  /** Takes what the store has of a day. */
  load(tenant: string, record: SpendRecord, mod: number): void {
    if (record.day === this.today()) this.days.set(tenant, {day: record.day, usd: record.spentUsd, mod});
  }

  today(): string {
    return new Date(this.wallNow()).toISOString().slice(0, 10);
  }

  /** Undefined when nothing limits the session. */
  sessionLeftUsd({record, spentUsd}: SessionNode): number | undefined {
    return record.budgetUsd === undefined ? undefined : record.budgetUsd - spentUsd;
  }

  /** Undefined when nothing limits the day. */
  dayLeftUsd(tenant: string): number | undefined {
    return Number.isFinite(this.usdPerDay) ? this.usdPerDay - this.spentToday(tenant) : undefined;
  }

  isSessionSpent(session: SessionNode): boolean {
    const left = this.sessionLeftUsd(session);
    return left !== undefined && left <= leastOf(session.record.budgetUsd);
  }

  isDaySpent(tenant: string): boolean {
    const left = this.dayLeftUsd(tenant);
    return left !== undefined && left <= leastOf(undefined);
  }

  /** Nothing that costs money may run in the session now. */
  isStopped(session: SessionNode): boolean {
    return this.isSessionSpent(session) || this.isDaySpent(session.tenant);
  }

  /** Stored, and not yet stored. */
  spentToday(tenant: string): number {
    const known = this.days.get(tenant);
    let usd = known?.day === this.today() ? known.usd : 0;
    for (const session of this.fleet.sessions.values())
      if (session.tenant === tenant) usd += session.spentUsd - session.record.spentUsd;
    return usd;
  }

  /**
   * What a transaction that stores the session's spend adds to the day's, so that each dollar counts once. `committed` takes the revision; one
   * such transaction at a time.
   */
  addition(session: SessionNode, spentUsd: number): DayAddition {
    return this.addToDay(session.tenant, session.keys, spentUsd - session.record.spentUsd);
  }

  /** As `addition`, for dollars that belong to no session in the fleet. */
  addToDay(tenant: string, keys: TenantKeys, added: number): DayAddition {
    if (added <= 0) return {compare: [], ops: [], committed: () => undefined};
    const day = this.today();
    const known = this.days.get(tenant);
    const before = known?.day === day ? known : {day, usd: 0, mod: 0};
    const usd = before.usd + added;
    const record: SpendRecord = {v: RECORD_VERSION, principal: this.principal, day, spentUsd: usd};
    const key = keys.spend(day);
    return {
      compare: [{key, target: 'mod', op: '=', operand: before.mod}],
      ops: [putRecord(key, record)],
      committed: mod => void this.days.set(tenant, {day, usd, mod}),
    };
  }
}
