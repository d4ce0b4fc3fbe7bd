/** Waits for a change of shared memory behind a revision that the caller has seen: what was written and what went since, missed by nobody. */
import type {MemoryEntry} from '../../protocol/commands/memory.ts';
import {compilePattern} from '../../protocol/keyPattern.ts';
import type {Actor} from './actor.ts';
import type {ToolContext} from './hubTool.ts';
import {lookUntil} from './waiting.ts';

export interface MemoryWait {
  readonly sessionId: string;
  readonly pattern: string;
  /** Default: now. */
  readonly after: number | undefined;
  readonly seconds: number;
}

export interface MemoryChanges {
  readonly changed: readonly MemoryEntry[];
  /** Keys that are gone. */
  readonly deleted: readonly string[];
  /** Up to which this is everything. */
  readonly revision: number;
  /** What was at `after` is forgotten: `changed` is all that there is. */
  readonly reset: boolean;
}

/** Every key of the pattern at one revision. */
interface State {
  readonly entries: readonly MemoryEntry[];
  readonly revision: number;
}

export async function memoryChanges(context: ToolContext, wait: MemoryWait): Promise<MemoryChanges> {
  const {actor} = context;
  const {sessionId, pattern, after} = wait;
  const now = await stateOf(actor, sessionId, pattern);
  if (after !== undefined && after < now.revision) {
    const before = after === 0 ? {entries: [], revision: 0} : await stateOf(actor, sessionId, pattern, after);
    if (!before) return {changed: now.entries, deleted: [], revision: now.revision, reset: true};
    const missed = difference(before, now);
    if (missed.changed.length + missed.deleted.length > 0) return missed;
  }
  await untilOther(context, wait, now);
  return difference(now, await stateOf(actor, sessionId, pattern));
}

async function untilOther(context: ToolContext, wait: MemoryWait, known: State): Promise<void> {
  const {sessionId, pattern, seconds} = wait;
  const {matches} = compilePattern(pattern);
  const versions = new Map(known.entries.map(({key, version}) => [key, version]));
  await lookUntil(context, {view: 'memory', sessionId}, seconds, (rows, revision) => {
    // The view may begin behind what was read.
    if (revision < known.revision) return {done: false, value: undefined};
    const present = rows.flatMap(row => (row.kind === 'memory' && matches(row.key) ? [row] : []));
    const same = present.every(({key, version}) => versions.get(key) === version);
    return {done: !same || present.length !== versions.size, value: undefined};
  });
}

function difference(before: State, now: State): MemoryChanges {
  const old = new Map(before.entries.map(({key, modRevision}) => [key, modRevision]));
  const left = new Set(now.entries.map(({key}) => key));
  return {
    changed: now.entries.filter(({key, modRevision}) => old.get(key) !== modRevision),
    deleted: [...old.keys()].filter(key => !left.has(key)),
    revision: now.revision,
    reset: false,
  };
}

async function stateOf(actor: Actor, sessionId: string, pattern: string): Promise<State>;
/** Undefined when what was at the revision is forgotten. */
async function stateOf(
  actor: Actor,
  sessionId: string,
  pattern: string,
  atRevision: number,
): Promise<State | undefined>;
async function stateOf(
  actor: Actor,
  sessionId: string,
  pattern: string,
  atRevision?: number,
): Promise<State | undefined> {
  const entries: MemoryEntry[] = [];
  let revision = atRevision;
  for (let after: string | undefined; ; ) {
    const params = {sessionId, pattern, after, atRevision: revision};
    const page = await actor.request('mcpx.memory.list', params, {retry: true});
    if (page.compacted !== undefined) {
      if (atRevision !== undefined) return undefined;
      // Pages of a revision that is forgotten meanwhile begin anew at a newer one.
      entries.length = 0;
      revision = undefined;
      after = undefined;
      continue;
    }
    revision ??= page.revision;
    entries.push(...page.entries);
    if (page.next === undefined) return {entries, revision};
    after = page.next;
  }
}
