/** What `git diff-tree --raw -z` says: which files changed between two trees, and the objects on both sides. Pure. */

export interface Side {
  readonly path: string;
  readonly object: string;
  /** `module`: the commit of a repository inside this one. */
  readonly kind: 'file' | 'module';
}

export interface Change {
  /** Undefined: added. */
  readonly before: Side | undefined;
  /** Undefined: deleted. */
  readonly after: Side | undefined;
}

const MODULE = '160000';
const ABSENT = '000000';

/** Fields as split at NUL: a header `:MODE MODE OBJECT OBJECT STATUS`, then one path, or two for a rename or copy. */
export function parseRawDiff(fields: readonly Buffer[]): Change[] {
  const changes: Change[] = [];
  for (let at = 0; at < fields.length; ) {
    const header = fields[at++]?.toString('latin1') ?? '';
    const [, modeBefore, modeAfter, before, after, status] =
      /^:(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) ([A-Z])\d*$/.exec(header) ?? [];
    if (modeBefore === undefined || modeAfter === undefined || before === undefined || after === undefined)
      break;
    const from = fields[at++]?.toString('utf8') ?? '';
    const to = status === 'R' || status === 'C' ? (fields[at++]?.toString('utf8') ?? '') : from;
    changes.push({before: side(modeBefore, before, from), after: side(modeAfter, after, to)});
  }
  return changes;
}

function side(mode: string, object: string, path: string): Side | undefined {
  if (mode === ABSENT) return undefined;
  return {path, object, kind: mode === MODULE ? 'module' : 'file'};
}
