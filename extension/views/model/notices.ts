/**
 * What a person is told without having asked, each thing once: what was told is remembered by who owns this, over reloads and reconnects. What
 * ended before anybody here saw it run is no news. Pure.
 */
import type {ApprovalRow, SessionRow} from '../../../coordinator/client/mirror/fleetMirror.ts';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../../coordinator/protocol/model/session.ts';
import type {SharedPaths} from './sharedPaths.ts';

export type Notice =
  | {readonly kind: 'approval'; readonly row: ApprovalRow}
  | {readonly kind: 'ended'; readonly session: SessionRecord}
  | {readonly kind: 'lost'; readonly attempt: AttemptRecord}
  | {readonly kind: 'overlap'; readonly attempt: AttemptRecord; readonly shared: SharedPaths};

export type NoticeKind = Notice['kind'];

/** What is remembered; both lists are sets, oldest first. */
export interface NoticeMemory {
  readonly told: readonly string[];
  /** Sessions that were seen unfinished. */
  readonly followed: readonly string[];
}

/** The fleet at one moment. */
export interface NoticeFacts {
  readonly waiting: readonly ApprovalRow[];
  readonly sessions: readonly SessionRow[];
  readonly running: readonly AttemptRecord[];
  readonly overlapsOf: (attempt: AttemptRecord) => readonly SharedPaths[];
}

/** Remembered at most; what is beyond was told long ago. */
const MOST = 1000;

export class Notices {
  private readonly told: Set<string>;
  private readonly followed: Set<string>;
  private readonly known: ReadonlySet<string>;

  constructor(memory: NoticeMemory | undefined) {
    this.told = new Set(memory?.told);
    this.followed = new Set(memory?.followed);
    this.known = new Set(memory?.followed);
  }

  get memory(): NoticeMemory {
    return {told: [...this.told].slice(-MOST), followed: [...this.followed].slice(-MOST)};
  }

  /** Whether the session was seen to run before this was made: it is no news that it runs. */
  knew(sessionId: string): boolean {
    return this.known.has(sessionId);
  }

  /** What is new since the last look. */
  look({waiting, sessions, running, overlapsOf}: NoticeFacts): Notice[] {
    return [
      ...waiting
        .filter(({approval}) => this.isNews(`approval/${approval.sessionId}/${approval.id}`))
        .map(row => ({kind: 'approval' as const, row})),
      ...this.ended(sessions).map(session => ({kind: 'ended' as const, session})),
      ...running
        .filter(
          ({id, unreachableSince}) =>
            unreachableSince !== undefined && this.isNews(`lost/${id}/${unreachableSince}`),
        )
        .map(attempt => ({kind: 'lost' as const, attempt})),
      ...running.flatMap(attempt =>
        overlapsOf(attempt)
          .filter(shared => this.isNews(overlapKey(attempt.id, shared.attemptId)))
          .map(shared => ({kind: 'overlap' as const, attempt, shared})),
      ),
    ];
  }

  private ended(sessions: readonly SessionRow[]): SessionRecord[] {
    const ended: SessionRecord[] = [];
    for (const {session} of sessions) {
      if (!FINAL_SESSION_STATES.has(session.state)) this.followed.add(session.id);
      else if (this.followed.delete(session.id)) ended.push(session);
    }
    return ended;
  }

  private isNews(key: string): boolean {
    if (this.told.has(key)) return false;
    this.told.add(key);
    return true;
  }
}

/** The same from both sides. */
function overlapKey(a: string, b: string): string {
  return `overlap/${[a, b].sort().join('/')}`;
}
