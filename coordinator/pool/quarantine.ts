/**
 * What an agent's own faults lead to: quarantine, then probation with one attempt at a time, then all of its slots again. Pure; who saw the
 * faults, and writes what follows, is elsewhere.
 */
import type {AgentRecord, Quarantine} from '../protocol/model/agent.ts';
import type {FailureKind} from '../protocol/model/task.ts';

export interface QuarantineSettings {
  /** Faults within the window from which an agent is quarantined; 0: never. */
  readonly faults: number;
  /** Milliseconds. */
  readonly windowMs: number;
  /** Length of a first quarantine, in ms; it doubles with each in a row. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** Attempts that have to succeed one after the other on probation. */
  readonly proofs: number;
}

export const QUARANTINE_SETTINGS: QuarantineSettings = {
  faults: 3,
  windowMs: 600_000,
  firstMs: 300_000,
  longestMs: 3_600_000,
  proofs: 2,
};

/** Ends of attempts that say something about their machine, whatever the task was. */
const FAULTS: ReadonlySet<FailureKind> = new Set(['workspace', 'auth', 'missing', 'crashed', 'internal']);

/** How an attempt ended, as far as it tells about its agent. */
export interface Outcome {
  /** Wall time in ms. */
  readonly at: number;
  /** Absent: it succeeded. */
  readonly fault?: string | undefined;
}

/** Undefined when the end says nothing about the agent: the work itself failed, or somebody stopped it. */
export function outcomeOf(
  outcome: string | undefined,
  failure: {readonly kind: FailureKind; readonly message: string} | undefined,
  at: number,
): Outcome | undefined {
  if (outcome === 'succeeded') return {at};
  return outcome === 'failed' && failure && FAULTS.has(failure.kind)
    ? {at, fault: `${failure.kind}: ${failure.message}`.slice(0, 512)}
    : undefined;
}

/** Outcomes that still count, with a new one. */
export function withOutcome(
  recent: readonly Outcome[],
  outcome: Outcome,
  {faults, windowMs}: QuarantineSettings,
): Outcome[] {
  // Twice as many as may be faults: more would change nothing.
  return [...recent.filter(({at}) => at > outcome.at - windowMs), outcome].slice(-Math.max(1, 2 * faults));
}

/**
 * The state after the last of these outcomes. Who fails now and then among successes is no case: of what is recent, two thirds have to be
 * faults.
 */
export function afterOutcome(
  before: Quarantine | undefined,
  recent: readonly Outcome[],
  settings: QuarantineSettings,
): Quarantine | undefined {
  const last = recent.at(-1);
  if (!last || settings.faults === 0) return before;
  if (before?.kind === 'probation') {
    if (last.fault !== undefined) return quarantined(last, before.strikes + 1, last.fault, settings);
    const succeeded = before.succeeded + 1;
    return succeeded >= settings.proofs ? undefined : {...before, succeeded};
  }
  // What it worked on when it was quarantined ends meanwhile.
  if (before) return before;
  const faults = recent.filter(({fault}) => fault !== undefined);
  if (last.fault === undefined || faults.length < settings.faults || 3 * faults.length < 2 * recent.length)
    return undefined;
  const minutes = Math.max(1, Math.round((last.at - (faults[0]?.at ?? last.at)) / 60_000));
  return quarantined(last, 1, `${faults.length} faults in ${minutes} min, last ${last.fault}`, settings);
}

/** The state at a wall time: a quarantine that is over is a probation. */
export function quarantineAt(before: Quarantine | undefined, wallNow: number): Quarantine | undefined {
  if (before?.kind !== 'quarantined' || before.until > wallNow) return before;
  const {reason, strikes, until} = before;
  return {kind: 'probation', since: until, reason, strikes, succeeded: 0};
}

/** For a person, in a few words. */
export function describeQuarantine({quarantine}: Pick<AgentRecord, 'quarantine'>): string | undefined {
  if (!quarantine) return undefined;
  const {kind, reason} = quarantine;
  return kind === 'quarantined'
    ? `quarantined until ${new Date(quarantine.until).toISOString()}: ${reason}`
    : `on probation, one attempt at a time: ${reason}`;
}

function quarantined(
  {at}: Outcome,
  strikes: number,
  reason: string,
  {firstMs, longestMs}: QuarantineSettings,
): Quarantine {
  const lengthMs = Math.min(longestMs, firstMs * 2 ** Math.min(20, strikes - 1));
  return {kind: 'quarantined', since: at, until: at + lengthMs, reason: reason.slice(0, 1024), strikes};
}
