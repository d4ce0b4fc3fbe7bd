/** A session's past as a slider moves through it: the revisions at which something changed, and the rows as they were at one of them. */
import type * as z from 'zod';
import {rowKey} from '../../coordinator/client/viewWatch.ts';
import {
  type HistoryMark,
  HistoryState,
  type HistoryStateAt,
  HistoryWindow,
} from '../../coordinator/protocol/commands/history.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {describeError} from '../../coordinator/runtime/errors.ts';
import type {PageFeed} from '../feed/pageFeed.ts';

/** A moment at which something changed. */
export interface Moment {
  readonly revision: number;
  readonly at: number;
  readonly marks: readonly HistoryMark[];
}

export interface Past {
  readonly revision: number;
  readonly at: number;
  readonly rows: ReadonlyMap<string, Row>;
  /** By attempt: the last event that was durable. */
  readonly transcripts: ReadonlyMap<string, number>;
  /** What happened between these is not known. */
  readonly gap: {readonly after: number; readonly until: number} | undefined;
}

const MARKS = 5000;
const ROWS = 5000;
const MAX_MOMENTS = 50_000;

export class PastSession {
  moments: readonly Moment[] = [];
  shown: Past | undefined;
  failure: string | undefined;
  private nextRevision: number | undefined;
  private reading = false;
  private wanted: number | undefined;
  private fetching = false;

  constructor(
    private readonly feed: PageFeed,
    private readonly sessionId: string,
    private readonly onChange: () => void,
  ) {}

  /** Reads the marks that are new since the last time. */
  async readMoments(): Promise<void> {
    if (this.reading || this.moments.length >= MAX_MOMENTS) return;
    this.reading = true;
    try {
      let more = true;
      while (more && this.moments.length < MAX_MOMENTS) {
        const params = {sessionId: this.sessionId, fromRevision: this.nextRevision, limit: MARKS};
        const window = await this.feed.query(HistoryWindow, {kind: 'history', params});
        const all = joined(this.moments, window.marks);
        // Before its own record there is nothing of a session to be seen.
        const first = all.findIndex(({marks}) => marks.some(({kind}) => kind === 'session'));
        this.moments = all.slice(Math.max(0, first));
        more = window.nextRevision !== undefined && window.nextRevision !== this.nextRevision;
        this.nextRevision = window.nextRevision ?? window.upTo + 1;
      }
      this.failure = undefined;
    } catch (error) {
      this.failure = describeError(error);
    } finally {
      this.reading = false;
    }
    this.onChange();
  }

  /** Shows the rows at a revision; of several asked for meanwhile, the last. */
  async show(revision: number): Promise<void> {
    this.wanted = revision;
    if (this.fetching) return;
    this.fetching = true;
    try {
      while (this.wanted !== undefined && this.wanted !== this.shown?.revision) {
        const asked: number = this.wanted;
        const past = await this.read(asked);
        if (this.wanted === undefined) break;
        this.shown = past;
        this.failure = undefined;
        if (this.wanted === asked) this.wanted = undefined;
        this.onChange();
      }
    } catch (error) {
      this.failure = describeError(error);
      this.onChange();
    } finally {
      this.fetching = false;
    }
  }

  /** Back to now. */
  leave(): void {
    this.wanted = undefined;
    this.shown = undefined;
    this.onChange();
  }

  private async read(revision: number): Promise<Past> {
    const rows = new Map<string, Row>();
    const transcripts = new Map<string, number>();
    let offset: number | undefined = 0;
    let page: z.output<typeof HistoryState> | undefined;
    while (offset !== undefined) {
      const at: number = page?.revision ?? revision;
      const params: z.output<typeof HistoryStateAt> = {
        sessionId: this.sessionId,
        revision: at,
        offset,
        limit: ROWS,
      };
      page = await this.feed.query(HistoryState, {kind: 'historyState', params});
      for (const row of page.rows) rows.set(rowKey(row), row);
      for (const {attemptId, lastSeq} of page.transcripts) transcripts.set(attemptId, lastSeq);
      offset = page.nextOffset;
    }
    return {revision, at: page?.at ?? 0, rows, transcripts, gap: page?.gap};
  }
}

/** Marks of one revision are one moment. */
function joined(before: readonly Moment[], marks: readonly HistoryMark[]): Moment[] {
  const moments = [...before];
  for (const mark of marks) {
    const last = moments.at(-1);
    if (last && last.revision >= mark.revision) {
      if (last.revision === mark.revision)
        moments[moments.length - 1] = {...last, marks: [...last.marks, mark]};
    } else moments.push({revision: mark.revision, at: mark.at, marks: [mark]});
  }
  return moments;
}

const MAX_NAMED = 3;

/** What changed at a moment, in a line. Pure. */
export function momentText({marks}: Moment): string {
  const named = marks.map(
    ({kind, id, state, deleted}) =>
      `${kind} ${id.split('/').at(-1) ?? id} ${deleted ? 'removed' : (state ?? 'changed')}`,
  );
  const more = named.length - MAX_NAMED;
  return more > 0 ? `${named.slice(0, MAX_NAMED).join(', ')} +${more}` : named.join(', ');
}
