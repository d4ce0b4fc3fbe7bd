/** The sessions of the 2025-11-25 era: each belongs to its principal, all are bounded, and those that nobody uses any more end. */
import {type Clock, every} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {Random} from '../runtime/random.ts';
import type {Principal} from '../security/principal.ts';
import {principalKey} from './admission.ts';
import type {KeptBytes} from './keptEvents.ts';
import {LegacySession} from './legacySession.ts';
import type {SurfaceServerOptions} from './surfaceServer.ts';

export interface LegacySessionsOptions extends SurfaceServerOptions {
  readonly clock: Clock;
  readonly random: Random;
}

const SESSION_ID_BYTES = 24;

export class LegacySessions implements Disposable {
  private readonly sessions = new Map<string, LegacySession>();
  private readonly keptBytes: KeptBytes = {bytes: 0};
  private readonly owned = new DisposableStore();

  constructor(private readonly options: LegacySessionsOptions) {
    const {clock, settings} = options;
    this.owned.add(every(clock, settings.sessionIdleMs / 4, () => this.endIdle()));
  }

  /** What their events take, which outlives none of them. */
  get keptEventBytes(): number {
    return this.keptBytes.bytes;
  }

  get size(): number {
    return this.sessions.size;
  }

  /** Another principal's session is none. */
  find(id: string, principal: Principal): LegacySession | undefined {
    const session = this.sessions.get(id);
    return session && principalKey(session.principal) === principalKey(principal) ? session : undefined;
  }

  /** Undefined where there are too many, and all of them are in use. */
  async begin(principal: Principal, declared: unknown): Promise<LegacySession | undefined> {
    if (!this.makeRoom(principal)) return undefined;
    const id = this.options.random.hex(SESSION_ID_BYTES);
    const options = {...this.options, keptBytes: this.keptBytes};
    const session = new LegacySession(id, principal, options, declared, () => this.ended(session));
    this.sessions.set(id, session);
    await session.start();
    return session;
  }

  end(session: LegacySession): void {
    session.close().catch((error: unknown) => this.options.logger.debug('a session did not end', {error}));
  }

  /** Ends those of such principals. */
  disconnect(matches: (principal: Principal) => boolean): void {
    for (const session of [...this.sessions.values()]) if (matches(session.principal)) this.end(session);
  }

  closeStandingStreams(): void {
    for (const session of this.sessions.values()) session.closeStandingStream();
  }

  dispose(): void {
    this.owned.dispose();
    this.disconnect(() => true);
  }

  private ended(session: LegacySession): void {
    if (!this.sessions.delete(session.id)) return;
    this.options.surface.release(session.id);
  }

  private endIdle(): void {
    const {settings, logger} = this.options;
    for (const session of [...this.sessions.values()]) {
      if (session.activity.idleMs < settings.sessionIdleMs) continue;
      logger.debug('an MCP session was idle and has ended', {principal: session.principal.id});
      this.end(session);
    }
  }

  private makeRoom(principal: Principal): boolean {
    const {maxSessions, maxSessionsPerPrincipal} = this.options.settings;
    const key = principalKey(principal);
    const own = [...this.sessions.values()].filter(session => principalKey(session.principal) === key);
    if (own.length >= maxSessionsPerPrincipal && !this.endLongestIdle(own)) return false;
    return this.sessions.size < maxSessions || this.endLongestIdle([...this.sessions.values()]);
  }

  private endLongestIdle(sessions: readonly LegacySession[]): boolean {
    let longest: LegacySession | undefined;
    for (const session of sessions)
      if (session.activity.inUse === 0 && (!longest || session.activity.idleMs > longest.activity.idleMs))
        longest = session;
    if (!longest) return false;
    this.end(longest);
    return true;
  }
}
