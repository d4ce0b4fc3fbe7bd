/** The disk that agents keep for each session, for people to look into. Pure. */
import * as z from 'zod';
import type {FleetRows} from './fleetRows.ts';

const Kept = z.array(z.object({sessionId: z.string(), bytes: z.number()}));

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
      const kept = Kept.safeParse(agent['keptWorktrees']);
      for (const {sessionId, bytes} of kept.data ?? []) now.set(sessionId, (now.get(sessionId) ?? 0) + bytes);
    }
    this.bySession = now;
    return [...new Set([...before.keys(), ...now.keys()])].filter(id => before.get(id) !== now.get(id));
  }
}
