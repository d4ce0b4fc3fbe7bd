/** The fleet's sessions by day, and which of them nobody works for any more. Pure. */
import type {DirtyRows} from '../../../coordinator/client/mirror/dirtyRows.ts';
import type {AgentRow} from '../../../coordinator/client/mirror/fleetMirror.ts';
import {compareText} from '../../../coordinator/client/report/sessionReport.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../../coordinator/protocol/model/session.ts';
import type {FleetRows} from './fleetRows.ts';
import {dayOf, type Words} from './words.ts';

/** Its agents join within this time. */
const STARTING_MS = 15_000;

export class SessionList {
  /** Newest first, as the sessions in them. */
  private days = new Map<string, string[]>();
  private readonly dayOfSession = new Map<string, string>();
  private readonly unfinished = new Set<string>();
  private interrupted: ReadonlySet<string> = new Set();

  constructor(
    private readonly fleet: () => FleetRows | undefined,
    private readonly words: Words,
  ) {
    this.rebuild();
  }

  get dayKeys(): readonly string[] {
    return [...this.days.keys()];
  }

  sessionsOf(day: string): readonly string[] {
    return this.days.get(day) ?? [];
  }

  day(sessionId: string): string | undefined {
    return this.dayOfSession.get(sessionId);
  }

  get unfinishedIds(): ReadonlySet<string> {
    return this.unfinished;
  }

  isInterrupted(sessionId: string): boolean {
    return this.interrupted.has(sessionId);
  }

  /** Sessions that look different; `all` when one came to a new day, or went. `days`: their lists of sessions are others. */
  updateSessions(dirty: DirtyRows): {readonly sessions: Set<string>; readonly days: Set<string>} | 'all' {
    const fleet = this.fleet();
    const ids = dirty === 'all' ? [] : [...dirty].map(key => key.slice(key.indexOf('/') + 1));
    if (!fleet || dirty === 'all' || ids.some(id => fleet.session(id) === undefined)) {
      this.rebuild();
      return 'all';
    }
    const days = new Set<string>();
    const known = this.days.size;
    for (const id of ids) {
      const row = fleet.session(id);
      if (row && this.take(row.session)) days.add(this.dayOfSession.get(id) ?? '');
    }
    const sessions = this.updateAgents();
    for (const id of ids) sessions.add(id);
    if (this.days.size === known) return {sessions, days};
    this.sortDays();
    return 'all';
  }

  /** Unfinished sessions for which that changed whether anybody works. */
  updateAgents(): Set<string> {
    const before = this.interrupted;
    const fleet = this.fleet();
    const agents = this.unfinished.size === 0 ? [] : (fleet?.agents ?? []);
    this.interrupted = new Set(
      [...this.unfinished].filter(id => {
        const row = fleet?.session(id);
        return row !== undefined && isAbandoned(row.session, agents, this.words.now());
      }),
    );
    return new Set([...this.unfinished].filter(id => before.has(id) !== this.interrupted.has(id)));
  }

  private rebuild(): void {
    this.days.clear();
    this.dayOfSession.clear();
    this.unfinished.clear();
    for (const {session} of this.fleet()?.sessions ?? []) this.take(session, 'last');
    this.sortDays();
    this.updateAgents();
  }

  /** True when it is new. */
  private take({id, createdAt, state}: SessionRecord, place: 'first' | 'last' = 'first'): boolean {
    if (FINAL_SESSION_STATES.has(state)) this.unfinished.delete(id);
    else this.unfinished.add(id);
    if (this.dayOfSession.has(id)) return false;
    const day = dayOf(createdAt, this.words);
    this.dayOfSession.set(id, day);
    const ofDay = this.days.get(day) ?? [];
    if (place === 'first') ofDay.unshift(id);
    else ofDay.push(id);
    this.days.set(day, ofDay);
    return true;
  }

  private sortDays(): void {
    this.days = new Map([...this.days].sort(([a], [b]) => compareText(b, a)));
  }
}

/** No agent that is there could take its tasks, and those that were to come had time to. */
export function isAbandoned(session: SessionRecord, agents: readonly AgentRow[], now: number): boolean {
  if (FINAL_SESSION_STATES.has(session.state) || now - session.createdAt < STARTING_MS) return false;
  return !agents.some(({agent, online}) => {
    const {reservedFor, rehearsal} = agent.instance.metadata;
    return (
      online && rehearsal === session.rehearsal && (reservedFor === undefined || reservedFor === session.id)
    );
  });
}
