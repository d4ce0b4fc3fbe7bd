/**
 * One look through the queue for one cell of agents: what of it starts where, now. Agents are reserved at once, so that later tasks of the same
 * look find the rest; the queue itself is changed by the caller afterwards.
 */
import {capabilityWeighted} from '../../balancing/capabilityWeighted.ts';
import type {Prediction} from '../../balancing/performanceModel.ts';
import {
  type ConsultedRule,
  expectsCompletion,
  isConsulted,
  type PlacementRule,
} from '../../balancing/strategy.ts';
import type {BackupOf} from '../../protocol/model/attempt.ts';
import type {AgentNode, Fleet, TaskNode} from '../fleet/fleet.ts';
import type {Lane, PlacementClass, ReadyQueue} from '../queue/readyQueue.ts';
import type {Visit} from '../queue/walk.ts';
import type {Backups} from './backups.ts';
import type {Eligibility} from './eligibility.ts';
import {Costs, firstDone, runnersUp, urgency} from './expected.ts';
import type {Learned} from './learned.ts';
import type {Now, Placement} from './placement.ts';
import {type Choice, chooseBy, hashInputs} from './ranking.ts';
import type {Roster} from './roster.ts';
import type {SlotTimes} from './slotTimes.ts';
import {Spill} from './spill.ts';

/** The parts of one tenant's scheduler that a pass uses. */
export interface PassParts {
  readonly fleet: Fleet;
  readonly queue: ReadyQueue;
  readonly roster: Roster;
  readonly eligibility: Eligibility;
  readonly learned: Learned;
  readonly slots: SlotTimes;
  /** Milliseconds that a task in mode `auto` may wait for an internal agent. */
  readonly autoWaitMs: number;
  /** False while the class must not start anything new: session paused, budget spent. */
  mayStart(placement: PlacementClass): boolean;
  /** False while the task must not have a second attempt beside its first. */
  mayDouble(task: TaskNode): boolean;
  /** Has the rule asked which of these agents had better get the task. */
  ask(task: TaskNode, rule: ConsultedRule, among: readonly number[]): void;
}

export interface Cell {
  readonly tenant: string;
  /** Connected agents. */
  readonly members: readonly number[];
  /** Those with a free slot when the pass begins. */
  readonly free: readonly number[];
  /** Of the members, taken or not. */
  readonly slots: number;
  /** Attempts that may be started at most. */
  readonly most: number;
}

/** Tasks that are promised a slot for each slot that there is: further back nothing can start soon. */
const WINDOW_PER_SLOT = 2;
const LEAST_WINDOW = 16;
/** Several times the slots of a cell. */
const MOST_WINDOW = 1024;
/** Of a class of tasks in a long queue, from its head: what is further back is hardly more urgent. */
const LONG_WINDOW = 4;
/** Of the agents that might have taken it instead, where the agent was there before the task: they are for the record alone. */
const SHOWN_OF_LONG = 32;

/** `waits`: for an agent that it had better have. */
type Ranked = 'placed' | 'nobody' | 'waits';

interface Found {
  readonly among: Int32Array;
  readonly count: number;
}

const NONE: Found = {among: new Int32Array(0), count: 0};
const CLOSED: ClassView = {may: false, withSlot: NONE, connected: undefined};

/** What the pass has found out about a class. */
interface ClassView {
  /** It may start something, and an agent with a free slot fits. */
  readonly may: boolean;
  readonly withSlot: Found;
  connected: Found | undefined;
}

interface Urgent {
  readonly task: TaskNode;
  readonly placement: PlacementClass;
  readonly costs: Costs;
  readonly urgency: number;
}

export class Pass {
  private readonly placed: Placement[] = [];
  private readonly connected = new Map<string, Found>();
  private readonly withSlot = new Map<string, Found>();
  private readonly views = new Map<PlacementClass, ClassView>();
  private readonly window: number;
  private readonly spill: Spill;
  private left = 0;
  private visited = 0;

  constructor(
    private readonly parts: PassParts,
    private readonly cell: Cell,
    private readonly now: Now,
  ) {
    this.spill = new Spill(parts, cell.tenant, now);
    for (const index of cell.free) this.left += parts.roster.free[index] ?? 0;
    this.left = Math.min(this.left, cell.most);
    this.window = Math.min(MOST_WINDOW, Math.max(LEAST_WINDOW, WINDOW_PER_SLOT * cell.slots));
  }

  run(): readonly Placement[] {
    this.parts.slots.begin(this.now);
    this.parts.queue.walk(this.cell.tenant, (task, placement) => this.visit(task, placement));
    return this.placed;
  }

  /**
   * The queue is long: nobody need wait for anybody, so that each free slot takes what is most urgent there of the session whose turn it is.
   * Takes what it places out of the queue.
   */
  runLong(): readonly Placement[] {
    const {roster, slots} = this.parts;
    slots.begin(this.now);
    for (const index of this.cell.free)
      while (this.left > 0 && (roster.free[index] ?? 0) > 0) {
        const found = this.mostUrgent(index);
        if (!found) break;
        this.startUrgent(found, index);
      }
    return this.placed;
  }

  /** Second attempts instead, of what runs too long. */
  runBackups(backups: Backups): readonly Placement[] {
    this.parts.slots.begin(this.now);
    const reasons = new Map<TaskNode, BackupOf>();
    for (const {task, beside, costs, index, considered} of backups.due(this.cell, this.now)) {
      const among = Int32Array.from(considered);
      const rule = task.rule ?? task.session.rule;
      this.startExpected(task, costs, index, rule, {among, count: among.length});
      reasons.set(task, beside);
      if (this.left <= 0) break;
    }
    return this.placed.map(one => ({...one, beside: reasons.get(one.task)}));
  }

  private visit(task: TaskNode, placement: PlacementClass): Visit {
    if (this.left <= 0) return 'stop';
    const view = this.viewOf(placement);
    if (!view.may) return 'skipClass';
    const rule = task.rule ?? task.session.rule;
    if (!this.isExpecting(task, placement)) {
      const ranked = this.rank(task, placement, rule, view.withSlot);
      if (ranked === 'waits') this.visited += 1;
      // Who waits further back is not looked at yet.
      const isEnough = ranked === 'waits' && this.visited >= this.window;
      return ranked === 'nobody' || isEnough ? 'skipClass' : 'next';
    }
    if (this.visited >= this.window) return 'stop';
    this.visited += 1;
    const {roster, learned} = this.parts;
    const costs = new Costs(task, roster, learned, this.now.hub);
    this.expect(task, placement, costs, rule);
    return 'next';
  }

  private rank(task: TaskNode, placement: PlacementClass, rule: PlacementRule, found: Found): Ranked {
    const {roster, eligibility, learned} = this.parts;
    const withSlot: number[] = [];
    for (let place = 0; place < found.count; place += 1) {
      const index = found.among[place] as number;
      if ((roster.free[index] ?? 0) > 0) withSlot.push(index);
    }
    const fitting = eligibility.narrowed(placement, task, withSlot);
    if (fitting.length === 0) return 'nobody';
    const among = this.admitted(task, placement, fitting);
    if (among.length === 0) return 'waits';
    const {used, insteadOf} = this.advised(rule, task, among);
    if (!used) return 'waits';
    const choice = chooseBy(used, task, among, roster, learned, this.now.hub);
    const agent = roster.agents[choice.index] as AgentNode;
    const prediction = learned.predict(agent, task, this.now.hub);
    this.start(task, choice, used.name, {among, count: among.length}, prediction, insteadOf);
    return 'placed';
  }

  /** The rule that decides among them: one that has to be waited for decides by what it answered. None: it is asked first. */
  private advised(
    rule: PlacementRule,
    task: TaskNode,
    among: readonly number[],
  ): {readonly used: PlacementRule | undefined; readonly insteadOf?: Placement['insteadOf']} {
    if (!isConsulted(rule))
      return {used: expectsCompletion(rule) && !this.parts.learned.knows() ? capabilityWeighted : rule};
    const {advice} = task;
    const ids = new Set(among.map(index => this.parts.roster.agents[index]?.id));
    if (advice?.rule === rule && advice.kind === 'given') {
      const open = advice.ranked.filter(({agentId}) => ids.has(agentId));
      if (open.length > 0) return {used: {name: rule.name, rank: () => open}};
    }
    if (advice?.rule === rule && advice.kind === 'none')
      return {used: capabilityWeighted, insteadOf: {strategy: rule.name, reason: advice.reason}};
    if (advice?.rule !== rule || advice.kind !== 'asked') this.parts.ask(task, rule, among);
    return {used: undefined};
  }

  /** Of the agents with a free slot those that it should have now; none: it waits for another. */
  private admitted(task: TaskNode, placement: PlacementClass, free: readonly number[]): readonly number[] {
    if (!placement.session.modes.prefersInternal) return free;
    const own = free.filter(index => this.parts.roster.isInternal(index));
    if (own.length > 0) return own;
    const awaited = this.spill.internalFor(task, placement);
    if (awaited === undefined) return free;
    this.spill.promise(task, awaited);
    return [];
  }

  private expect(task: TaskNode, placement: PlacementClass, costs: Costs, rule: PlacementRule): void {
    const {roster, slots} = this.parts;
    const {among, count} = this.expectable(task, placement);
    const expected = firstDone(costs, among, count, roster.free, slots);
    if (!expected) return;
    slots.promise(expected.index, expected.durationMs);
    if (expected.startsNow) this.startExpected(task, costs, expected.index, rule, {among, count});
  }

  /** The agents to which it may be promised. */
  private expectable(task: TaskNode, placement: PlacementClass): Found {
    const prefers = placement.session.modes.prefersInternal;
    if (!prefers || this.spill.internalFor(task, placement) === undefined) return this.connectedOf(placement);
    const among = Int32Array.from(this.spill.internals(placement));
    return {among, count: among.length};
  }

  /** Placed by expected completion, and not by a rule among the free ones. */
  private isExpecting(task: TaskNode, placement: PlacementClass): boolean {
    if (placement.dependsOnPlaces || placement.prefers || placement.avoid.length > 0) return false;
    return expectsCompletion(task.rule ?? task.session.rule) && this.parts.learned.knows();
  }

  private startUrgent({task, placement, costs}: Urgent, index: number): void {
    const rule = task.rule ?? task.session.rule;
    const eligible = this.viewOf(placement).withSlot;
    let isClosed = false;
    if (this.isExpecting(task, placement)) this.startExpected(task, costs, index, rule, this.some(eligible));
    else isClosed = this.rank(task, placement, rule, eligible) !== 'placed';
    if (isClosed) this.views.set(placement, CLOSED);
    else this.parts.queue.serve(task);
  }

  private some({among, count}: Found): Found {
    if (count <= SHOWN_OF_LONG) return {among, count};
    const from = (this.placed.length * SHOWN_OF_LONG) % (count - SHOWN_OF_LONG);
    return {among: among.subarray(from, from + SHOWN_OF_LONG), count: SHOWN_OF_LONG};
  }

  /** Of the tasks of the highest priority that the agent may take: those of the first session that has any. */
  private mostUrgent(index: number): Urgent | undefined {
    const {queue} = this.parts;
    let best: Urgent | undefined;
    for (let place = 0; ; place += 1) {
      const lane = queue.lane(this.cell.tenant, place);
      const priority = lane?.next?.spec.priority ?? Number.NEGATIVE_INFINITY;
      if (!lane || (best && priority <= best.task.spec.priority)) return best;
      best = this.mostUrgentOf(lane, index, best);
    }
  }

  private mostUrgentOf(lane: Lane, index: number, before: Urgent | undefined): Urgent | undefined {
    let best = before;
    for (let place = 0; ; place += 1) {
      const placement = lane.classes.nth(place);
      if (!placement?.next || (best && placement.next.spec.priority < best.task.spec.priority)) return best;
      if (!this.viewOf(placement).may || !this.parts.eligibility.allows(placement, index, this.now.wall))
        continue;
      if (this.isLeftToInternal(placement.next, placement, index)) continue;
      // What a rule decides goes in the order of the queue.
      if (!this.isExpecting(placement.next, placement)) {
        if (!best || best === before) return this.urgent(placement.next, placement, index);
        continue;
      }
      for (let at = 0; at < LONG_WINDOW; at += 1) {
        const task = placement.entries.at(0, at);
        if (!task) break;
        const found = this.urgent(task, placement, index);
        if (!best || comesBefore(found, best)) best = found;
      }
    }
  }

  /** It had better wait for another agent than this one. */
  private isLeftToInternal(task: TaskNode, placement: PlacementClass, index: number): boolean {
    if (!placement.session.modes.prefersInternal || this.parts.roster.isInternal(index)) return false;
    return this.spill.internalFor(task, placement, placement.entries.size) !== undefined;
  }

  private urgent(task: TaskNode, placement: PlacementClass, index: number): Urgent {
    const {roster, learned} = this.parts;
    const costs = new Costs(task, roster, learned, this.now.hub);
    return {task, placement, costs, urgency: urgency(task, costs, index, this.now)};
  }

  private startExpected(
    task: TaskNode,
    costs: Costs,
    index: number,
    rule: PlacementRule,
    {among, count}: Found,
  ): void {
    const {roster, learned, slots} = this.parts;
    const agent = roster.agents[index];
    if (!agent) return;
    const cost = costs.on(index);
    const prediction = learned.predict(agent, task, this.now.hub);
    const features = {
      expectedMs: cost,
      waitMs: 0,
      durationMs: prediction.durationMs,
      success: prediction.success,
      ratio: prediction.ratio,
      n: prediction.n,
      warm: learned.isWarm(agent, task.session, this.now.hub) ? 1 : 0,
    };
    const chosen = {agentId: agent.id, score: -cost / 1000, features};
    const others = runnersUp(costs, among, count, index, roster, slots);
    this.start(task, {index, best: [chosen, ...others]}, rule.name, {among, count}, prediction);
  }

  private start(
    task: TaskNode,
    {index, best}: Choice,
    strategy: string,
    {among, count: considered}: {readonly among: ArrayLike<number>; readonly count: number},
    prediction: Prediction,
    insteadOf?: Placement['insteadOf'],
  ): void {
    const {roster, learned, slots, fleet} = this.parts;
    const agent = roster.agents[index] as AgentNode;
    const [chosen, ...others] = best;
    this.placed.push({
      task,
      agent,
      strategy,
      insteadOf,
      score: chosen?.score ?? 0,
      features: chosen?.features ?? {},
      considered,
      others,
      prediction,
      seed: learned.seed,
      inputHash: hashInputs(task, among, considered, roster),
    });
    task.advice = undefined;
    agent.reserved += 1;
    agent.lastPlaced = fleet.nextPlacement();
    roster.took(agent);
    slots.took(index, prediction.durationMs);
    learned.touch(agent, task.session, this.now.hub);
    this.left -= 1;
  }

  private viewOf(placement: PlacementClass): ClassView {
    let view = this.views.get(placement);
    if (!view) {
      const may = this.parts.mayStart(placement);
      const withSlot = may ? this.found(this.withSlot, placement, this.cell.free) : NONE;
      view = {may: may && withSlot.count > 0, withSlot, connected: undefined};
      this.views.set(placement, view);
    }
    return view;
  }

  private connectedOf(placement: PlacementClass): Found {
    const view = this.viewOf(placement);
    view.connected ??= this.found(this.connected, placement, this.cell.members);
    return view.connected;
  }

  /** Of the agents those that fit the class and are not paused; found once for all classes that ask the same. */
  private found(known: Map<string, Found>, placement: PlacementClass, agents: readonly number[]): Found {
    const {roster, eligibility} = this.parts;
    const key = roster.areReserved ? placement.key : placement.ask;
    let found = known.get(key);
    if (!found) {
      const among = new Int32Array(agents.length);
      found = {among, count: eligibility.collect(placement, agents, this.now.wall, among)};
      known.set(key, found);
    }
    return found;
  }
}

function comesBefore(a: Urgent, b: Urgent): boolean {
  const [first, second] = [a.task.spec.priority, b.task.spec.priority];
  return first === second ? a.urgency > b.urgency : first > second;
}
