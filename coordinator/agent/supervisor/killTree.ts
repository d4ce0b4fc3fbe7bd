/** Ends every process of an attempt: politely first where asked, then by force and again until a snapshot shows none. */
import {type Clock, delay} from '../../runtime/clock.ts';
import type {ProcessIdentity, ProcessRow, ProcessTable} from './processTable.ts';
import type {ProcessTree} from './processTree.ts';

export interface PoliteEnd {
  readonly signal: 'SIGINT' | 'SIGTERM';
  /** Whom to ask: Claude Code ends its own children when asked; a shell script's children must be told themselves. */
  readonly to: 'root' | 'all';
  readonly graceMs: number;
}

export interface KillTarget {
  readonly tree: ProcessTree;
  /** The processes that were started for the attempt; asked first. */
  readonly roots: readonly ProcessIdentity[];
  /** `NAME=value` entries that all of the attempt's processes inherit. */
  readonly markers: readonly string[];
}

export interface KillContext {
  readonly table: ProcessTable;
  readonly clock: Clock;
  /** Pids that are spared whatever leads to them: our own. */
  readonly spared: ReadonlySet<number>;
}

/** After this many rounds what still lives cannot be killed: a process in an uninterruptible wait, or someone else's. */
const MAX_ROUNDS = 60;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 200;

/** Resolves with the processes that survived: none, unless the kernel holds one in an uninterruptible wait. */
export async function killTree(
  context: KillContext,
  target: KillTarget,
  polite?: PoliteEnd,
): Promise<ProcessIdentity[]> {
  if (polite) await endPolitely(context, target, polite);
  let pauseMs = FIRST_PAUSE_MS;
  let living: ProcessRow[] = [];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    living = livingMembers(context, target);
    if (living.length === 0) return [];
    for (const member of living) context.table.signal(member, 'SIGKILL');
    await delay(context.clock, pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
  return living.map(({pid, startedAt}) => ({pid, startedAt}));
}

async function endPolitely(context: KillContext, target: KillTarget, polite: PoliteEnd): Promise<void> {
  const until = context.clock.now() + polite.graceMs;
  const asked = polite.to === 'root' ? target.roots : livingMembers(context, target);
  for (const member of asked) context.table.signal(member, polite.signal);
  let pauseMs = FIRST_PAUSE_MS;
  while (context.clock.now() < until) {
    const rootsLive = target.roots.some(root => isAlive(context.table, root));
    // Whoever was only to be asked through its root is on its own once the root has gone.
    if (polite.to === 'root' ? !rootsLive : livingMembers(context, target).length === 0) return;
    await delay(context.clock, Math.min(pauseMs, Math.max(0, until - context.clock.now())));
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

function livingMembers({table, spared}: KillContext, {tree, markers}: KillTarget): ProcessRow[] {
  const rows = table.rows().filter(row => !spared.has(row.pid));
  if (markers.length > 0) {
    const marked = new Set(table.marked(markers));
    for (const row of rows) if (marked.has(row.pid)) tree.adopt(row);
  }
  return tree.update(rows);
}

export function isAlive(table: ProcessTable, process: ProcessIdentity): boolean {
  const row = table.row(process.pid);
  return row !== undefined && !row.zombie && row.startedAt === process.startedAt;
}
