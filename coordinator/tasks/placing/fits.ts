/** Whether an agent's record meets what a class of tasks asks, remembered by agent and by what is asked. */
import type {PlacementClass} from '../queue/readyQueue.ts';
import {grown, type Roster} from './roster.ts';

const YES = 2;
const NO = 1;
/** Kept at once; with more the oldest go. */
const MAX_TABLES = 1024;

export interface Table {
  verdicts: Uint8Array;
  /** Version of the agent for which the verdict holds. */
  versions: Int32Array;
}

export class Fits {
  private readonly tables = new Map<string, Table>();
  private readonly ofClass = new WeakMap<PlacementClass, Table>();

  constructor(private readonly roster: Roster) {}

  /** The agent at `index` meets every requirement of the class. */
  has(placement: PlacementClass, index: number): boolean {
    return this.hasIn(this.table(placement), placement, index);
  }

  table(placement: PlacementClass): Table {
    const {capacity} = this.roster;
    let table = this.ofClass.get(placement);
    if (!table) {
      table = this.tableOf(placement.ask);
      this.ofClass.set(placement, table);
    }
    if (table.verdicts.length < capacity) {
      table.verdicts = grown(table.verdicts, new Uint8Array(capacity));
      table.versions = grown(table.versions, new Int32Array(capacity));
    }
    return table;
  }

  /** The same for many agents, with the class's table at hand. */
  hasIn(table: Table, placement: PlacementClass, index: number): boolean {
    const {roster} = this;
    const reserved = roster.reservedFor[index];
    if (reserved !== undefined && reserved !== placement.session.id) return false;
    const version = roster.version[index] ?? 0;
    if (table.versions[index] !== version || table.verdicts[index] === 0) {
      const record = roster.agents[index]?.record;
      const fits =
        record !== undefined &&
        placement.requirements.every(requirement => requirement.ofSession || requirement.meets(record));
      table.verdicts[index] = fits ? YES : NO;
      table.versions[index] = version;
    }
    return table.verdicts[index] === YES;
  }

  forget(index: number): void {
    for (const {verdicts} of this.tables.values()) if (index < verdicts.length) verdicts[index] = 0;
  }

  private tableOf(ask: string): Table {
    let table = this.tables.get(ask);
    if (!table) {
      if (this.tables.size >= MAX_TABLES) {
        const [oldest] = this.tables.keys();
        if (oldest !== undefined) this.tables.delete(oldest);
      }
      table = {verdicts: new Uint8Array(0), versions: new Int32Array(0)};
      this.tables.set(ask, table);
    }
    return table;
  }
}
