/**
 * The addresses of shared memory's documents: `mcpx-memory:/SESSION/KEY.json`, with a query for what is not the value that is edited. Keys may
 * have any segments; a path may not. Pure.
 */
import {MemoryKey} from '../../coordinator/protocol/model/facts.ts';

export interface StateKey {
  readonly sessionId: string;
  readonly key: string;
}

const SUFFIX = '.json';
/** Stands for an empty segment: keys have no white space. */
const EMPTY = '%20';

export function statePath({sessionId, key}: StateKey): string {
  const segments = key.split('/').map(segment => {
    if (segment === '') return EMPTY;
    if (segment === '.' || segment === '..') return segment.replaceAll('.', '%2E');
    return segment.replaceAll('%', '%25').replaceAll('\\', '%5C');
  });
  return `/${sessionId}/${segments.join('/')}${SUFFIX}`;
}

/** Undefined for paths that name no key. */
export function stateKeyOf(path: string): StateKey | undefined {
  const [, sessionId, rest] = /^\/([^/]+)\/(.+)$/s.exec(path) ?? [];
  if (sessionId === undefined || !rest?.endsWith(SUFFIX)) return undefined;
  const segments = rest.slice(0, -SUFFIX.length).split('/');
  const key = segments
    .map(segment =>
      segment === EMPTY ? '' : segment.replaceAll('%2E', '.').replaceAll('%5C', '\\').replaceAll('%25', '%'),
    )
    .join('/');
  return MemoryKey.safeParse(key).success ? {sessionId, key} : undefined;
}

/** What a document shows of its key; only `live` can be written. */
export type StateAspect =
  | {readonly kind: 'live'}
  /** What is stored now, beside what is edited. */
  | {readonly kind: 'current'}
  | {readonly kind: 'past'; readonly revision: number}
  /** What was written while cut off. */
  | {readonly kind: 'mine'; readonly conflictId: string};

export function aspectQuery(aspect: StateAspect): string {
  switch (aspect.kind) {
    case 'live':
      return '';
    case 'current':
      return 'current';
    case 'past':
      return `at=${aspect.revision}`;
    case 'mine':
      return `mine=${aspect.conflictId}`;
  }
}

/** Undefined for queries that mean nothing. */
export function aspectOf(query: string): StateAspect | undefined {
  if (query === '') return {kind: 'live'};
  if (query === 'current') return {kind: 'current'};
  const [, revision] = /^at=([1-9]\d{0,15})$/.exec(query) ?? [];
  if (revision !== undefined) return {kind: 'past', revision: Number(revision)};
  const [, conflictId] = /^mine=([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$/.exec(query) ?? [];
  return conflictId === undefined ? undefined : {kind: 'mine', conflictId};
}
