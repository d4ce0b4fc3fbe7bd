/** The disk that agents keep for each session, for people to look into. Pure. */
import type {FleetRows} from './fleetRows.ts';

export class KeptDisk {
  private bySession: ReadonlyMap<string, number> = new Map();

  constructor(private readonly fleet: () => FleetRows | undefined) {
    this.update();
  }

  /** Of all agents together. */
  bytes(sessionId: string): number {
    return this.bySession.get(sessionId) ?? 0;
  }

  /** Sessions for which it is another now. */
  update(): readonly string[] {
    const before = this.bySession;
    const now = new Map<string, number>();
    for (const {agent} of this.fleet()?.agents ?? []) {
      for (const {sessionId, bytes} of agent.keptWorktrees ?? [])
        now.set(sessionId, (now.get(sessionId) ?? 0) + bytes);
    }
    this.bySession = now;
    return [...new Set([...before.keys(), ...now.keys()])].filter(id => before.get(id) !== now.get(id));
  }
}
