/**
 * Leases against real time: none ends early, none comes back. The linearizability check says whether the answers fit together; this one, whether
 * they fit the clock.
 *
 * A renewal took effect at some moment after its call, so a lease lives until call + TTL at least, of whichever renewal promises most. Whoever
 * sees it gone, sees it when its answer arrives or before.
 */
import type {HistoryEvent, TimedOperation} from './history.ts';

export interface LeaseCheckOptions {
  /** How much faster than the recorder's clock a node's clock may run, as a part of the TTL. */
  readonly clockDrift?: number;
}

interface LeaseFacts {
  readonly id: string;
  readonly ttlMs: number;
  /** Calls that renewed it, the grant first. */
  readonly renewals: TimedOperation[];
  /** Answers that show that it is gone. */
  readonly gone: {readonly at: number; readonly line: number; readonly what: string}[];
  /** First call to revoke it. */
  revoke: TimedOperation | undefined;
}

/** Undefined when all is well, else what is wrong. */
export function checkLeases(
  operations: readonly TimedOperation[],
  history: readonly HistoryEvent[],
  {clockDrift = 0}: LeaseCheckOptions = {},
): string | undefined {
  for (const facts of gather(operations, history).values()) {
    const wrong = checkLease(facts, clockDrift);
    if (wrong !== undefined) return `lease ${facts.id}: ${wrong}`;
  }
  return undefined;
}

function checkLease({ttlMs, renewals, gone, revoke}: LeaseFacts, drift: number): string | undefined {
  for (const end of gone) {
    for (const renewal of renewals) {
      const renewed = `${renewal.process} #${renewal.id} renewed it`;
      if (renewal.call > end.line)
        return `${renewed} at ${ms(renewal.callAt)}, after ${end.what} at ${ms(end.at)} had shown its end`;
      const livesUntil = renewal.callAt + ttlMs * (1 - drift);
      const revoked = revoke !== undefined && revoke.call < end.line;
      if (!revoked && end.at < livesUntil)
        return `${renewed} at ${ms(renewal.callAt)} for ${ms(ttlMs)}, but ${end.what} shows its end at ${ms(end.at)} already`;
    }
  }
  return undefined;
}

function gather(
  operations: readonly TimedOperation[],
  history: readonly HistoryEvent[],
): Map<string, LeaseFacts> {
  const leases = new Map<string, LeaseFacts>();
  for (const operation of operations) {
    const {input, output} = operation;
    if (input.kind === 'grantLease' && output?.kind === 'granted')
      leases.set(output.lease, {
        id: output.lease,
        ttlMs: input.ttlSeconds * 1000,
        renewals: [operation],
        gone: [],
        revoke: undefined,
      });
  }
  for (const operation of operations) {
    const {input, output, endAt, end, process, id} = operation;
    if (input.kind === 'keepAlive' && output?.kind === 'alive') {
      const facts = leases.get(input.lease);
      if (output.alive) facts?.renewals.push(operation);
      else facts?.gone.push({at: endAt, line: end, what: `the answer to ${process} #${id}`});
    } else if (input.kind === 'revokeLease') {
      const facts = leases.get(input.lease);
      if (facts && (!facts.revoke || facts.revoke.call > operation.call)) facts.revoke = operation;
      if (output) facts?.gone.push({at: endAt, line: end, what: `the answer to ${process} #${id}`});
    }
  }
  addKeysLost(leases, operations, history);
  return leases;
}

/** A deletion that no operation could have made is the end of the key's lease. */
function addKeysLost(
  leases: ReadonlyMap<string, LeaseFacts>,
  operations: readonly TimedOperation[],
  history: readonly HistoryEvent[],
): void {
  const deletable = new Set<string>();
  const prefixes = new Set<string>();
  for (const {input} of operations)
    if (input.kind === 'txn')
      for (const op of [...input.txn.then, ...(input.txn.else ?? [])]) {
        if (op.kind === 'delete') deletable.add(op.key);
        else if (op.kind === 'deletePrefix') prefixes.add(op.prefix);
      }
  for (const [line, event] of history.entries()) {
    if (event.type !== 'events') continue;
    for (const {kind, key, previous} of event.events) {
      const facts = previous?.lease === undefined ? undefined : leases.get(previous.lease);
      if (kind !== 'delete' || !facts || deletable.has(key)) continue;
      if ([...prefixes].some(prefix => key.startsWith(prefix))) continue;
      facts.gone.push({at: event.at, line, what: `the deletion of ${key} at revision ${event.revision}`});
    }
  }
}

function ms(time: number): string {
  return `${Math.round(time)} ms`;
}
