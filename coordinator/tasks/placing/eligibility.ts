/** Which agents may take a task now: what its record asks, where other tasks ran, pauses, and agents that it avoids. Pure. */
import type {AgentRecord} from '../../protocol/model/agent.ts';
import type {AgentNode, Fleet, TaskNode} from '../fleet/fleet.ts';
import {affinityHolds, type PlaceOf} from '../queue/affinity.ts';
import type {PlacementClass} from '../queue/readyQueue.ts';
import type {Fits} from './fits.ts';
import type {Roster} from './roster.ts';

export interface Pause {
  readonly until: number;
  readonly reason: string;
}

export class Eligibility {
  constructor(
    private readonly fleet: Fleet,
    private readonly roster: Roster,
    private readonly fits: Fits,
  ) {}

  /** Fits, whether or not it has a free slot or is paused. */
  fitsTask(placement: PlacementClass, task: TaskNode, index: number): boolean {
    if (!this.fits.has(placement, index)) return false;
    return !placement.dependsOnPlaces || this.placesHold(task, index);
  }

  /** The agent meets what the class asks and is not paused. Places and avoided agents are left to `narrowed`. */
  allows(placement: PlacementClass, index: number, wallNow: number): boolean {
    return this.fits.has(placement, index) && !this.isPaused(index, placement.isPrompt, wallNow);
  }

  /** Fits, is not paused, and not avoided. */
  mayTake(placement: PlacementClass, task: TaskNode, index: number, wallNow: number): boolean {
    return (
      this.fitsTask(placement, task, index) &&
      !this.isPaused(index, placement.isPrompt, wallNow) &&
      !placement.avoid.includes(this.idOf(index))
    );
  }

  /** Of `among`, those that fit and are not paused, into `into`; their number. Places and avoided agents are left to `narrowed`. */
  collect(placement: PlacementClass, among: readonly number[], wallNow: number, into: Int32Array): number {
    let count = 0;
    const table = this.fits.table(placement);
    for (const index of among) {
      if (!this.fits.hasIn(table, placement, index)) continue;
      if (this.isPaused(index, placement.isPrompt, wallNow)) continue;
      into[count] = index;
      count += 1;
    }
    return count;
  }

  /** What is left of them for the task: places, avoided agents, then those that satisfy most of the preferred rules. */
  narrowed(placement: PlacementClass, task: TaskNode, found: readonly number[]): readonly number[] {
    let left = found;
    if (placement.dependsOnPlaces) left = left.filter(index => this.placesHold(task, index));
    if (placement.avoid.length > 0 && left.length > 0) left = this.withoutAvoided(placement, task, left);
    return placement.prefers && left.length > 1 ? this.preferred(task, left) : left;
  }

  pauseOf(agent: AgentNode, isPrompt: boolean, wallNow: number): Pause | undefined {
    const {record} = agent;
    const holds = isPrompt || record?.pausedBy === undefined;
    if (holds && record?.pausedUntil !== undefined && record.pausedUntil > wallNow)
      return {until: record.pausedUntil, reason: record.pauseReason ?? 'paused'};
    const account = record?.instance.metadata.account;
    if (!isPrompt || account === undefined) return undefined;
    const pause = this.fleet.accounts.get(`${agent.tenant}/${account}`);
    return pause && pause.until > wallNow ? pause : undefined;
  }

  private isPaused(index: number, isPrompt: boolean, wallNow: number): boolean {
    const mayBe = (this.roster.pausedUntil[index] ?? 0) > wallNow || this.fleet.accounts.size > 0;
    const agent = mayBe ? this.roster.agents[index] : undefined;
    return agent !== undefined && this.pauseOf(agent, isPrompt, wallNow) !== undefined;
  }

  private placesHold(task: TaskNode, index: number): boolean {
    const record = this.roster.agents[index]?.record;
    return (
      record !== undefined &&
      task.spec.affinity.every(
        rule => rule.strength === 'prefer' || affinityHolds(rule, record, placesIn(task)),
      )
    );
  }

  /** Agents where the task failed by their fault are used again only when no other is connected. */
  private withoutAvoided(
    placement: PlacementClass,
    task: TaskNode,
    found: readonly number[],
  ): readonly number[] {
    const isAvoided = (index: number): boolean => placement.avoid.includes(this.idOf(index));
    const connected = this.roster.connected(placement.session.tenant).list;
    const isOther = (index: number): boolean => !isAvoided(index) && this.fitsTask(placement, task, index);
    return connected.some(isOther) ? found.filter(index => !isAvoided(index)) : found;
  }

  private preferred(task: TaskNode, found: readonly number[]): readonly number[] {
    const rules = task.spec.affinity.filter(rule => rule.strength === 'prefer');
    const placeOf = placesIn(task);
    const held = found.map(index => {
      const record: AgentRecord | undefined = this.roster.agents[index]?.record;
      return record ? rules.filter(rule => affinityHolds(rule, record, placeOf)).length : 0;
    });
    const most = Math.max(...held);
    return found.filter((_, place) => held[place] === most);
  }

  private idOf(index: number): string {
    return this.roster.agents[index]?.id ?? '';
  }
}

function placesIn(task: TaskNode): PlaceOf {
  return taskId => task.session.tasks.get(taskId)?.lastAgent;
}
