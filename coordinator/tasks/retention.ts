/** Deletes sessions that ended long ago, in steps that may be cut off anywhere: what belongs to a session goes first, its own record last. */

import {tenantKeys} from '../protocol/model/keys.ts';
import {FINAL_SESSION_STATES, SessionRecord} from '../protocol/model/session.ts';
import {readRecords} from '../store/records.ts';
import type {Op} from '../store/store.ts';
import type {Term} from './term.ts';

const STEP = 100;

/** Ended sessions that are to go: beyond `keep` of them, newest kept first, or ended before `endedBefore`. Pure. */
export function expiredSessions(
  sessions: readonly SessionRecord[],
  keep: number,
  endedBefore: number,
): SessionRecord[] {
  return sessions
    .filter(session => FINAL_SESSION_STATES.has(session.state))
    .sort((a, b) => endOf(b) - endOf(a))
    .filter((session, index) => index >= keep || endOf(session) < endedBefore);
}

function endOf(session: SessionRecord): number {
  return session.endedAt ?? session.createdAt;
}

export class Retention {
  private running = false;

  constructor(private readonly term: Term) {}

  /** One look through a tenant's sessions. Resolves at once when the previous one is not through. */
  async sweep(tenant: string): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      const {store, settings, clock} = this.term;
      const keys = tenantKeys(tenant);
      const {records} = await readRecords(store, SessionRecord, keys.sessions);
      const ended = records.map(record => record.value);
      const before = clock.wallNow() - settings.keepSessionsMs;
      for (const session of expiredSessions(ended, settings.keepSessions, before))
        await this.remove(tenant, session);
    } finally {
      this.running = false;
    }
  }

  private async remove(tenant: string, {id}: SessionRecord): Promise<void> {
    const keys = tenantKeys(tenant);
    const {committer, fleet} = this.term;
    const prefixes = [
      keys.tasks(id),
      keys.attempts(id),
      keys.refs(id),
      keys.sessionTranscripts(id),
      keys.approvals(id),
      keys.refusals(id),
      keys.memory(id),
    ];
    // A person may take it up again while it is being looked at.
    if (fleet.session(tenant, id)) return;
    for (const prefix of prefixes) await this.clear(prefix);
    await committer.run([], [{kind: 'delete', key: keys.session(id)}]);
  }

  private async clear(prefix: string): Promise<void> {
    for (;;) {
      const {kvs, more} = await this.term.store.range(prefix, {limit: STEP});
      if (kvs.length > 0)
        await this.term.committer.run(
          [],
          kvs.map(({key}): Op => ({kind: 'delete', key})),
        );
      if (!more) return;
    }
  }
}
