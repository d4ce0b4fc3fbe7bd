/**
 * Which processes belong to an attempt: everything that descends from its roots or shares a session or group with them,
 * remembered when a parent dies and its children move to init. Pure: rows come in, members come out.
 *
 * A snapshot alone is not enough: `setsid env -i daemon &` leaves no parent, session, group or environment behind that would
 * lead back. It was seen as a child while its shell still lived, so every snapshot adds to a memory of identities.
 */
import type {ProcessIdentity, ProcessRow} from './processTable.ts';

export class ProcessTree {
  /** pid -> start time of every process that ever was a member and is not known to be dead. */
  private readonly known = new Map<number, string>();
  /** Groups and sessions that a living member had at the last update. */
  private groups = new Set<number>();

  /** `foreignGroups` are never ours whatever a row says: those of the agent and of the supervisor. */
  constructor(private readonly foreignGroups: ReadonlySet<number> = new Set()) {}

  adopt(process: ProcessIdentity): void {
    this.known.set(process.pid, process.startedAt);
  }

  /** Members that may still be alive, as last seen. */
  get identities(): ProcessIdentity[] {
    return [...this.known].map(([pid, startedAt]) => ({pid, startedAt}));
  }

  /** Takes a snapshot of all processes in; returns the members that live, zombies left out. */
  update(rows: readonly ProcessRow[]): ProcessRow[] {
    const byPid = new Map(rows.map(row => [row.pid, row]));
    for (const [pid, startedAt] of this.known) {
      if (byPid.get(pid)?.startedAt !== startedAt) this.known.delete(pid);
    }
    const groups = this.trustedGroups(byPid);
    let grew = true;
    while (grew) {
      grew = false;
      for (const row of rows) {
        if (this.isMember(row)) {
          this.noteGroups(row, groups);
          continue;
        }
        const parent = byPid.get(row.ppid);
        const joins =
          (parent !== undefined && this.isMember(parent)) || groups.has(row.pgid) || groups.has(row.sid);
        if (!joins) continue;
        this.known.set(row.pid, row.startedAt);
        this.noteGroups(row, groups);
        grew = true;
      }
    }
    this.groups = groups;
    return rows.filter(row => !row.zombie && this.isMember(row));
  }

  private isMember(row: ProcessRow): boolean {
    return this.known.get(row.pid) === row.startedAt;
  }

  /** A group keeps its number while it has members. Once its leader's pid names a stranger, the number may have passed on. */
  private trustedGroups(byPid: ReadonlyMap<number, ProcessRow>): Set<number> {
    const trusted = new Set<number>();
    for (const group of this.groups) {
      const leader = byPid.get(group);
      if (!leader || this.isMember(leader)) trusted.add(group);
    }
    return trusted;
  }

  private noteGroups(row: ProcessRow, groups: Set<number>): void {
    for (const group of [row.pgid, row.sid]) {
      if (group > 1 && !this.foreignGroups.has(group)) groups.add(group);
    }
  }
}
