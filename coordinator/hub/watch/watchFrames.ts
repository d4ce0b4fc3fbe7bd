/** The JSON of watch events, put together from rows that are JSON already. */
import type {Logger} from '../../observability/logger.ts';
import type {Cursor} from '../../protocol/commands/watch.ts';
import type {RingEntry} from './changeRing.ts';
import type {RowChange} from './rowChange.ts';

/** An event and the revision at which it leaves its watcher. */
export interface EncodedEvent {
  readonly revision: number;
  readonly text: string;
}

/** Row text that one event carries before the next begins. A single revision is never divided. */
const EVENT_BYTES = 256 * 1024;

/**
 * The events that bring a watcher of `channel` to revision `upTo`. Only the last change of a row within one event is told, so that the final
 * state and the order of revisions hold.
 */
export function* changeEvents(
  entries: Iterable<RingEntry>,
  channel: string,
  upTo: number,
  store: string,
  logger: Logger,
): Generator<EncodedEvent> {
  let pending = new Map<string, RowChange>();
  let bytes = 0;
  let last = 0;
  for (const entry of entries) {
    const own = entry.changes.filter(change => change.channels.includes(channel));
    if (own.length === 0) continue;
    if (bytes > EVENT_BYTES) {
      yield {revision: last, text: changesText({store, revision: last}, pending.values(), logger)};
      pending = new Map();
      bytes = 0;
    }
    for (const change of own) {
      const name = `${change.kind}/${change.id}`;
      // Moved to the end, so that the rows come in the order of their last change.
      pending.delete(name);
      pending.set(name, change);
      bytes += change.bytes;
    }
    last = entry.revision;
  }
  if (pending.size > 0)
    yield {revision: upTo, text: changesText({store, revision: upTo}, pending.values(), logger)};
}

/** An event without changes: it carries the cursor of a quiet view forward. */
export function bookmarkText(cursor: Cursor): string {
  return changesText(cursor, [], undefined);
}

/** Chunks of a snapshot, at least one; the last one says `complete`. */
export function* snapshotTexts(
  cursor: Cursor,
  rows: readonly RowChange[],
  logger: Logger,
): Generator<string> {
  let chunk: string[] = [];
  let bytes = 0;
  for (const row of rows) {
    const text = row.rowText(logger);
    if (text === undefined) continue;
    if (bytes > EVENT_BYTES) {
      yield rowsText(cursor, chunk, false);
      chunk = [];
      bytes = 0;
    }
    chunk.push(text);
    bytes += text.length;
  }
  yield rowsText(cursor, chunk, true);
}

export function resetText(reason: string): string {
  return JSON.stringify({kind: 'reset', reason});
}

/** Which event of which watch. */
export interface EventPlace {
  readonly watchId: string;
  readonly seq: number;
}

/** The whole frame: a JSON-RPC notification. A `watchId` is an identifier that needs no escape. */
export function eventFrame(
  {watchId, seq}: EventPlace,
  event: string,
  also: readonly EventPlace[] = [],
): string {
  const others = also.length === 0 ? '' : `"also":${JSON.stringify(also)},`;
  return `{"jsonrpc":"2.0","method":"mcpx.watch.event","params":{"watchId":"${watchId}","seq":${seq},${others}"event":${event}}}`;
}

function rowsText(cursor: Cursor, rows: readonly string[], complete: boolean): string {
  return `{"kind":"rows","cursor":${JSON.stringify(cursor)},"rows":[${rows.join(',')}],"complete":${complete}}`;
}

function changesText(cursor: Cursor, changes: Iterable<RowChange>, logger: Logger | undefined): string {
  const upserts: string[] = [];
  const deletes: string[] = [];
  for (const change of changes) {
    const row = logger && change.rowText(logger);
    if (row !== undefined) upserts.push(row);
    // A record that cannot be read is not shown at all, rather than as it was before.
    else deletes.push(JSON.stringify({kind: change.kind, id: change.id}));
  }
  return `{"kind":"changes","cursor":${JSON.stringify(cursor)},"upserts":[${upserts.join(',')}],"deletes":[${deletes.join(',')}]}`;
}
