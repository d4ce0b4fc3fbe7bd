/**
 * Mode `auto`: internal agents first. Others get a task where none of these fits, or where its wait for one of them, with what was promised
 * before it, is longer than it may be.
 */
import type {TaskNode} from '../fleet/fleet.ts';
import type {PlacementClass} from '../queue/readyQueue.ts';
import type {Eligibility} from './eligibility.ts';
import type {Learned} from './learned.ts';
import type {Now} from './placement.ts';
import type {Roster} from './roster.ts';
import type {SlotTimes} from './slotTimes.ts';

export interface SpillParts {
  readonly roster: Roster;
  readonly eligibility: Eligibility;
  readonly learned: Learned;
  readonly slots: SlotTimes;
  /** Milliseconds that a task may wait for an internal agent. */
  readonly autoWaitMs: number;
}

/** For one pass. */
export class Spill {
  private ofTenant: readonly number[] | undefined;
  private readonly ofClass = new Map<PlacementClass, readonly number[]>();

  constructor(
    private readonly parts: SpillParts,
    private readonly tenant: string,
    private readonly now: Now,
  ) {}

  /**
   * The internal agent that the task had better have, or wait for; undefined: any agent may have it. `ahead` tasks go before it of which
   * nothing is promised yet.
   */
  internalFor(task: TaskNode, placement: PlacementClass, ahead = 0): number | undefined {
    const {slots, roster, learned, autoWaitMs} = this.parts;
    let best = -1;
    let waitMs = Number.POSITIVE_INFINITY;
    let places = 0;
    for (const index of this.internals(placement)) {
      if (!this.parts.eligibility.mayTake(placement, task, index, this.now.wall)) continue;
      places += roster.slotsAt(index);
      const first = slots.first(index);
      if (first >= waitMs) continue;
      best = index;
      waitMs = first;
    }
    if (best < 0) return undefined;
    if (ahead > 0) waitMs += (ahead * learned.durationMs(task, best, this.now.hub)) / Math.max(1, places);
    if (waitMs <= 0) return best;
    // A wait that was foretold again and again is one that was too long.
    const waitedMs = this.now.hub - task.readySince;
    return waitedMs + waitMs <= autoWaitMs ? best : undefined;
  }

  /** Of the tenant's agents, connected, the internal ones that fit the class. */
  internals(placement: PlacementClass): readonly number[] {
    let found = this.ofClass.get(placement);
    if (!found) {
      const {roster, eligibility} = this.parts;
      this.ofTenant ??= roster.connected(this.tenant).list.filter(index => roster.isInternal(index));
      found = this.ofTenant.filter(index => eligibility.allows(placement, index, this.now.wall));
      this.ofClass.set(placement, found);
    }
    return found;
  }

  /** What comes after the task in this pass finds the slot taken for so long. */
  promise(task: TaskNode, index: number): void {
    this.parts.slots.promise(index, this.parts.learned.durationMs(task, index, this.now.hub));
  }
}
