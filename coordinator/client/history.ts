/** The past of one session for a slider: its marks as far as they are known, and its rows at any revision. Runs in Node and in browsers. */
import type {HistoryMark, HistoryState} from '../protocol/commands/history.ts';
import type {Row} from '../protocol/commands/watch.ts';
import type {McpxClient} from './mcpxClient.ts';
import {rowKey} from './viewWatch.ts';

export interface PastState {
  /** The one that was asked for, or the newest that the coordinator knew where that was less. */
  readonly revision: number;
  /** Wall time in ms of the last change up to there. */
  readonly at: number;
  /** By `rowKey`, as a `ViewWatch` has them; memory and answered approvals among them. */
  readonly rows: ReadonlyMap<string, Row>;
  /** Attempt id -> number of the last event of its transcript that was durable by then. */
  readonly transcripts: ReadonlyMap<string, number>;
  /** What changed between is not known: the rows are those of `after`. */
  readonly gap: {readonly after: number; readonly until: number} | undefined;
}

export interface SessionPastOptions {
  readonly client: Pick<McpxClient, 'request'>;
  readonly sessionId: string;
  /** States that are kept. Default 16. */
  readonly maxStates?: number;
}

const MARKS_PAGE = 2000;
const DEFAULT_MAX_STATES = 16;

export class SessionPast {
  private readonly known: HistoryMark[] = [];
  private upTo = -1;
  private refreshing: Promise<void> | undefined;
  /** Least recently used first. */
  private readonly states = new Map<number, Promise<PastState>>();

  constructor(private readonly options: SessionPastOptions) {}

  /** In order of their revisions, as far as `refresh` has come. */
  get marks(): readonly HistoryMark[] {
    return this.known;
  }

  /** Every mark up to this revision is known; -1: none. */
  get knownTo(): number {
    return this.upTo;
  }

  /** Reads the marks that came since; a call during another's is that one. Errors: those of `mcpx.history.read`. */
  refresh(): Promise<void> {
    this.refreshing ??= this.readMarks().finally(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  /** The rows as they were at `revision`. Errors: those of `mcpx.history.state`. */
  stateAt(revision: number): Promise<PastState> {
    const at = this.lastChange(revision);
    const state = this.states.get(at) ?? this.readState(at);
    this.states.delete(at);
    this.states.set(at, state);
    const forget = (): void => {
      if (this.states.get(at) === state) this.states.delete(at);
    };
    // A state that is not complete yet is read again.
    state.then(({revision: reached, gap}) => {
      if (reached < at || gap) forget();
    }, forget);
    for (const [oldest] of this.states) {
      if (this.states.size <= (this.options.maxStates ?? DEFAULT_MAX_STATES)) break;
      this.states.delete(oldest);
    }
    return state;
  }

  /** Between two marks nothing changes: all revisions there have one state. */
  private lastChange(revision: number): number {
    if (revision > this.upTo) return revision;
    let low = 0;
    let high = this.known.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.known[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    const next = this.known[low];
    // In a gap it is not known what a revision was like.
    if (next?.kind === 'gap') return revision;
    return this.known[low - 1]?.revision ?? revision;
  }

  private async readMarks(): Promise<void> {
    const {client, sessionId} = this.options;
    for (let fromRevision: number | undefined = this.upTo + 1; fromRevision !== undefined; ) {
      const page: {marks: HistoryMark[]; nextRevision?: number | undefined; upTo: number} =
        await client.request('mcpx.history.read', {sessionId, fromRevision, limit: MARKS_PAGE});
      this.known.push(...page.marks);
      fromRevision = page.nextRevision;
      this.upTo = fromRevision === undefined ? page.upTo : fromRevision - 1;
    }
  }

  private async readState(asked: number): Promise<PastState> {
    const {client, sessionId} = this.options;
    const rows = new Map<string, Row>();
    const transcripts = new Map<string, number>();
    let revision = asked;
    for (let offset = 0; ; ) {
      const page: HistoryState = await client.request('mcpx.history.state', {sessionId, revision, offset});
      for (const row of page.rows) rows.set(rowKey(row), row);
      for (const {attemptId, lastSeq} of page.transcripts) transcripts.set(attemptId, lastSeq);
      revision = page.revision;
      if (page.nextOffset === undefined) return {revision, at: page.at, rows, transcripts, gap: page.gap};
      offset = page.nextOffset;
    }
  }
}
