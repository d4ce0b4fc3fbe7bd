/**
 * Late binding: takes ready tasks in order and gives each to an agent with a free slot, as the task's strategy chooses. Pure: time comes as an
 * argument, and what is placed is only reserved in the fleet; making it true is the lead's.
 */
import {capabilityWeighted} from '../../balancing/capabilityWeighted.ts';
import {PerformanceModel} from '../../balancing/performanceModel.ts';
import {
  type Candidate,
  type ConsultedRule,
  expectsCompletion,
  type PlacementRule,
} from '../../balancing/strategy.ts';
import type {TaskSpecification} from '../../protocol/plan/plan.ts';
import {
  type AgentNode,
  type Fleet,
  isOnline,
  type SessionNode,
  type TaskNode,
  takenSlots,
} from '../fleet/fleet.ts';
import {describePlacement, type PlacementClass, type ReadyQueue} from '../queue/readyQueue.ts';
import {describeMisfit, explainMisfit} from '../queue/requirements.ts';
import {Backups} from './backups.ts';
import {CandidateView, snapshotOf} from './candidateView.ts';
import {Eligibility, type Pause} from './eligibility.ts';
import {fairShares} from './fairShares.ts';
import {Fits} from './fits.ts';
import {Inputs} from './inputs.ts';
import {Learned} from './learned.ts';
import {type Cell, Pass, type PassParts} from './pass.ts';
import type {Now, Placement} from './placement.ts';
import {Roster} from './roster.ts';
import {SlotTimes} from './slotTimes.ts';

export type {Now, Placement} from './placement.ts';

/** Agents that are looked at together where looking at all would cost too much. */
const CELL = 96;
/** A queue this many times the slots that are looked at together is long. */
const LONG = 1.5;
/** Pairs of tasks and agents that may be looked at in one cell of all agents. */
const PAIRS = 16_384;

export interface SchedulerOptions {
  /** Of the draws with which strategies explore. */
  readonly seed?: number;
  /** Milliseconds that a task in mode `auto` may wait for an internal agent. */
  readonly autoWaitMs?: number;
  /** Attempts at once, of all tenants together; 0: as many as there are slots. */
  readonly maxRunning?: number;
  /** Weights of tenants in that; 1 where none is named. */
  readonly shares?: ReadonlyMap<string, number>;
  /** False while a second attempt of the task may not begin, whatever its plan says: there is no money for it. Default: it may. */
  readonly mayDouble?: (task: TaskNode) => boolean;
  /** Asks a strategy that has to be waited for. Default: nobody does, and tasks that want one wait. */
  readonly ask?: (question: Question) => void;
}

/** Which of the candidates had better get the task? They are as they were when it was asked. */
export interface Question {
  readonly task: TaskNode;
  readonly rule: ConsultedRule;
  readonly candidates: readonly Candidate[];
}

interface TenantParts {
  readonly learned: Learned;
  readonly slots: SlotTimes;
  readonly backups: Backups;
}

export class Scheduler {
  private readonly roster: Roster;
  private readonly fits: Fits;
  private readonly eligibility: Eligibility;
  private readonly tenants = new Map<string, TenantParts>();
  private firstCell = 0;
  /** Of the look that is under way. */
  private now: Now = {hub: 0, wall: 0};

  constructor(
    private readonly fleet: Fleet,
    private readonly queue: ReadyQueue,
    /** False while the class must not start anything new: session paused, budget spent. */
    private readonly mayStart: (placement: PlacementClass) => boolean,
    private readonly options: SchedulerOptions = {},
  ) {
    this.roster = new Roster(fleet);
    this.fits = new Fits(this.roster);
    this.eligibility = new Eligibility(fleet, this.roster, this.fits);
  }

  /** Removes from the queue what it returns and reserves the slots. */
  place(now: Now): Placement[] {
    this.now = now;
    this.roster.refresh(now.hub);
    const placed: Placement[] = [];
    if (this.queue.size === 0) return placed;
    const room = this.room();
    if (room === Number.POSITIVE_INFINITY)
      for (const tenant of this.roster.tenants()) this.placeOf(tenant, Number.POSITIVE_INFINITY, now, placed);
    else this.placeFairly(room, now, placed);
    return placed;
  }

  /** Of connected agents, taken or not. */
  slotsOf(tenant: string): number {
    this.roster.refresh(0);
    return this.roster.slotsOf(tenant);
  }

  /** Agents that may take the task, free or not, as a strategy sees them; none, with why, when nobody fits. */
  candidates(task: TaskNode, now: Now): {readonly candidates: readonly Candidate[]; readonly misfit: string} {
    const placement = describePlacement(task);
    const fitting = this.connected(task).filter(index => this.eligibility.allows(placement, index, now.wall));
    const among = this.eligibility.narrowed(placement, task, fitting);
    if (among.length > 0) return {candidates: this.seenBy(task, among, now.hub), misfit: ''};
    const paused = this.pausedUntil(task, placement, now);
    const misfit = paused
      ? `every agent that fits is paused: ${paused.reason}`
      : this.explain(task, placement);
    return {candidates: [], misfit: misfit ?? 'no agent is connected'};
  }

  /** Its rule, or the one that decides while too little is known. */
  ruleOf({rule, session}: TaskNode): PlacementRule {
    const wanted = rule ?? session.rule;
    const isEarly = expectsCompletion(wanted) && !this.partsOf(session.tenant).learned.knows();
    return isEarly ? capabilityWeighted : wanted;
  }

  private seenBy(task: TaskNode, among: readonly number[], hub: number): Candidate[] {
    const {learned} = this.partsOf(task.session.tenant);
    const inputs = new Inputs(task);
    return among.flatMap(index => {
      const agent = this.roster.agents[index];
      return agent?.record ? [snapshotOf(new CandidateView(task, inputs, learned, hub, agent))] : [];
    });
  }

  /** As many attempts run as may run at once. */
  isFull(): boolean {
    return this.room() <= 0;
  }

  /** Second attempts that are worth it now, beside stragglers whose tasks allow it. Reserves the slots; leaves the queue alone. */
  backups(now: Now): Placement[] {
    this.roster.refresh(now.hub);
    const placed: Placement[] = [];
    for (const [tenant, parts] of this.tenants) {
      parts.learned.watch(this.connectedIn(tenant), now);
      const free = this.roster.freeAgents(tenant);
      const most = this.room();
      if (most <= 0) break;
      if (free.size === 0 || !parts.backups.isDue(now)) continue;
      const cell = {...this.wholeCell(tenant), most};
      placed.push(...new Pass(this.passParts(parts), cell, now).runBackups(parts.backups));
    }
    return placed;
  }

  /** Tasks of the session whose attempts take so long that a fresh try on a free agent is expected to be done sooner. */
  stragglers({tenant, id}: SessionNode, now: Now): TaskNode[] {
    this.roster.refresh(now.hub);
    const {backups} = this.partsOf(tenant);
    const cell = this.wholeCell(tenant);
    return backups.stragglers(cell, now).filter(task => task.session.id === id);
  }

  /** What is known of the tenant's agents. */
  learned(tenant: string): Learned {
    return this.partsOf(tenant).learned;
  }

  /** By tenant. */
  *models(): Generator<readonly [string, PerformanceModel]> {
    for (const [tenant, {learned}] of this.tenants) yield [tenant, learned.model];
  }

  /** Goes on from what an earlier term learned. */
  restore(tenant: string, model: PerformanceModel): void {
    this.tenants.set(tenant, this.newParts(model));
  }

  /** Teaches what an attempt took; `stopped`: it was ended from outside. */
  observe(
    task: TaskNode,
    agent: AgentNode,
    durationMs: number,
    outcome: 'succeeded' | 'failed' | 'stopped',
    now: Now,
  ): void {
    const {learned} = this.partsOf(agent.tenant);
    learned.observe(agent, task, durationMs, outcome, now.hub);
    learned.touch(agent, task.session, now.hub);
  }

  /** Expected milliseconds of one attempt wherever it runs, for ranks. */
  typicalMs(tenant: string, spec: TaskSpecification, now: Now): number {
    return this.partsOf(tenant).learned.typicalMs(spec, now.hub);
  }

  /** A connected agent fits, whether or not it has a free slot or is paused. */
  hasFit(task: TaskNode, placement: PlacementClass): boolean {
    return this.connected(task).some(index => this.eligibility.fitsTask(placement, task, index));
  }

  /** Why nobody fits, for a person; undefined when somebody does. */
  explain(task: TaskNode, placement: PlacementClass): string | undefined {
    if (this.hasFit(task, placement)) return undefined;
    const agents = this.connected(task).flatMap(index => this.roster.agents[index]?.record ?? []);
    return (
      explainMisfit(placement.requirements, agents) ??
      'no connected agent satisfies the affinity rules, given where the other tasks ran'
    );
  }

  /** The wall time until which every fitting agent is paused, with the reason; undefined when one is not. */
  pausedUntil(task: TaskNode, placement: PlacementClass, now: Now): Pause | undefined {
    let earliest: Pause | undefined;
    for (const index of this.connected(task)) {
      const agent = this.roster.agents[index];
      if (!agent || !this.eligibility.fitsTask(placement, task, index)) continue;
      const pause = this.eligibility.pauseOf(agent, placement.isPrompt, now.wall);
      if (!pause) return undefined;
      if (!earliest || pause.until < earliest.until) earliest = pause;
    }
    return earliest;
  }

  /** A connected agent fits that the task does not avoid and that is not `agentId`. */
  hasOther(task: TaskNode, agentId: string): boolean {
    const placement = describePlacement(task);
    return this.connected(task).some(index => {
      const id = this.roster.agents[index]?.id ?? agentId;
      if (id === agentId || task.avoid.includes(id)) return false;
      return this.eligibility.fitsTask(placement, task, index);
    });
  }

  /** An agent that fits, that the task does not avoid and that is not `but`, has a slot free for it. */
  hasFree(task: TaskNode, now: Now, but?: string): boolean {
    const placement = describePlacement(task);
    this.roster.refresh(now.hub);
    const free = this.roster.freeAgents(task.session.tenant).list;
    return free.some(
      index =>
        this.roster.agents[index]?.id !== but && this.eligibility.mayTake(placement, task, index, now.wall),
    );
  }

  /** Why the agent cannot take the task, for a person, whatever was wished of its place before; undefined when it can. */
  misfit(task: TaskNode, agent: AgentNode): string | undefined {
    const {record} = agent;
    if (!record || !isOnline(agent)) return 'it is not connected';
    this.roster.refresh(0);
    const bare = {...task, queuedIn: undefined, record: {...task.record, wished: undefined}};
    const placement = describePlacement(bare);
    return (
      describeMisfit(placement.requirements, record) ??
      (this.eligibility.fitsTask(placement, task, agent.index)
        ? undefined
        : 'its affinity rules do not hold there, given where the other tasks ran')
    );
  }

  forget(agent: AgentNode): void {
    this.roster.forget(agent);
    this.fits.forget(agent.index);
    this.tenants.get(agent.tenant)?.learned.forget(agent);
  }

  private connected(task: TaskNode): readonly number[] {
    this.roster.refresh(0);
    return this.connectedIn(task.session.tenant);
  }

  private connectedIn(tenant: string): readonly number[] {
    return this.roster.connected(tenant).list;
  }

  /** How many more attempts may run. */
  private room(): number {
    const {maxRunning = 0} = this.options;
    return maxRunning === 0 ? Number.POSITIVE_INFINITY : maxRunning - this.running();
  }

  /** Attempts that hold a slot, of all tenants or of one. */
  private running(tenant?: string): number {
    let count = 0;
    for (const agent of this.fleet.agents.values())
      if (tenant === undefined || agent.tenant === tenant) count += takenSlots(agent);
    return count;
  }

  /** What may still run is shared out; what a tenant can make nothing of goes to the others. */
  private placeFairly(room: number, now: Now, placed: Placement[]): void {
    const open = new Set([...this.roster.tenants()].filter(tenant => this.queue.sizeOf(tenant) > 0));
    let left = room;
    while (left > 0 && open.size > 0) {
      const claims = [...open].map(tenant => ({
        tenant,
        running: this.running(tenant),
        wanted: Math.min(this.queue.sizeOf(tenant), this.roster.freeSlotsOf(tenant)),
        share: this.options.shares?.get(tenant) ?? 1,
      }));
      for (const {tenant, wanted, more} of fairShares(claims, left)) {
        const before = placed.length;
        if (more > 0) this.placeOf(tenant, more, now, placed);
        const count = placed.length - before;
        left -= count;
        if (count < more || wanted === 0) open.delete(tenant);
      }
    }
  }

  /** Starts at most `most`. */
  private placeOf(tenant: string, most: number, now: Now, placed: Placement[]): void {
    const waiting = this.queue.sizeOf(tenant);
    if (waiting === 0) return;
    let left = most;
    const free = this.roster.freeAgents(tenant);
    if (free.size === 0) return;
    const connected = this.roster.connected(tenant).list;
    const {queue} = this;
    const own = this.partsOf(tenant);
    const parts = this.passParts(own);
    const all = this.roster.slotsOf(tenant);
    const isOne = connected.length <= CELL || connected.length * waiting <= PAIRS;
    const cells = isOne ? 1 : Math.ceil(connected.length / CELL);
    if (waiting > (LONG * all) / cells && this.isExpected(tenant, own.learned)) {
      for (const one of new Pass(parts, {...this.wholeCell(tenant), most}, now).runLong()) {
        own.backups.earn(one.prediction.durationMs);
        placed.push(one);
      }
      return;
    }
    this.firstCell = (this.firstCell + 1) % cells;
    for (let turn = 0; turn < cells && queue.sizeOf(tenant) > 0 && left > 0; turn += 1) {
      const cell = (this.firstCell + turn) % cells;
      const members = isOne ? connected : connected.slice(cell * CELL, (cell + 1) * CELL);
      const open = members.filter(index => free.has(index));
      if (open.length === 0) continue;
      for (;;) {
        const found = new Pass(
          parts,
          {tenant, members, free: open, slots: all / cells, most: left},
          now,
        ).run();
        left -= found.length;
        for (const one of found) {
          queue.serve(one.task);
          own.backups.earn(one.prediction.durationMs);
        }
        placed.push(...found);
        const isDone = found.length === 0 || left <= 0 || queue.sizeOf(tenant) === 0;
        if (isDone || !open.some(index => free.has(index))) break;
      }
    }
  }

  /** What the session whose turn it is wants is placed by expected completion. */
  private isExpected(tenant: string, learned: Learned): boolean {
    const next = this.queue.lane(tenant, 0)?.next;
    return next !== undefined && learned.knows() && expectsCompletion(next.rule ?? next.session.rule);
  }

  /** All agents of the tenant together. */
  private wholeCell(tenant: string): Cell {
    const free = [...this.roster.freeAgents(tenant).list];
    const most = Number.POSITIVE_INFINITY;
    return {tenant, members: this.connectedIn(tenant), free, slots: this.roster.slotsOf(tenant), most};
  }

  private passParts({learned, slots}: Pick<TenantParts, 'learned' | 'slots'>): PassParts {
    const {fleet, queue, roster, eligibility, mayStart} = this;
    const {autoWaitMs = 0, mayDouble = () => true} = this.options;
    const ask: PassParts['ask'] = (task, rule, among) =>
      this.options.ask?.({task, rule, candidates: this.seenBy(task, among, this.now.hub)});
    return {fleet, queue, roster, eligibility, learned, slots, mayStart, mayDouble, ask, autoWaitMs};
  }

  private partsOf(tenant: string): TenantParts {
    let parts = this.tenants.get(tenant);
    if (!parts) {
      parts = this.newParts(new PerformanceModel());
      this.tenants.set(tenant, parts);
    }
    return parts;
  }

  private newParts(model: PerformanceModel): TenantParts {
    const learned = new Learned(this.roster, this.options.seed ?? 0, model);
    const slots = new SlotTimes(this.roster, learned);
    return {learned, slots, backups: new Backups(this.passParts({learned, slots}))};
  }
}
