/** A session's shared memory as a program reads and writes it. */
import type {MemoryEntry, MemoryWrite, StateSynced} from '../../protocol/commands/memory.ts';
import type {McpxClient} from '../mcpxClient.ts';

/** Every key at one revision. */
export interface SharedState {
  readonly sessionId: string;
  readonly revision: number;
  /** By key: the value, who wrote it and when, its version and the revision that wrote it. */
  readonly entries: ReadonlyMap<string, MemoryEntry>;
}

/** A value to put under a key, or a key to delete; with `ifVersion` only over that version (0: only where there is none). */
export type StateUpdate = MemoryWrite;

export type SyncedAgent =
  /** Its replica has everything up to `revision`, which is at least that of the result. */
  | {readonly agentId: string; readonly kind: 'current'; readonly revision: number}
  /** It answered, and has not everything: it works for the session no more, or its replica is being made anew. */
  | {readonly agentId: string; readonly kind: 'behind'; readonly revision: number}
  | {readonly agentId: string; readonly kind: 'unreachable'; readonly error: string};

export interface SyncResult {
  /** Where the shared memory stood when the agents were asked. */
  readonly revision: number;
  readonly agents: readonly SyncedAgent[];
}

export async function readSharedState(
  client: Pick<McpxClient, 'request'>,
  sessionId: string,
): Promise<SharedState> {
  const entries = new Map<string, MemoryEntry>();
  let revision: number | undefined;
  for (let after: string | undefined; ; ) {
    const page = await client.request(
      'mcpx.memory.list',
      {sessionId, after, atRevision: revision},
      {retry: true},
    );
    // Pages of a revision that is forgotten meanwhile begin anew at a newer one.
    if (page.compacted !== undefined) {
      entries.clear();
      revision = undefined;
      after = undefined;
      continue;
    }
    revision ??= page.revision;
    for (const entry of page.entries) entries.set(entry.key, entry);
    if (page.next === undefined) return {sessionId, revision, entries};
    after = page.next;
  }
}

export function syncResult({vector, agents = []}: StateSynced): SyncResult {
  const {revision} = vector;
  return {
    revision,
    agents: agents.map(({agentId, ok, revision: reached = 0, error = 'it did not answer'}): SyncedAgent => {
      if (!ok) return {agentId, kind: 'unreachable', error};
      return {agentId, kind: reached >= revision ? 'current' : 'behind', revision: reached};
    }),
  };
}
