/** Every attempt that runs in the fleet, by agent and by session: what is known of it while its session is unfinished. Pure. */
import type {DirtyRows} from '../../../coordinator/client/mirror/dirtyRows.ts';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import {FINAL_SESSION_STATES} from '../../../coordinator/protocol/model/session.ts';
import {type Disposable, DisposableStore} from '../../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../../coordinator/runtime/emitter.ts';
import type {FleetSource, SessionRows} from './fleetRows.ts';
import {type SharedPaths, sharedPaths} from './sharedPaths.ts';

/** Sessions that are followed at once, the newest. */
const MOST_SESSIONS = 16;

/** What came, changed or went. */
export interface WorkChange {
  readonly agents: ReadonlySet<string>;
  readonly attempts: readonly AttemptRecord[];
}

interface Followed extends Disposable {
  readonly running: Map<string, AttemptRecord>;
  /** By attempt; made anew when somebody asks after a change. */
  shared?: ReadonlyMap<string, readonly SharedPaths[]>;
}

export class ActiveWork implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly followed = new Map<string, Followed>();
  private readonly changes = this.lifetime.add(new Emitter<WorkChange>());

  readonly onChange: Event<WorkChange> = this.changes.event;

  constructor(private readonly fleet: FleetSource) {
    this.lifetime.add(
      fleet.onChange(change => {
        if (change.part === 'reset') this.leaveAll();
        if (change.part === 'reset' || (change.part === 'sessions' && this.isOther(change.rows)))
          this.follow();
      }),
    );
    this.follow();
  }

  /** Oldest first. */
  runningOn(agentId: string): readonly AttemptRecord[] {
    return this.all()
      .filter(attempt => attempt.agentId === agentId)
      .sort((a, b) => a.assignedAt - b.assignedAt);
  }

  get(attemptId: string): AttemptRecord | undefined {
    for (const {running} of this.followed.values()) {
      const attempt = running.get(attemptId);
      if (attempt) return attempt;
    }
    return undefined;
  }

  all(): readonly AttemptRecord[] {
    return [...this.followed.values()].flatMap(({running}) => [...running.values()]);
  }

  /** Other running attempts of its session that change paths that it changes too. */
  overlapsOf({sessionId, id}: AttemptRecord): readonly SharedPaths[] {
    return this.sharedIn(sessionId).get(id) ?? [];
  }

  /** The session's attempts that overlap with another. */
  overlapping(sessionId: string): readonly AttemptRecord[] {
    const {running} = this.followed.get(sessionId) ?? {};
    return [...this.sharedIn(sessionId).keys()]
      .map(id => running?.get(id))
      .filter(attempt => attempt !== undefined);
  }

  dispose(): void {
    this.leaveAll();
    this.lifetime.dispose();
  }

  /** Whether a session began or ended. */
  private isOther(dirty: DirtyRows): boolean {
    if (dirty === 'all') return true;
    return [...dirty].some(key => {
      const id = key.slice(key.indexOf('/') + 1);
      const row = this.fleet.mirror?.session(id);
      const isUnfinished = row !== undefined && !FINAL_SESSION_STATES.has(row.session.state);
      return isUnfinished !== this.followed.has(id);
    });
  }

  private follow(): void {
    const unfinished = (this.fleet.mirror?.sessions ?? [])
      .filter(({session}) => !FINAL_SESSION_STATES.has(session.state))
      .slice(0, MOST_SESSIONS)
      .map(({session}) => session.id);
    for (const [id, followed] of this.followed) if (!unfinished.includes(id)) this.leave(id, followed);
    for (const id of unfinished) if (!this.followed.has(id)) this.enter(id);
  }

  private enter(sessionId: string): void {
    const opened = this.fleet.mirror?.openSession(sessionId);
    if (!opened) return;
    const {mirror} = opened;
    const listening = mirror.onChange(dirty => this.take(followed, mirror, dirty));
    const followed: Followed = {
      running: new Map(),
      dispose: () => {
        listening.dispose();
        opened.dispose();
      },
    };
    this.followed.set(sessionId, followed);
    this.take(followed, mirror, 'all');
  }

  private sharedIn(sessionId: string): ReadonlyMap<string, readonly SharedPaths[]> {
    const followed = this.followed.get(sessionId);
    if (!followed) return new Map();
    followed.shared ??= sharedPaths([...followed.running.values()]);
    return followed.shared;
  }

  private leave(sessionId: string, followed: Followed): void {
    this.followed.delete(sessionId);
    followed.dispose();
    this.tell([...followed.running.values()]);
  }

  private leaveAll(): void {
    for (const [id, followed] of [...this.followed]) this.leave(id, followed);
  }

  private take(followed: Followed, {rows}: SessionRows, dirty: DirtyRows): void {
    const {running} = followed;
    const touched: AttemptRecord[] = [];
    if (dirty === 'all') {
      touched.push(...running.values());
      running.clear();
    }
    for (const key of dirty === 'all' ? rows.keys() : dirty) {
      const row = rows.get(key);
      if (row?.kind !== 'attempt') continue;
      const {attempt} = row;
      if (attempt.state === 'ended') {
        if (!running.delete(attempt.id)) continue;
      } else running.set(attempt.id, attempt);
      touched.push(attempt);
    }
    if (touched.length > 0) delete followed.shared;
    this.tell(touched);
  }

  private tell(attempts: readonly AttemptRecord[]): void {
    if (attempts.length > 0)
      this.changes.emit({agents: new Set(attempts.map(({agentId}) => agentId)), attempts});
  }
}
