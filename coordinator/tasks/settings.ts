/** Settings of the lead: each with its default, its unit and what it is for. */
import type {OrchestrationMode} from '../protocol/model/mode.ts';

export interface LeadSettings {
  readonly leadTtlSeconds: number;
  readonly tickMs: number;
  readonly lossGraceMs: number;
  readonly reportGraceMs: number;
  readonly fleetBudgetUsdPerDay: number;
  readonly allotmentFloorUsd: number;
  readonly rateLimitWaitMs: number;
  readonly refusedPauseMs: number;
  readonly resendMs: number;
  readonly gateSlackMs: number;
  readonly sessionFlushMs: number;
  readonly hubTimeFlushMs: number;
  readonly learnedFlushMs: number;
  readonly waitingShownAfterMs: number;
  readonly waitingShown: number;
  readonly maxTxnsInFlight: number;
  readonly keepSessions: number;
  readonly keepSessionsMs: number;
  readonly retentionMs: number;
  readonly leadWaitMs: number;
  readonly autoWaitMs: number;
  readonly maxSessions: number;
  readonly maxSessionsPerTenant: number;
  readonly maxTasks: number;
  readonly maxTasksPerTenant: number;
  readonly maxRunning: number;
  readonly calibrationUsd: number;
  readonly strategyTimeoutMs: number;
  readonly cacheResults: number;
  readonly cacheBytes: number;
  readonly cacheUnusedMs: number;
}

/** What of the lead's settings is no number. */
export interface LeadPolicy {
  /** Which agents do the work, unless a person chose. */
  readonly mode: OrchestrationMode;
  /** Weights of tenants in what they share; 1 where none is named. */
  readonly shares: ReadonlyMap<string, number>;
}

export const DEFAULT_POLICY: LeadPolicy = {mode: 'hybrid', shares: new Map()};

interface Setting {
  readonly default: number;
  readonly description: string;
}

export const LEAD_SETTINGS: Readonly<Record<keyof LeadSettings, Setting>> = {
  leadTtlSeconds: {default: 5, description: 'Seconds of silence after which another coordinator may lead.'},
  tickMs: {default: 250, description: 'How often timeouts, backoffs and graces are looked at.'},
  lossGraceMs: {
    default: 20_000,
    description:
      'Hub time that an attempt of a silent agent stays current while another agent could take it over.',
  },
  reportGraceMs: {
    default: 30_000,
    description:
      'Hub time for which a restarted agent may still send the completion of what it had finished before.',
  },
  fleetBudgetUsdPerDay: {
    default: Number.POSITIVE_INFINITY,
    description: 'Dollars that all sessions together may spend in one UTC day.',
  },
  allotmentFloorUsd: {
    default: 0.1,
    description:
      'Dollars that a prompt gets at least of what is left, however many share it; when less is left, it gets the rest and others wait.',
  },
  rateLimitWaitMs: {
    default: 60_000,
    description: 'Wait of a task that hit a rate limit on an agent without a named account.',
  },
  refusedPauseMs: {
    default: 1000,
    description: 'An agent that refused an assignment gets no other for this long.',
  },
  resendMs: {
    default: 1000,
    description: 'Wait before an assignment or a gate is sent again to a silent agent.',
  },
  gateSlackMs: {
    default: 15_000,
    description: "Allowed to a gate's answer beyond the gate's own timeout; then it is asked for again.",
  },
  sessionFlushMs: {
    default: 500,
    description: "Least time between two updates of a session's counts and spend.",
  },
  hubTimeFlushMs: {default: 5000, description: 'How often hub time is stored while sessions run.'},
  learnedFlushMs: {
    default: 60_000,
    description: 'How often what was learned of agents is stored, when there is something new.',
  },
  waitingShownAfterMs: {
    default: 2000,
    description: 'A ready task that waits longer than this says in its record what it waits for.',
  },
  waitingShown: {
    default: 32,
    description: 'Of many tasks that wait for the same thing, about this many say so in their records.',
  },
  maxTxnsInFlight: {default: 4, description: 'Transactions of the lead that may be under way at once.'},
  keepSessions: {default: 200, description: 'Ended sessions beyond this many, oldest first, are deleted.'},
  keepSessionsMs: {default: 14 * 86_400_000, description: 'Ended sessions older than this are deleted.'},
  retentionMs: {default: 60_000, description: 'How often ended sessions are looked through.'},
  leadWaitMs: {
    default: 15_000,
    description: 'How long a command waits for this coordinator to become the lead.',
  },
  autoWaitMs: {
    default: 30_000,
    description:
      'In mode auto: how long a task may wait for an internal agent while an external one is free.',
  },
  maxSessions: {default: 2000, description: 'Sessions that may be open at once.'},
  maxSessionsPerTenant: {default: 1000, description: 'Of one tenant.'},
  maxTasks: {default: 1_000_000, description: 'Unfinished tasks of open sessions at once.'},
  maxTasksPerTenant: {default: 500_000, description: 'Of one tenant.'},
  maxRunning: {
    default: 0,
    description: 'Attempts at once, shared out fairly between tenants; 0: as many as there are slots.',
  },
  calibrationUsd: {
    default: 0,
    description:
      'Dollars that a first, short task of a newly joined agent may spend, by which its speed is known; 0: none.',
  },
  strategyTimeoutMs: {
    default: 1000,
    description:
      'How long a strategy that has to be waited for may think about a task; then it does not decide.',
  },
  cacheResults: {
    default: 2000,
    description:
      'Results of tasks with "cache: true" that a tenant keeps; those not used for longest go first. 0: none.',
  },
  cacheBytes: {default: 10 * 1024 ** 3, description: 'Bytes of their artifacts, of one tenant.'},
  cacheUnusedMs: {
    default: 30 * 86_400_000,
    description: 'Such a result that was not used for this long goes.',
  },
};

export function leadSettings(overrides: Partial<LeadSettings> = {}): LeadSettings {
  const defaults = Object.fromEntries(
    Object.entries(LEAD_SETTINGS).map(([name, setting]) => [name, setting.default]),
  ) as unknown as LeadSettings;
  return {...defaults, ...overrides};
}
