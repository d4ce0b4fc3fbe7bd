/** One change of one row, its line in a journal, and the rows that changes lead to. Pure. */
import type {HistoryMark} from '../protocol/commands/history.ts';
import {CoordinatorError} from '../runtime/errors.ts';

export type HistoryKind = Exclude<HistoryMark['kind'], 'gap'>;

/** The order of rows in a state. */
export const HISTORY_KINDS: readonly HistoryKind[] = [
  'session',
  'task',
  'attempt',
  'ref',
  'refusal',
  'approval',
  'memory',
  'conflict',
];

/** The texts are stored records, as they are: a journal does not read what it keeps. */
export interface HistoryChange {
  readonly revision: number;
  /** Wall time in ms at which it was seen. */
  readonly at: number;
  readonly kind: HistoryKind;
  readonly id: string;
  /** Of the row's key; 0 when it went. */
  readonly version: number;
  /** Absent: there was no such row, or an earlier change of the same segment says what it was. */
  readonly before: string | undefined;
  /** Absent: the row went. */
  readonly after: string | undefined;
}

export interface HistoryRow {
  readonly kind: HistoryKind;
  readonly id: string;
  readonly version: number;
  readonly text: string;
}

/** By kind and id. */
export type HistoryRows = Map<string, HistoryRow>;

export function rowName({kind, id}: {readonly kind: string; readonly id: string}): string {
  return `${kind}/${id}`;
}

/** A line each: what and when as JSON, then the two texts, between tabs. What a row was is said once. */
export function changeLines(changes: readonly HistoryChange[]): string {
  const said = new Set<string>();
  let text = '';
  for (const change of changes) {
    const {revision, at, kind, id, version, before = '', after = ''} = change;
    const name = rowName(change);
    const head = `{"revision":${revision},"at":${at},"kind":"${kind}","id":${JSON.stringify(id)},"version":${version}}`;
    text += `${head}\t${said.has(name) ? '' : flat(before)}\t${flat(after)}\n`;
    said.add(name);
  }
  return text;
}

/** Records are JSON on one line; one that is not cannot be read as a record anyway, and is kept as a JSON string. */
function flat(text: string): string {
  return text.includes('\n') || text.includes('\t') ? JSON.stringify(text) : text;
}

/** Throws `corrupt`. */
export function parseChangeLines(text: string): HistoryChange[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const [head = '', before = '', after = ''] = line.split('\t');
      try {
        const {revision, at, kind, id, version} = JSON.parse(head) as HistoryChange;
        return {revision, at, kind, id, version, before: before || undefined, after: after || undefined};
      } catch (error) {
        throw new CoordinatorError('corrupt', 'a line of a journal cannot be read', {cause: error});
      }
    });
}

/** Brings `rows` from before these changes to after them. */
export function applyChanges(rows: HistoryRows, changes: Iterable<HistoryChange>): void {
  for (const {kind, id, version, after} of changes) {
    const name = rowName({kind, id});
    if (after === undefined) rows.delete(name);
    else rows.set(name, {kind, id, version, text: after});
  }
}

/** As records name artifacts. */
const DIGEST = /"([0-9a-f]{64})"/g;
const LIST = /"bundleList":"([0-9a-f]{64})"/g;

/** Artifacts that these changes took out of the rows; lists are artifacts that name others. */
export function pastArtifacts(changes: readonly HistoryChange[]): {digests: string[]; lists: string[]} {
  const digests = new Set<string>();
  const lists = new Set<string>();
  for (const {before, after = ''} of changes) {
    if (before === undefined) continue;
    for (const [, digest = ''] of before.matchAll(DIGEST)) if (!after.includes(digest)) digests.add(digest);
    if (!before.includes('"bundleList"')) continue;
    for (const [, list = ''] of before.matchAll(LIST)) if (digests.has(list)) lists.add(list);
  }
  return {digests: [...digests].filter(digest => !lists.has(digest)), lists: [...lists]};
}
