/**
 * How much may be open at once, in the whole coordinator and for one tenant. What is too much is refused as a whole; what
 * was accepted is never taken back, and goes on whatever the bounds become.
 */
import {ProtocolError} from '../../protocol/errors.ts';
import {type Disposable, toDisposable} from '../../runtime/disposable.ts';
import type {SessionNode} from '../fleet/fleet.ts';
import {nowOf, type Term} from '../term/term.ts';

/** What is to be opened. */
export interface Opening {
  readonly tenant: string;
  readonly sessions: number;
  readonly tasks: number;
}

type Subject = 'sessions' | 'tasks';

interface Bound {
  readonly setting: 'maxSessions' | 'maxSessionsPerTenant' | 'maxTasks' | 'maxTasksPerTenant';
  readonly subject: Subject;
  readonly perTenant: boolean;
}

const BOUNDS: readonly Bound[] = [
  {setting: 'maxSessions', subject: 'sessions', perTenant: false},
  {setting: 'maxSessionsPerTenant', subject: 'sessions', perTenant: true},
  {setting: 'maxTasks', subject: 'tasks', perTenant: false},
  {setting: 'maxTasksPerTenant', subject: 'tasks', perTenant: true},
];

const SHORTEST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 900_000;

export class Admission {
  /** On their way into the store. */
  private readonly opening = new Set<Opening>();

  constructor(private readonly term: Pick<Term, 'fleet' | 'scheduler' | 'settings' | 'hub' | 'clock'>) {}

  /**
   * Keeps a place until it is disposed, when the fleet has it or nothing came of it. Throws `overloaded` with `{setting, bound, open, wanted,
   * retryAfterMs}`, or `tooLarge` where it would never be admitted.
   */
  open(opening: Opening): Disposable {
    for (const bound of BOUNDS) this.check(bound, opening);
    this.opening.add(opening);
    return toDisposable(() => void this.opening.delete(opening));
  }

  private check({setting, subject, perTenant}: Bound, opening: Opening): void {
    const wanted = opening[subject];
    if (wanted === 0) return;
    const bound = this.term.settings[setting];
    const isOf = ({tenant}: {tenant: string}): boolean => !perTenant || tenant === opening.tenant;
    const sessions = [...this.term.fleet.sessions.values()].filter(isOf);
    let open = 0;
    for (const session of sessions) open += subject === 'sessions' ? 1 : openTasks(session);
    for (const other of this.opening) if (isOf(other)) open += other[subject];
    if (open + wanted <= bound) return;
    const change = `raise the coordinator's setting ${setting} (--set ${setting}=N)`;
    const whose = perTenant ? 'of your tenant' : 'in all';
    const details = {setting, bound, open, wanted};
    if (wanted > bound)
      throw new ProtocolError(
        'tooLarge',
        `it has ${counted(wanted, subject)}, and at most ${bound} ${whose} may be open at once: divide it, or ${change}. Nothing was begun`,
        details,
      );
    const retryAfterMs = this.waitMs(sessions, subject, open + wanted - bound);
    const when =
      retryAfterMs === undefined
        ? 'no agent works them off, so that waiting does not help: connect one'
        : `try again in about ${Math.ceil(retryAfterMs / 1000)} s`;
    throw new ProtocolError(
      'overloaded',
      `${counted(open, subject)} ${whose} ${open === 1 ? 'is' : 'are'} open and ${wanted} more would be over the bound of ${bound}: ${when}, or ${change}. Nothing was begun`,
      {...details, ...(retryAfterMs === undefined ? {} : {retryAfterMs})},
    );
  }

  /** Until `excess` of them are likely to have ended; undefined where nobody works on them. */
  private waitMs(sessions: readonly SessionNode[], subject: Subject, excess: number): number | undefined {
    const {scheduler} = this.term;
    const now = nowOf(this.term);
    const waits: number[] = [];
    let [workMs, slots] = [0, 0];
    let tasks = 0;
    const tenants = new Set<string>();
    for (const session of sessions) {
      const {tenant, plan, record} = session;
      const places = scheduler.slotsOf(tenant);
      if (!tenants.has(tenant)) slots += places;
      tenants.add(tenant);
      const [spec] = plan.tasks;
      if (places === 0 || !spec || record.state === 'paused') continue;
      const ownMs = scheduler.typicalMs(tenant, spec, now) * Math.max(1, openTasks(session));
      workMs += ownMs;
      tasks += openTasks(session);
      waits.push(ownMs / places);
    }
    if (waits.length === 0) return undefined;
    waits.sort((a, b) => a - b);
    const ms =
      subject === 'sessions'
        ? (waits[Math.min(excess, waits.length) - 1] ?? 0)
        : ((workMs / Math.max(1, tasks)) * excess) / slots;
    return Math.round(Math.min(LONGEST_WAIT_MS, Math.max(SHORTEST_WAIT_MS, ms)));
  }
}

function openTasks({counts, aside}: SessionNode): number {
  return counts.waiting + counts.running + aside;
}

function counted(count: number, subject: Subject): string {
  return `${count} ${count === 1 ? subject.slice(0, -1) : subject}`;
}
