/** Answers what a session was like: marks of its changes, and its rows at any revision, from what is sealed and what is about to be. */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import type {
  HistoryMark,
  HistoryRead,
  HistoryState,
  HistoryStateAt,
  HistoryWindow,
} from '../protocol/commands/history.ts';
import {Row} from '../protocol/commands/watch.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {TenantKeys} from '../protocol/model/keys.ts';
import type {Store} from '../store/store.ts';
import {type DurableEvents, durableEvents} from './durableEvents.ts';
import {applyChanges, HISTORY_KINDS, type HistoryChange, type HistoryRow} from './historyChange.ts';
import type {HistoryJournal} from './historyJournal.ts';
import type {HistorySegments} from './historySegments.ts';
import type {HistorySettings} from './historySettings.ts';
import {stateAt} from './stateAt.ts';

export interface HistoryReaderOptions {
  readonly store: Store;
  readonly keys: TenantKeys;
  readonly segments: HistorySegments;
  readonly journal: Pick<HistoryJournal, 'tail' | 'revision'>;
  readonly logger: Logger;
  readonly settings: HistorySettings;
}

/** A past state, sorted: pages are cut from it. */
interface PastState {
  readonly revision: number;
  readonly at: number;
  readonly rows: readonly HistoryRow[];
  readonly bytes: number;
  readonly gap: {readonly after: number; readonly until: number} | undefined;
  readonly transcripts: DurableEvents;
}

export class HistoryReader {
  /** The past does not change. Least recently used first. */
  private readonly cache = new Map<string, PastState>();

  constructor(private readonly options: HistoryReaderOptions) {}

  /** Errors: `notFound` (no such session), `corrupt`. */
  async read({sessionId, fromRevision = 0, limit}: HistoryRead): Promise<HistoryWindow> {
    await this.requireSession(sessionId);
    const {journal, segments} = this.options;
    const upTo = journal.revision;
    const tail = journal.tail(sessionId);
    const marks: HistoryMark[] = [];
    let sealed = fromRevision - 1;
    let nextRevision: number | undefined;
    const add = (mark: HistoryMark): boolean => {
      const last = marks.at(-1);
      if (marks.length >= limit && last && last.revision !== mark.revision) {
        nextRevision = last.revision + 1;
        return false;
      }
      marks.push(mark);
      return true;
    };
    for await (const segment of segments.from(sessionId, fromRevision)) {
      sealed = Math.max(sealed, segment.lastRevision);
      if (segment.kind === 'rows') {
        const {gapAfter, lastRevision: revision, lastAt: at} = segment;
        if (gapAfter !== undefined && !add({revision, at, kind: 'gap', id: '', gapAfter})) break;
        continue;
      }
      const changes = (await segments.load(segment)).filter(({revision}) => revision >= fromRevision);
      if (!changes.every(change => add(markOf(change)))) break;
    }
    if (nextRevision === undefined)
      tail.filter(({revision}) => revision > sealed).every(change => add(markOf(change)));
    return {marks, upTo, ...(nextRevision !== undefined && {nextRevision})};
  }

  /** Errors: `notFound` (no such session), `corrupt`. */
  async state({
    sessionId,
    revision,
    offset,
    limit,
  }: z.output<typeof HistoryStateAt>): Promise<z.input<typeof HistoryState>> {
    await this.requireSession(sessionId);
    const state = await this.past(sessionId, Math.min(revision, this.options.journal.revision));
    const {rows, end} = this.page(state.rows, offset, limit);
    const transcripts = rows.flatMap(({kind, id}) => {
      const lastSeq = kind === 'attempt' ? state.transcripts.get(id) : undefined;
      return lastSeq === undefined ? [] : [{attemptId: id, lastSeq}];
    });
    return {
      revision: state.revision,
      at: state.at,
      rows,
      total: state.rows.length,
      transcripts,
      ...(end < state.rows.length && {nextOffset: end}),
      ...(state.gap && {gap: state.gap}),
    };
  }

  private async requireSession(sessionId: string): Promise<void> {
    const {store, keys} = this.options;
    if (!(await store.get(keys.session(sessionId))))
      throw new ProtocolError('notFound', `there is no session ${sessionId}`);
  }

  private async past(sessionId: string, revision: number): Promise<PastState> {
    const name = `${sessionId} ${revision}`;
    const known = this.cache.get(name);
    const state = known ?? (await this.build(sessionId, revision));
    this.cache.delete(name);
    this.cache.set(name, state);
    let bytes = 0;
    for (const each of this.cache.values()) bytes += each.bytes;
    for (const [oldest, each] of this.cache) {
      if (bytes <= this.options.settings.cacheBytes || oldest === name) break;
      this.cache.delete(oldest);
      bytes -= each.bytes;
    }
    return state;
  }

  private async build(sessionId: string, revision: number): Promise<PastState> {
    const {store, keys, segments, journal} = this.options;
    const tail = journal.tail(sessionId);
    const sealed = await stateAt(segments, sessionId, revision);
    const fresh = tail.filter(change => change.revision > sealed.revision && change.revision <= revision);
    applyChanges(sealed.rows, fresh);
    const rows = [...sealed.rows.values()].sort(inOrder);
    return {
      revision,
      at: fresh.at(-1)?.at ?? sealed.at,
      rows,
      bytes: rows.reduce((sum, {text}) => sum + text.length + 128, 0),
      gap: sealed.gap,
      transcripts: await durableEvents(store, keys.sessionTranscripts(sessionId), revision),
    };
  }

  /** Rows from `offset` on, at least one where there is one; a record that cannot be read is passed over, as in the views. */
  private page(rows: readonly HistoryRow[], offset: number, limit: number): {rows: Row[]; end: number} {
    const page: Row[] = [];
    let bytes = 0;
    let end = offset;
    for (; end < rows.length && page.length < limit && bytes <= this.options.settings.pageBytes; end++) {
      const source = rows[end];
      const row = source && this.rowOf(source);
      if (row) page.push(row);
      bytes += source?.text.length ?? 0;
    }
    return {rows: page, end};
  }

  private rowOf({kind, id, text, version}: HistoryRow): Row | undefined {
    try {
      return Row.parse({kind, id, [kind]: JSON.parse(text), ...(kind === 'memory' && {key: id, version})});
    } catch (error) {
      this.options.logger.error('a record of the past cannot be shown', {kind, id, error});
      return undefined;
    }
  }
}

function inOrder(a: HistoryRow, b: HistoryRow): number {
  const byKind = HISTORY_KINDS.indexOf(a.kind) - HISTORY_KINDS.indexOf(b.kind);
  if (byKind !== 0) return byKind;
  return a.id < b.id ? -1 : 1;
}

function markOf({revision, at, kind, id, after}: HistoryChange): HistoryMark {
  if (after === undefined) return {revision, at, kind, id, deleted: true};
  const state = stateOf(after);
  return {revision, at, kind, id, ...(state !== undefined && {state})};
}

/** Of sessions, tasks and attempts it is a word, of approvals an object with its kind. */
function stateOf(text: string): string | undefined {
  try {
    const {state} = JSON.parse(text) as {state?: unknown};
    if (typeof state === 'string') return state;
    const kind = typeof state === 'object' && state !== null && 'kind' in state ? state.kind : undefined;
    return typeof kind === 'string' ? kind : undefined;
  } catch {
    // The row is passed over too.
    return undefined;
  }
}
