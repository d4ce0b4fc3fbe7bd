/**
 * A transcript as it has to be on another machine: the worktree's path is the new one, and what belongs to the process that is gone is left out.
 * Thinking is signed, so that it must not change by a letter; everything else that names the old worktree would make the conversation work in it. Pure.
 */
import type {TranscriptEntry} from './transcriptEntry.ts';

/** Running totals of the process that wrote them: a process that found them would count that spend as its own. */
const LEFT_OUT: ReadonlySet<string> = new Set(['cost-state']);
const SIGNED: ReadonlySet<unknown> = new Set(['thinking', 'redacted_thinking']);

/** Undefined for an entry that stays behind. */
export function movedEntry(
  entry: TranscriptEntry,
  /** The worktree's path, under each name that it had. */
  from: readonly string[],
  to: string,
): TranscriptEntry | undefined {
  if (LEFT_OUT.has(entry.type)) return undefined;
  const pattern = pathPattern(from.filter(path => path !== to));
  return pattern ? moved(entry, pattern, to) : entry;
}

function moved<T>(value: T, pattern: RegExp, to: string): T {
  if (typeof value === 'string') return value.replace(pattern, () => to) as T;
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((each: unknown) => moved(each, pattern, to)) as T;
  if ('type' in value && SIGNED.has(value.type)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      moved(key, pattern, to),
      moved<unknown>(inner, pattern, to),
    ]),
  ) as T;
}

/** Whole names only: neither a longer name beside the worktree nor a path that merely ends like it. */
function pathPattern(paths: readonly string[]): RegExp | undefined {
  if (paths.length === 0) return undefined;
  // The longest first: of two that begin alike it is the one that is meant.
  const names = [...paths].sort((a, b) => b.length - a.length).map(escaped);
  return new RegExp(
    `(?<![\\p{L}\\p{N}_.~-]|(?<!:/)/)(?:${names.join('|')})(?![\\p{L}\\p{N}_~-]|\\.[\\p{L}\\p{N}_])`,
    'gu',
  );
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
