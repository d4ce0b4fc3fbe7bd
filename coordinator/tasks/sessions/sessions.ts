/**
 * The only writer of session records, one at a time: counts and spend as they change, states as they are decided. Each dollar of a session is
 * added to the day's spend in the transaction that adds it to the session's.
 */
import {ProtocolError} from '../../protocol/errors.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../protocol/model/session.ts';
import {delay} from '../../runtime/clock.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {putRecord} from '../../store/records.ts';
import type {Compare, Op} from '../../store/store.ts';
import type {Fleet, SessionNode} from '../fleet/fleet.ts';
import {leadLost} from '../steps/committer.ts';
import type {AuditEntry, Term} from '../term/term.ts';

/** What differs from the present record; read when its turn comes. Undefined: nothing is to be written after all. */
export type SessionPatch = () => Partial<SessionRecord> | undefined;

/** What is stored with a session's record, in one transaction. */
export interface Beside {
  /** Resolves when nothing else is on its way to what it writes. */
  ready(): Promise<void>;
  /** Throws when it is not to be after all: then nothing is stored. */
  compose(): {
    readonly compare: readonly Compare[];
    readonly ops: readonly Op[];
    committed(revision: number): void;
    /** It could not be stored. */
    abandoned(): void;
  };
}

export type AuditAction = Pick<AuditEntry, 'action' | 'principal' | 'detail'>;

const RETRY_MS = 200;

export class SessionWriter {
  private last: Promise<unknown> = Promise.resolve();
  private flushing = false;

  constructor(private readonly term: Term) {}

  /** Resolves when the record is stored; rejects when the lead is lost, with `conflict` when it has ended. */
  update(
    session: SessionNode,
    patch: SessionPatch,
    audit?: AuditAction,
    beside?: Beside,
  ): Promise<SessionRecord> {
    return this.alone(() => this.write(session, patch, audit, beside));
  }

  /** Runs when no record of a session is being written, and none is until it is through. It must not call `update`. */
  alone<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.last.then(run);
    this.last = turn.catch(() => undefined);
    return turn;
  }

  /** Stores counts and spend where they changed. */
  flush(fleet: Fleet): void {
    if (this.flushing) return;
    const dirty = [...fleet.sessions.values()].filter(isDue);
    if (dirty.length === 0) return;
    this.flushing = true;
    const writes = dirty.map(session => this.update(session, () => ({})));
    void Promise.allSettled(writes).then(() => {
      this.flushing = false;
    });
  }

  /** Resolves when every change of counts and spend so far is stored. */
  async flushed(fleet: Fleet): Promise<void> {
    const dirty = [...fleet.sessions.values()].filter(isDue);
    await Promise.allSettled(dirty.map(session => this.update(session, () => ({}))));
  }

  private async write(
    session: SessionNode,
    patch: SessionPatch,
    audit: AuditAction | undefined,
    beside: Beside | undefined,
  ): Promise<SessionRecord> {
    await beside?.ready();
    if (session.closed) throw new ProtocolError('conflict', `session ${session.id} has ended meanwhile`);
    const changed = patch();
    if (!changed) return session.record;
    const also = beside?.compose();
    session.dirty = false;
    const {spentUsd, speculation} = session;
    const record: SessionRecord = {
      ...session.record,
      principal: this.term.principal,
      counts: {...session.counts},
      spentUsd,
      ...(speculation.begun > 0 && {speculation: {...speculation}}),
      ...changed,
    };
    const key = session.keys.session(session.id);
    const addition = this.term.budgets.addition(session, spentUsd);
    const revision = await this.commit(
      [{key, target: 'mod', op: '=', operand: session.mod}, ...addition.compare, ...(also?.compare ?? [])],
      [putRecord(key, record), ...addition.ops, ...(also?.ops ?? [])],
      audit && {...audit, tenant: session.tenant, subject: `session ${session.id}`},
    ).catch((error: unknown) => {
      if (!this.term.signal.aborted) also?.abandoned();
      throw error;
    });
    session.record = record;
    session.mod = revision;
    addition.committed(revision);
    also?.committed(revision);
    if (FINAL_SESSION_STATES.has(record.state)) session.closed = true;
    return record;
  }

  private async commit(compare: Compare[], ops: Op[], audit: AuditEntry | undefined): Promise<number> {
    const revision = audit
      ? await commitAudited(this.term, compare, ops, audit)
      : await this.term.committer.run(compare, ops);
    if (revision !== undefined) return revision;
    this.term.depose('a session record was changed by somebody else');
    throw leadLost();
  }
}

/** A session that is being taken up again still has the record of its end. */
function isDue(session: SessionNode): boolean {
  return session.dirty && !session.closed && !session.held;
}

/**
 * As `Committer.run`, with an audit record in the transaction. The first operation puts the key of the first comparison: what is found there
 * after an unknown outcome tells whether it was applied.
 */
export async function commitAudited(
  term: Pick<Term, 'store' | 'committer' | 'auditedTxn' | 'clock' | 'signal'>,
  compare: readonly Compare[],
  ops: readonly Op[],
  audit: AuditEntry,
): Promise<number | undefined> {
  let unknown = false;
  for (;;) {
    if (term.signal.aborted) throw leadLost();
    try {
      const txn = {compare: [term.committer.guard, ...compare], then: ops};
      const result = await term.auditedTxn(txn, audit);
      if (result.succeeded) return result.revision;
      const [first] = ops;
      if (unknown && first?.kind === 'put') {
        const stored = await term.store.get(first.key);
        if (stored?.value === first.value) return stored.modRevision;
      }
      return undefined;
    } catch (error) {
      if (isCoordinatorError(error, 'timeout')) unknown = true;
      else if (!isCoordinatorError(error, 'unavailable') && !isCoordinatorError(error, 'diskFull'))
        throw error;
      await delay(term.clock, RETRY_MS, term.signal);
    }
  }
}
