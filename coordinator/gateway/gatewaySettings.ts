/** Limits of the gateway, and what servers that do not say get. */
import type {BackoffSettings} from '../bridge/backoff.ts';

export interface GatewaySettings {
  readonly maxProcesses: number;
  /** Begun and not yet answering, processes and connections alike. */
  readonly maxStarting: number;
  readonly startTimeoutMs: number;
  readonly callTimeoutMs: number;
  readonly idleMs: number;
  readonly healthCheckMs: number;
  /** A server that has not told what it offers by then is left out of a list, which is announced to have changed when it has. */
  readonly listWaitMs: number;
  /** From the end of a process's input to SIGTERM, and from there to SIGKILL. */
  readonly graceMs: number;
  readonly backoff: BackoffSettings;
  /** Calls that wait for their clients' answers. */
  readonly maxPending: number;
  readonly maxPendingPerClient: number;
  readonly pendingExpiryMs: number;
  /** Results kept by the hints of their servers. */
  readonly maxCached: number;
}

export const DEFAULT_GATEWAY: GatewaySettings = {
  maxProcesses: 256,
  maxStarting: 4,
  startTimeoutMs: 60_000,
  callTimeoutMs: 300_000,
  idleMs: 1_800_000,
  healthCheckMs: 30_000,
  listWaitMs: 10_000,
  graceMs: 2000,
  backoff: {minBackoffMs: 1000, maxBackoffMs: 60_000},
  maxPending: 1000,
  maxPendingPerClient: 32,
  pendingExpiryMs: 600_000,
  maxCached: 2000,
};
