/**
 * The one central queue of ready tasks, by tenant, and split into classes of tasks that ask the same of an agent, so that a thousand tasks which nobody can
 * take cost one look. Order: priority, then sessions in fair turns, then upward rank, then age. Knows nothing of agents' load.
 */
import {estimateOf} from '../../balancing/taskClass.ts';
import type {SessionNode, TaskNode} from '../fleet/fleet.ts';
import {isBetweenTasks} from './affinity.ts';
import {OrderedList} from './orderedList.ts';
import {type Requirement, recheckRequirements, requirementsOf, wishRequirements} from './requirements.ts';
import {taskBefore, turnBefore, type Visit, type Visited, walkLanes} from './walk.ts';

export interface PlacementClass {
  readonly key: string;
  /** The same for classes that ask the same of an agent, whatever their session. */
  readonly ask: string;
  readonly session: SessionNode;
  readonly isPrompt: boolean;
  readonly requirements: readonly Requirement[];
  /** Where it may run depends on where other tasks run. */
  readonly dependsOnPlaces: boolean;
  /** It would rather run near other tasks, or on certain agents. */
  readonly prefers: boolean;
  readonly avoid: readonly string[];
  readonly entries: OrderedList<TaskNode>;
  /** The first of the entries. */
  next: TaskNode | undefined;
}

/** The queued tasks of one session. */
export interface Lane {
  readonly session: SessionNode;
  readonly classes: OrderedList<PlacementClass>;
  /** The first of the first class. */
  next: TaskNode | undefined;
  /**
   * Where the session stands in start-time fair queueing (Goyal et al. 1996): the work that it was given, in ms, counted from the moment when it
   * began to wait.
   */
  tag: number;
}

/** Tenants have nothing in common: neither turns nor the time in which these are counted. */
interface TenantLanes {
  readonly order: OrderedList<Lane>;
  virtualMs: number;
  count: number;
}

export class ReadyQueue {
  private readonly all = new Map<string, PlacementClass>();
  private readonly lanes = new Map<SessionNode, Lane>();
  private readonly tenants = new Map<string, TenantLanes>();
  /** The tags of sessions that have nothing queued now. */
  private readonly left = new WeakMap<SessionNode, number>();
  private tickets = 0;
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** Tasks of one tenant. */
  sizeOf(tenant: string): number {
    return this.tenants.get(tenant)?.count ?? 0;
  }

  classes(): IterableIterator<PlacementClass> {
    return this.all.values();
  }

  /** Does nothing when it is queued already. */
  add(task: TaskNode): void {
    if (task.queuedIn) return;
    // Whoever is tried again does not lose its place.
    if (task.ticket === 0) {
      this.tickets += 1;
      task.ticket = this.tickets;
    }
    this.insert(task);
  }

  remove(task: TaskNode): void {
    const placement = task.queuedIn;
    if (!placement) return;
    task.queuedIn = undefined;
    this.count -= 1;
    this.lanesOf(task.session.tenant).count -= 1;
    this.change(placement, () => placement.entries.delete(task));
  }

  /** Takes it out because it was given an agent, which counts as work that its session got. */
  serve(task: TaskNode): void {
    const lane = this.lanes.get(task.session);
    const placement = task.queuedIn;
    if (!lane || !placement) return;
    const lanes = this.lanesOf(task.session.tenant);
    lanes.order.delete(lane);
    lanes.virtualMs = Math.max(lanes.virtualMs, lane.tag);
    lane.tag += shareOf(task);
    task.queuedIn = undefined;
    this.count -= 1;
    lanes.count -= 1;
    placement.entries.delete(task);
    this.renewHead(lane, placement);
    this.place(lane);
  }

  /** Its rank has changed: it takes the place that it has now. */
  reorder(task: TaskNode): void {
    const placement = task.queuedIn;
    if (!placement || task.queuedRank === task.rank) return;
    this.remove(task);
    this.insert(task);
  }

  /** What it asks of an agent may have changed. */
  reclassify(task: TaskNode): void {
    if (!task.queuedIn || task.queuedIn.key === classKey(task)) return;
    this.remove(task);
    this.insert(task);
  }

  /** The task of the class that is next in order. */
  head(placement: PlacementClass): TaskNode | undefined {
    return placement.next;
  }

  /** The first of the class's tasks, at most `count`. */
  sample(placement: PlacementClass, count: number): TaskNode[] {
    return placement.entries.head(count);
  }

  /** Of the tenant's sessions the one whose turn it is comes first. */
  lane(tenant: string, place: number): Lane | undefined {
    return this.tenants.get(tenant)?.order.nth(place);
  }

  /** Shows the tenant's tasks in the order in which they should start, until `visit` says `stop`. The queue must not change meanwhile. */
  walk(tenant: string, visit: (task: TaskNode, placement: PlacementClass) => Visit): Visited {
    const lanes = this.tenants.get(tenant);
    return lanes ? walkLanes(lanes.order, shareOf, visit) : 'all';
  }

  private insert(task: TaskNode): void {
    const placement = this.classOf(task);
    task.queuedIn = placement;
    task.queuedRank = task.rank;
    this.count += 1;
    this.lanesOf(task.session.tenant).count += 1;
    this.change(placement, () => placement.entries.insert(task));
  }

  /** Whatever changes the head of a class may change the places of the class and of its lane. */
  private change(placement: PlacementClass, run: () => void): void {
    const lane = this.laneOf(placement.session);
    run();
    if (placement.entries.first() === placement.next) return;
    // The old heads must be in place for the class and the lane to be found.
    if (lane.next) this.lanesOf(placement.session.tenant).order.delete(lane);
    this.renewHead(lane, placement);
    this.place(lane);
  }

  /** The lane is not in the order meanwhile. */
  private renewHead(lane: Lane, placement: PlacementClass): void {
    const now = placement.entries.first();
    if (now === placement.next) return;
    if (placement.next) lane.classes.delete(placement);
    placement.next = now;
    if (now) lane.classes.insert(placement);
    else this.all.delete(placement.key);
  }

  private place(lane: Lane): void {
    lane.next = lane.classes.first()?.next;
    if (lane.next) this.lanesOf(lane.session.tenant).order.insert(lane);
    else {
      this.lanes.delete(lane.session);
      this.left.set(lane.session, lane.tag);
    }
  }

  private laneOf(session: SessionNode): Lane {
    let lane = this.lanes.get(session);
    if (!lane) {
      const tag = Math.max(this.lanesOf(session.tenant).virtualMs, this.left.get(session) ?? 0);
      lane = {
        session,
        classes: new OrderedList(classBefore),
        next: undefined,
        tag,
      };
      this.lanes.set(session, lane);
    }
    return lane;
  }

  private lanesOf(tenant: string): TenantLanes {
    let lanes = this.tenants.get(tenant);
    if (!lanes) {
      lanes = {order: new OrderedList<Lane>(laneBefore), virtualMs: 0, count: 0};
      this.tenants.set(tenant, lanes);
    }
    return lanes;
  }

  private classOf(task: TaskNode): PlacementClass {
    const key = classKey(task);
    const known = this.all.get(key);
    if (known) return known;
    const created = placementClass(task, key);
    this.all.set(key, created);
    return created;
  }
}

/** What a task takes of its session's share, in ms. */
function shareOf({spec}: TaskNode): number {
  return estimateOf(spec);
}

function classBefore(a: PlacementClass, b: PlacementClass): boolean {
  return a !== b && taskBefore(a.next as TaskNode, b.next as TaskNode);
}

function laneBefore(a: Lane, b: Lane): boolean {
  return a !== b && turnBefore(a.next as TaskNode, a.tag, b.next as TaskNode, b.tag);
}

/** What the task asks of an agent, outside the queue. */
export function describePlacement(task: TaskNode): PlacementClass {
  return task.queuedIn ?? placementClass(task, classKey(task));
}

function classKey(task: TaskNode): string {
  const {session, avoid} = task;
  return `${session.id} ${avoid.join(' ')} ${askOf(task)}`;
}

/** Everything that decides whether an agent's record meets what the task asks, but for agents that are reserved for one session. */
function askOf(task: TaskNode): string {
  const {session, spec, record} = task;
  const placed = [record.wished?.on, record.wished?.notOn, record.recheck?.agentId];
  return JSON.stringify([
    session.tenant,
    session.modes.only,
    session.record.rehearsal,
    spec.work.kind === 'prompt',
    spec.requires,
    spec.affinity,
    ...(placed.some(id => id !== undefined) ? placed : []),
  ]);
}

function placementClass(task: TaskNode, key: string): PlacementClass {
  const {session, spec, record} = task;
  const traits = {id: session.id, rehearsal: session.record.rehearsal, modes: session.modes};
  return {
    key,
    ask: askOf(task),
    session,
    isPrompt: spendsOnModel(task),
    requirements: record.recheck
      ? recheckRequirements(record.recheck.agentId)
      : [...requirementsOf(spec, traits), ...wishRequirements(record.wished)],
    dependsOnPlaces: !record.recheck && spec.affinity.some(isBetweenTasks),
    prefers: !record.recheck && spec.affinity.some(rule => rule.strength === 'prefer'),
    avoid: task.avoid,
    entries: new OrderedList(taskBefore),
    next: undefined,
  };
}

/** Its next or present attempt spends money on a model. */
export function spendsOnModel({spec, record}: Pick<TaskNode, 'spec' | 'record'>): boolean {
  return spec.work.kind === 'prompt' && !record.recheck;
}
