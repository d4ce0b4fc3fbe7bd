/** Deletes sessions that ended long ago, in steps that may be cut off anywhere: what belongs to a session goes first, its own record last. */

import {tenantKeys} from '../../protocol/model/keys.ts';
import {FINAL_SESSION_STATES, SessionRecord} from '../../protocol/model/session.ts';
import {storedRecord, unchanged} from '../../store/records.ts';
import type {Compare, Op} from '../../store/store.ts';
import type {Term} from '../term/term.ts';
import type {Releases} from './releases.ts';

const STEP = 100;
const KEPT_CALIBRATIONS = 20;

/** Ended sessions that are to go: beyond `keep` of them, newest kept first, or ended before `endedBefore`. Pure. */
export function expiredSessions(
  sessions: readonly SessionRecord[],
  keep: number,
  endedBefore: number,
): SessionRecord[] {
  const ended = sessions
    .filter(session => FINAL_SESSION_STATES.has(session.state))
    .sort((a, b) => endOf(b) - endOf(a));
  const expired = (of: SessionRecord[], most: number): SessionRecord[] =>
    of.filter((session, index) => index >= most || endOf(session) < endedBefore);
  return [
    ...expired(
      ended.filter(({calibrates}) => calibrates === undefined),
      keep,
    ),
    // A fleet that joins must not push out what people want to see.
    ...expired(
      ended.filter(({calibrates}) => calibrates !== undefined),
      Math.min(keep, KEPT_CALIBRATIONS),
    ),
  ];
}

function endOf(session: SessionRecord): number {
  return session.endedAt ?? session.createdAt;
}

export class Retention {
  private readonly running = new Set<string>();

  constructor(
    private readonly term: Pick<Term, 'store' | 'committer' | 'fleet' | 'settings' | 'clock' | 'logger'>,
    private readonly releases: Pick<Releases, 'order'>,
  ) {}

  /** One look through a tenant's sessions. Resolves at once when the previous one is not through. */
  async sweep(tenant: string): Promise<void> {
    if (this.running.has(tenant)) return;
    this.running.add(tenant);
    try {
      const {settings, clock} = this.term;
      const ended = await this.ended(tenant);
      const records = [...ended.keys()];
      const before = clock.wallNow() - settings.keepSessionsMs;
      for (const session of expiredSessions(records, settings.keepSessions, before)) {
        const stored = ended.get(session);
        if (stored) await this.remove(tenant, session, stored);
      }
    } finally {
      this.running.delete(tenant);
    }
  }

  /** Sessions with the comparison that holds while nobody changes them. A record that nobody can read is left alone. */
  private async ended(tenant: string): Promise<Map<SessionRecord, Compare>> {
    const {store, logger} = this.term;
    const {kvs} = await store.range(tenantKeys(tenant).sessions);
    const sessions = new Map<SessionRecord, Compare>();
    for (const kv of kvs) {
      try {
        const {value} = storedRecord(SessionRecord, kv);
        if (FINAL_SESSION_STATES.has(value.state)) sessions.set(value, unchanged(kv));
      } catch (error) {
        logger.warn('the record of a session cannot be read', {key: kv.key, error});
      }
    }
    return sessions;
  }

  /** Stops where somebody takes the session up again, or counts what it spent: then it is looked at anew by the next sweep. */
  private async remove(tenant: string, session: SessionRecord, same: Compare): Promise<void> {
    const {id} = session;
    const keys = tenantKeys(tenant);
    const {committer, fleet} = this.term;
    const prefixes = [
      keys.tasks(id),
      keys.attempts(id),
      keys.refs(id),
      keys.sessionTranscripts(id),
      keys.approvals(id),
      keys.refusals(id),
      keys.checkpoints(id),
      keys.memory(id),
      keys.memoryDeletions(id),
      keys.memoryLives(id),
      keys.memoryConflicts(id),
      keys.memoryMarks(id),
    ];
    if (fleet.session(tenant, id)) return;
    await this.releases.order(tenant, session);
    for (const prefix of prefixes) if (fleet.session(tenant, id) || !(await this.clear(prefix, same))) return;
    await committer.run([same], [{kind: 'delete', key: keys.session(id)}]);
  }

  private async clear(prefix: string, same: Compare): Promise<boolean> {
    for (;;) {
      const {kvs, more} = await this.term.store.range(prefix, {limit: STEP});
      const ops = kvs.map(({key}): Op => ({kind: 'delete', key}));
      if (ops.length > 0 && (await this.term.committer.run([same], ops)) === undefined) return false;
      if (!more) return true;
    }
  }
}
