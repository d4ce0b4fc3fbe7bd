/**
 * Late binding: takes ready tasks in order and gives each to the agent with a free slot that the session's rule ranks best. Pure: time comes
 * as an argument, and what is placed is only reserved in the fleet; making it true is the lead's.
 */
import type {Candidate} from '../balancing/strategy.ts';
import type {AgentRecord} from '../protocol/model/agent.ts';
import {affinityHolds, type PlaceOf} from './affinity.ts';
import {type AgentNode, type Fleet, freeSlots, isOnline, type TaskNode} from './fleet.ts';
import {Heap} from './heap.ts';
import {comesFirst, describePlacement, type PlacementClass, type ReadyQueue} from './readyQueue.ts';
import {describeMisfit, explainMisfit} from './requirements.ts';

export interface Now {
  /** Milliseconds of hub time. */
  readonly hub: number;
  /** Milliseconds since the Unix epoch. */
  readonly wall: number;
}

export interface Placement {
  readonly task: TaskNode;
  readonly agent: AgentNode;
  readonly score: number;
  readonly features: Readonly<Record<string, number>>;
}

/** Dependencies looked at for locality; a merge of thousands has inputs everywhere anyway. */
const LOCALITY_SAMPLE = 256;

export class Scheduler {
  private readonly fits = new Map<AgentNode, {version: number; classes: Map<string, boolean>}>();

  constructor(
    private readonly fleet: Fleet,
    private readonly queue: ReadyQueue,
    /** False while the class must not start anything new: session paused, budget spent. */
    private readonly mayStart: (placement: PlacementClass) => boolean,
  ) {}

  /** Removes from the queue what it returns and reserves the slots. */
  place(now: Now): Placement[] {
    if (this.queue.size === 0) return [];
    const free = [...this.fleet.agents.values()].filter(agent => isFree(agent, now));
    if (free.length === 0) return [];
    const heads = new Heap<{placement: PlacementClass; head: TaskNode}>((a, b) => comesFirst(a.head, b.head));
    for (const placement of this.queue.classes()) {
      const head = this.mayStart(placement) ? this.queue.head(placement) : undefined;
      if (head) heads.push({placement, head});
    }
    const placed: Placement[] = [];
    for (let next = heads.pop(); next && free.length > 0; next = heads.pop()) {
      const {placement, head} = next;
      const candidates = this.candidates(placement, head, free, now);
      if (candidates.length === 0) continue;
      const chosen = this.choose(head, candidates);
      this.reserve(head, chosen.agent, free);
      placed.push(chosen);
      const following = placement.size > 0 ? this.queue.head(placement) : undefined;
      if (following) heads.push({placement, head: following});
    }
    return placed;
  }

  /** A connected agent fits, whether or not it has a free slot or is paused. */
  hasFit(task: TaskNode, placement: PlacementClass): boolean {
    return this.fitting(placement, task, this.connected(placement.session.tenant)).length > 0;
  }

  /** Why nobody fits, for a person; undefined when somebody does. */
  explain(task: TaskNode, placement: PlacementClass): string | undefined {
    if (this.hasFit(task, placement)) return undefined;
    const agents = this.connected(placement.session.tenant).flatMap(agent => agent.record ?? []);
    return (
      explainMisfit(placement.requirements, agents) ??
      'no connected agent satisfies the affinity rules, given where the other tasks ran'
    );
  }

  /** The wall time until which every fitting agent is paused, with the reason; undefined when one is not. */
  pausedUntil(
    task: TaskNode,
    placement: PlacementClass,
    now: Now,
  ): {until: number; reason: string} | undefined {
    let earliest: {until: number; reason: string} | undefined;
    for (const agent of this.fitting(placement, task, this.connected(placement.session.tenant))) {
      const pause = this.pauseOf(agent, placement.isPrompt, now);
      if (!pause) return undefined;
      if (!earliest || pause.until < earliest.until) earliest = pause;
    }
    return earliest;
  }

  /** A connected agent fits that the task does not avoid and that is not `agentId`. */
  hasOther(task: TaskNode, agentId: string): boolean {
    const placement = describePlacement(task);
    return this.fitting(placement, task, this.connected(placement.session.tenant)).some(
      agent => agent.id !== agentId && !task.avoid.includes(agent.id),
    );
  }

  /** Why the agent cannot take the task, for a person, whatever was wished of its place before; undefined when it can. */
  misfit(task: TaskNode, agent: AgentNode): string | undefined {
    const {record} = agent;
    if (!record || !isOnline(agent)) return 'it is not connected';
    const bare = {...task, queuedIn: undefined, record: {...task.record, wished: undefined}};
    const placement = describePlacement(bare);
    return (
      describeMisfit(placement.requirements, record) ??
      (fitsPlaces(placement, task, agent)
        ? undefined
        : 'its affinity rules do not hold there, given where the other tasks ran')
    );
  }

  forget(agent: AgentNode): void {
    this.fits.delete(agent);
  }

  private candidates(
    placement: PlacementClass,
    task: TaskNode,
    free: readonly AgentNode[],
    now: Now,
  ): AgentNode[] {
    const fitting = this.fitting(placement, task, free).filter(
      agent => !this.pauseOf(agent, placement.isPrompt, now),
    );
    if (fitting.length === 0) return fitting;
    const willing = placement.avoid.length === 0 ? fitting : this.withoutAvoided(placement, task, fitting);
    return preferred(task, willing);
  }

  /** Agents where the task failed by their fault are used again only when no other is connected. */
  private withoutAvoided(
    placement: PlacementClass,
    task: TaskNode,
    fitting: readonly AgentNode[],
  ): AgentNode[] {
    const isAvoided = (agent: AgentNode): boolean => placement.avoid.includes(agent.id);
    const others = this.fitting(placement, task, this.connected(placement.session.tenant));
    return others.every(isAvoided) ? [...fitting] : fitting.filter(agent => !isAvoided(agent));
  }

  private fitting(placement: PlacementClass, task: TaskNode, agents: readonly AgentNode[]): AgentNode[] {
    return agents.filter(agent => this.fitsRecord(placement, agent) && fitsPlaces(placement, task, agent));
  }

  private fitsRecord(placement: PlacementClass, agent: AgentNode): boolean {
    const {record} = agent;
    if (!record || agent.tenant !== placement.session.tenant) return false;
    let known = this.fits.get(agent);
    if (!known || known.version !== agent.version) {
      known = {version: agent.version, classes: new Map()};
      this.fits.set(agent, known);
    }
    let fits = known.classes.get(placement.key);
    if (fits === undefined) {
      if (known.classes.size >= 4096) known.classes.clear();
      fits = placement.requirements.every(requirement => requirement.meets(record));
      known.classes.set(placement.key, fits);
    }
    return fits;
  }

  private connected(tenant: string): AgentNode[] {
    return [...this.fleet.agents.values()].filter(agent => agent.tenant === tenant && isOnline(agent));
  }

  private pauseOf(
    agent: AgentNode,
    isPrompt: boolean,
    now: Now,
  ): {until: number; reason: string} | undefined {
    const {record} = agent;
    const holds = isPrompt || record?.pausedBy === undefined;
    if (holds && record?.pausedUntil !== undefined && record.pausedUntil > now.wall)
      return {until: record.pausedUntil, reason: record.pauseReason ?? 'paused'};
    const account = record?.instance.metadata.account;
    if (!isPrompt || account === undefined) return undefined;
    const pause = this.fleet.accounts.get(`${agent.tenant}/${account}`);
    return pause && pause.until > now.wall ? pause : undefined;
  }

  private choose(task: TaskNode, agents: readonly AgentNode[]): Placement {
    const local = localInputs(task);
    const candidates: Candidate[] = agents.flatMap(agent =>
      agent.record
        ? {
            instance: agent.record.instance,
            running: agent.attempts.size + agent.reserved,
            slots: agent.record.instance.metadata.maxConcurrentTasks,
            localInputs: local.get(agent.id) ?? 0,
            lastPlaced: agent.lastPlaced,
          }
        : [],
    );
    const [best] = task.session.rule.rank(candidates, task.spec);
    const agent = agents.find(candidate => candidate.id === best?.agentId) ?? (agents[0] as AgentNode);
    return {task, agent, score: best?.score ?? 0, features: best?.features ?? {}};
  }

  private reserve(task: TaskNode, agent: AgentNode, free: AgentNode[]): void {
    this.queue.remove(task);
    agent.reserved += 1;
    agent.lastPlaced = this.fleet.nextPlacement();
    if (freeSlots(agent) <= 0) free.splice(free.indexOf(agent), 1);
  }
}

function isFree(agent: AgentNode, now: Now): boolean {
  return isOnline(agent) && freeSlots(agent) > 0 && agent.coolUntil <= now.hub;
}

function placesIn(task: TaskNode): PlaceOf {
  return taskId => task.session.tasks.get(taskId)?.lastAgent;
}

function fitsPlaces(placement: PlacementClass, task: TaskNode, agent: AgentNode): boolean {
  if (!placement.dependsOnPlaces) return true;
  const record = agent.record as AgentRecord;
  return task.spec.affinity.every(
    rule => rule.strength === 'prefer' || affinityHolds(rule, record, placesIn(task)),
  );
}

/** Those that satisfy most of the preferred rules. */
function preferred(task: TaskNode, agents: AgentNode[]): AgentNode[] {
  const rules = task.spec.affinity.filter(rule => rule.strength === 'prefer');
  if (rules.length === 0) return agents;
  const placeOf = placesIn(task);
  const held = agents.map(
    agent => rules.filter(rule => agent.record && affinityHolds(rule, agent.record, placeOf)).length,
  );
  const most = Math.max(...held);
  return agents.filter((_, index) => held[index] === most);
}

function localInputs(task: TaskNode): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of task.spec.dependsOn.slice(0, LOCALITY_SAMPLE)) {
    const place = task.session.tasks.get(id)?.lastAgent;
    if (place) counts.set(place.id, (counts.get(place.id) ?? 0) + 1);
  }
  return counts;
}
