/** What the coordinator's settings say to its lead. */
import {type Settings, sharesOf} from '../config.ts';
import type {LeadOptions} from '../tasks/lead.ts';

export function leadSettingsOf(settings: Settings): Required<Pick<LeadOptions, 'settings' | 'policy'>> {
  const {dailyBudgetUsd} = settings;
  return {
    settings: {
      autoWaitMs: settings.autoWaitMs,
      maxSessions: settings.maxSessions,
      maxSessionsPerTenant: settings.maxSessionsPerTenant,
      maxTasks: settings.maxTasks,
      maxTasksPerTenant: settings.maxTasksPerTenant,
      maxRunning: settings.maxRunning,
      calibrationUsd: settings.calibrationUsd,
      strategyTimeoutMs: settings.strategyTimeoutMs,
      cacheResults: settings.cacheResults,
      cacheBytes: settings.cacheBytes,
      cacheUnusedMs: settings.cacheUnusedMs,
      lossGraceMs: settings.lossGraceMs,
      keepSessions: settings.keepSessions,
      keepSessionsMs: settings.keepSessionsMs,
      retentionMs: settings.retentionMs,
      ...(dailyBudgetUsd === undefined ? {} : {fleetBudgetUsdPerDay: dailyBudgetUsd}),
    },
    policy: {mode: settings.mode, shares: sharesOf(settings)},
  };
}
