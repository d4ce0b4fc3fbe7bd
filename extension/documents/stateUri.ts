/** The addresses of shared memory's documents: `mcpx-memory:/SESSION/KEY.json`. Keys may have any segments; a path may not. Pure. */
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
