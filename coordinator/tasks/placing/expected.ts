/**
 * Placement by expected completion over free and busy agents: each task, in the order of the queue, is promised to the agent where it would be
 * done first, given what was promised before; it starts when that agent is free now, and otherwise the question is asked anew at the next event.
 * Where the queue is long, nobody need wait for anybody: each free slot takes the task that waits most for what it would cost there (the
 * generalised c-mu rule, van Mieghem 1995).
 */
import {SET_UP_MS} from '../../balancing/aiOptimized.ts';
import {transferMs} from '../../balancing/geographicAffinity.ts';
import type {RankedCandidate} from '../../balancing/strategy.ts';
import type {TaskNode} from '../fleet/fleet.ts';
import {Inputs} from './inputs.ts';
import {type Learned, type Row, traitsOf, WARM_MS} from './learned.ts';
import type {Now} from './placement.ts';
import type {Roster} from './roster.ts';
import type {SlotTimes} from './slotTimes.ts';

export interface Expected {
  readonly index: number;
  /** Until done, in ms. */
  readonly completionMs: number;
  /** One try there, failures counted in. */
  readonly durationMs: number;
  readonly startsNow: boolean;
}

/** What one task costs on each agent. */
export class Costs {
  private readonly row: Row;
  private readonly unknownMs: number;
  private readonly worked: Float64Array | undefined;
  private readonly inputs: Inputs | undefined;

  constructor(
    task: TaskNode,
    private readonly roster: Roster,
    private readonly learned: Learned,
    private readonly now: number,
  ) {
    const traits = traitsOf(task);
    this.row = learned.row(traits, now);
    this.unknownMs = learned.typicalIn(this.row, traits);
    this.worked = learned.workedOn(task.session);
    const inputs = task.spec.dependsOn.length > 0 ? new Inputs(task) : undefined;
    this.inputs = inputs?.areBytes ? inputs : undefined;
  }

  /** Milliseconds to a success on the agent, once it begins. */
  on(index: number): number {
    let ratio = this.row.drawn[index] as number;
    if (ratio === 0) ratio = this.learned.fill(this.row, index, this.now);
    let cost = this.unknownMs * ratio;
    if (this.worked) {
      const at = this.worked[index] ?? 0;
      if (at === 0 || this.now - at > WARM_MS) cost += SET_UP_MS;
    }
    return this.inputs ? cost + this.transfer(index, this.inputs) : cost;
  }

  /** On an agent of which nothing is known. */
  get typicalMs(): number {
    return this.unknownMs;
  }

  private transfer(index: number, inputs: Inputs): number {
    const agent = this.roster.agents[index];
    return agent ? transferMs({nearBytes: inputs.nearBytes(agent), farBytes: inputs.farBytes(agent)}) : 0;
  }
}

/** A wait is dearer than it looks: what is awaited may be late, and a slot that is left free meanwhile is lost. */
const PATIENCE = 2;

/** The agent where the task would be done first, with waits counted as dear; undefined when `count` is 0. */
export function firstDone(
  costs: Costs,
  among: Int32Array,
  count: number,
  free: Int32Array,
  slots: SlotTimes,
): Expected | undefined {
  let best = -1;
  let completionMs = Number.POSITIVE_INFINITY;
  let durationMs = 0;
  for (let place = 0; place < count; place += 1) {
    const index = among[place] as number;
    const cost = costs.on(index);
    // Whoever is busy cannot be sooner than it works.
    if (cost >= completionMs) continue;
    const done = cost + PATIENCE * slots.first(index);
    if (done >= completionMs) continue;
    best = index;
    completionMs = done;
    durationMs = cost;
  }
  if (best < 0) return undefined;
  const startsNow = (free[best] as number) > 0 && slots.first(best) <= 0;
  return {index: best, completionMs, durationMs, startsNow};
}

/** How much a task has waited for what it would cost: larger is more urgent. */
export function urgency(task: TaskNode, costs: Costs, index: number, now: Now): number {
  const waited = Math.max(0, now.hub - task.readySince);
  return (waited + costs.typicalMs) / costs.on(index);
}

/** The best of the agents, for the record of the decision. */
export function runnersUp(
  costs: Costs,
  among: Int32Array,
  count: number,
  chosen: number,
  roster: Roster,
  slots: SlotTimes,
): RankedCandidate[] {
  const found: {index: number; cost: number}[] = [];
  for (let place = 0; place < count; place += 1) {
    const index = among[place] as number;
    if (index === chosen) continue;
    const cost = costs.on(index);
    const last = found[1];
    if (last && cost >= last.cost) continue;
    found.push({index, cost});
    found.sort((a, b) => a.cost - b.cost);
    if (found.length > 2) found.pop();
  }
  return found.flatMap(({index, cost}) => {
    const agent = roster.agents[index];
    const waitMs = slots.first(index);
    const features = {expectedMs: cost, waitMs};
    return agent ? [{agentId: agent.id, score: -(cost + waitMs) / 1000, features}] : [];
  });
}
