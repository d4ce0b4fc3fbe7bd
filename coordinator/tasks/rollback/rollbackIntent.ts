/** The session's record once it is to be rolled back. Pure. */
import type {SessionRecord} from '../../protocol/model/session.ts';

/** What is written before anything is undone. */
export function rollbackIntent(
  syncPoint: string | undefined,
  by: string,
  at: number,
  why: string | undefined,
): Partial<SessionRecord> {
  return {
    state: 'ending',
    endMode: 'rollback',
    endingAs: 'rolledBack',
    pauseReason: undefined,
    failure: why,
    rollback: {by, at, ...(syncPoint === undefined ? {} : {syncPoint})},
  };
}
