/** Values of shared memory that the store has forgotten, found in the session's journal. */
import type {SessionHistory} from '../history/sessionHistory.ts';
import type {ReadPast} from '../memory/memoryReads.ts';
import {isProtocolError} from '../protocol/errors.ts';

const PAGE = 10_000;

/** `unknown` where the journal has a gap, or there is no journal of that session. */
export function memoryPast(history: SessionHistory): ReadPast {
  return async ({sessionId, key, revision}, principal) => {
    try {
      for (let offset: number | undefined = 0; offset !== undefined; ) {
        const reader = history.readerFor(principal);
        const state = await reader.state({sessionId, revision, offset, limit: PAGE});
        // The journal may be behind, or have missed what happened then.
        if (state.gap || state.revision !== revision) return 'unknown';
        const row = state.rows.find(each => each.kind === 'memory' && each.id === key);
        if (row?.kind === 'memory') return {record: row.memory, version: row.version};
        offset = state.nextOffset;
      }
      return {version: 0};
    } catch (error) {
      if (isProtocolError(error, 'notFound')) return 'unknown';
      throw error;
    }
  };
}
