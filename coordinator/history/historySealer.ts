/**
 * Seals what journals hold: artifacts first, then one transaction that names them and moves the position. Also what is written after a gap. All of
 * it is written under the fence of the lead.
 */
import {parseViewKey} from '../hub/watch/rowChange.ts';
import type {Logger} from '../observability/logger.ts';
import {HistoryPosition} from '../protocol/model/history.ts';
import type {TenantKeys} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {CoordinatorError, isCoordinatorError} from '../runtime/errors.ts';
import {putRecord, storedRecord} from '../store/records.ts';
import type {Compare, KeyValue, Op, Store} from '../store/store.ts';
import type {HistoryChange} from './historyChange.ts';
import {changeOf, type HistorySegments} from './historySegments.ts';
import type {HistorySettings} from './historySettings.ts';
import type {SessionBuffer} from './sessionBuffer.ts';
import {isUnchangedSince, stateAt} from './stateAt.ts';

/** What is sealed of all journals, and the revision of the record that says so: whoever writes next compares it. */
export interface Position {
  readonly revision: number;
  readonly at: number;
  readonly modRevision: number;
}

export type SealOutcome =
  | {readonly kind: 'sealed'; readonly position: Position}
  /** Somebody else moved the position: nothing was written. */
  | {readonly kind: 'overtaken'};

export interface HistorySealerOptions {
  readonly store: Store;
  readonly keys: TenantKeys;
  readonly segments: HistorySegments;
  readonly principal: string;
  readonly logger: Logger;
  readonly settings: HistorySettings;
  /** Holds while this coordinator leads. */
  readonly fence: Compare;
}

/** How far every journal is sealed, and in which incarnation of the store. */
export interface StoredPosition extends Position {
  readonly store: string;
}

export async function readPosition(store: Store, keys: TenantKeys): Promise<StoredPosition | undefined> {
  const kv = await store.get(keys.historyPosition);
  return kv && positionIn(kv);
}

export function positionIn(kv: KeyValue): StoredPosition {
  const {value, modRevision} = storedRecord(HistoryPosition, kv);
  const {store, revision, at} = value;
  return {store, revision, at, modRevision};
}

interface Taken {
  readonly buffer: SessionBuffer;
  /** Changes at the front of the buffer that are sealed with this. */
  readonly count: number;
  readonly last: HistoryChange | undefined;
  readonly op: Op | undefined;
  readonly textBytes: number;
}

/** Sessions of one transaction. */
const SESSIONS_PER_TXN = 64;
/** Much larger than what makes a seal due: only a long pause leads here. */
const MAX_SEGMENT_BYTES = 4 * 1024 ** 2;

export class HistorySealer {
  constructor(private readonly options: HistorySealerOptions) {}

  /** Writes the position as it is. Rejects with `conflict` when another coordinator leads. */
  async claim(position: Position): Promise<Position> {
    const outcome = await this.commit(position, [], position);
    if (outcome.kind === 'overtaken') throw overtaken();
    return outcome.position;
  }

  /** Seals the oldest changes of these buffers, and takes them out. `bound` says how far the position may go as far as the others are concerned. */
  async seal(
    due: readonly SessionBuffer[],
    from: Position,
    bound: () => {revision: number; at: number},
  ): Promise<SealOutcome> {
    let position = from;
    if (!(await this.removeGone(due, from))) return {kind: 'overtaken'};
    for (let at = 0; at === 0 || at < due.length; at += SESSIONS_PER_TXN) {
      const taken: Taken[] = [];
      for (const buffer of due.slice(at, at + SESSIONS_PER_TXN)) taken.push(await this.take(buffer));
      const ops = taken.flatMap(({op}) => op ?? []);
      const outcome = await this.commit(position, ops, this.next(due, taken, bound()));
      if (outcome.kind === 'overtaken') return outcome;
      position = outcome.position;
      for (const each of taken) await this.settle(each);
    }
    return {kind: 'sealed', position};
  }

  /** Writes down every session as it is at `revision`, with the gap since it was sealed, unless nothing of it changed. `since` 0: nothing is known. */
  async bridge(revision: number, since: number, at: number): Promise<void> {
    const {store, keys, segments, logger} = this.options;
    const {kvs} = await store.range(keys.sessions, {atRevision: revision});
    const present = new Set(kvs.map(({key}) => key.slice(keys.sessions.length)));
    if (since === 0) for await (const sessionId of this.journals()) await this.deleteJournal(sessionId);
    for (const sessionId of present) {
      const {rows} = await stateAt(segments, sessionId, since);
      if (await isUnchangedSince(rows, this.changes(sessionId, revision), since)) continue;
      const {op} = await segments.rows(sessionId, revision, at, since);
      await this.write(op);
      logger.warn('the history of a session has a gap', {sessionId, after: since, until: revision});
    }
  }

  /** Deletes the journals of which no row is left: nobody saw their sessions go. */
  async dropOrphans(): Promise<void> {
    const {store, keys} = this.options;
    for await (const sessionId of this.journals()) {
      if (await store.get(keys.session(sessionId))) continue;
      const {kvs} = await store.range(keys.tasks(sessionId), {limit: 1});
      if (kvs.length === 0) await this.deleteJournal(sessionId);
    }
  }

  private async deleteJournal(sessionId: string): Promise<void> {
    await this.write({kind: 'deletePrefix', prefix: this.options.keys.history(sessionId)});
  }

  /** Rejects with `conflict` when another coordinator leads. */
  private async write(op: Op): Promise<void> {
    const {store, fence} = this.options;
    const {succeeded} = await store.txn({compare: [fence], then: [op]});
    if (!succeeded) throw overtaken();
  }

  private async *changes(sessionId: string, revision: number) {
    for await (const kv of this.options.segments.storedRows(sessionId, revision)) {
      const change = changeOf(parseViewKey(kv.key), kv, undefined, revision, 0);
      if (change) yield {change, modRevision: kv.modRevision};
    }
  }

  /** The sessions that have a journal. */
  private async *journals(): AsyncGenerator<string> {
    const {store, keys} = this.options;
    for (let after: string | undefined; ; ) {
      const {kvs} = await store.range(keys.histories, {limit: 1, ...(after && {after})});
      const sessionId = kvs[0]?.key.slice(keys.histories.length).split('/', 1)[0];
      if (sessionId === undefined) return;
      yield sessionId;
      // The greatest code point: after every key of the session.
      after = `${keys.history(sessionId)}\u{10ffff}`;
    }
  }

  /** Deletes the journals of sessions that are gone. */
  private async removeGone(due: readonly SessionBuffer[], position: Position): Promise<boolean> {
    const {store, keys} = this.options;
    for (const buffer of due) {
      const {removedAt} = buffer;
      if (removedAt === undefined) continue;
      const {succeeded} = await store.txn({
        compare: this.unmoved(position),
        then: [{kind: 'deletePrefix', prefix: keys.history(buffer.sessionId)}],
      });
      if (!succeeded) return false;
      if (buffer.removedAt === removedAt) buffer.removedAt = undefined;
    }
    return true;
  }

  private async take(buffer: SessionBuffer): Promise<Taken> {
    const {segments} = this.options;
    const batch = buffer.batch(MAX_SEGMENT_BYTES);
    const nothing = {buffer, count: batch.length, last: undefined, op: undefined, textBytes: 0};
    if (batch.length === 0) return nothing;
    buffer.sealed ??= await segments.sealedPart(buffer.sessionId);
    const {lastRevision} = buffer.sealed;
    // Sealed before a crash, without the position.
    const fresh = batch.filter(change => change.revision > lastRevision);
    if (fresh.length === 0) return nothing;
    return {
      buffer,
      count: batch.length,
      last: fresh.at(-1),
      ...(await segments.changes(buffer.sessionId, fresh)),
    };
  }

  private next(
    due: readonly SessionBuffer[],
    taken: readonly Taken[],
    bound: {revision: number; at: number},
  ): {revision: number; at: number} {
    let {revision} = bound;
    for (const buffer of due) {
      const count = taken.find(each => each.buffer === buffer)?.count ?? 0;
      revision = Math.min(revision, (buffer.firstRevision(count) ?? Number.POSITIVE_INFINITY) - 1);
    }
    return {revision, at: bound.at};
  }

  private async commit(
    from: Position,
    ops: readonly Op[],
    {revision, at}: {readonly revision: number; readonly at: number},
  ): Promise<SealOutcome> {
    const {store, keys, principal} = this.options;
    const {incarnation} = store.status();
    const record: HistoryPosition = {v: RECORD_VERSION, principal, store: incarnation, revision, at};
    const result = await store.txn({
      compare: this.unmoved(from),
      then: [...ops, putRecord(keys.historyPosition, record)],
    });
    if (!result.succeeded) return {kind: 'overtaken'};
    return {kind: 'sealed', position: {revision, at, modRevision: result.revision}};
  }

  private unmoved({modRevision}: Position): Compare[] {
    const {fence, keys} = this.options;
    return [fence, {key: keys.historyPosition, target: 'mod', op: '=', operand: modRevision}];
  }

  /** What was sealed leaves the memory; now and then the rows are written down whole, so that a read need not go far back. */
  private async settle({buffer, count, last, textBytes}: Taken): Promise<void> {
    // Gone meanwhile, and with it what was taken.
    if (buffer.removedAt !== undefined) return;
    buffer.drop(count);
    if (!buffer.sealed || !last) return;
    const {bytesSinceRows, rowBytes} = buffer.sealed;
    const since = bytesSinceRows + textBytes;
    buffer.sealed = {lastRevision: last.revision, bytesSinceRows: since, rowBytes};
    if (since <= Math.max(this.options.settings.rowsAfterBytes, 2 * rowBytes)) return;
    const {segments, logger} = this.options;
    try {
      const rows = await segments.rows(buffer.sessionId, last.revision, last.at);
      await this.write(rows.op);
      if (buffer.sealed)
        buffer.sealed = {lastRevision: last.revision, bytesSinceRows: 0, rowBytes: rows.textBytes};
    } catch (error) {
      // The next seal tries again: reads go further back until then.
      const forgotten = isCoordinatorError(error, 'notFound');
      if (!forgotten) logger.warn('the rows of a session were not written down', {error});
    }
  }
}

export function overtaken(): CoordinatorError {
  return new CoordinatorError('conflict', 'another coordinator leads and seals the journal');
}
