/** The order of the queue as a walk that changes nothing: sessions take turns by their tags, and within a session its classes merge by their heads. */
import type {TaskNode} from '../fleet/fleet.ts';
import type {OrderedList} from './orderedList.ts';
import type {Lane, PlacementClass} from './readyQueue.ts';

/** What becomes of the walk: on to the next task, to the next that is not of this class, or to its end. */
export type Visit = 'next' | 'skipClass' | 'stop';
export type Visited = 'all' | 'stopped';

/** A walk through one list. */
class Place<T> {
  private block = 0;
  private offset = 0;

  constructor(private readonly list: OrderedList<T>) {}

  get current(): T | undefined {
    return this.list.at(this.block, this.offset);
  }

  advance(): void {
    this.offset += 1;
    if (this.offset < this.list.blockSize(this.block)) return;
    this.block += 1;
    this.offset = 0;
  }
}

interface OpenClass {
  readonly placement: PlacementClass;
  readonly place: Place<TaskNode>;
}

/** A session whose turn it was or is. */
class OpenLane {
  tag: number;
  next: TaskNode | undefined;
  /** The class of `next`. */
  source: OpenClass | undefined;
  private readonly open: OpenClass[] = [];
  private readonly classes: Place<PlacementClass>;

  constructor(lane: Lane) {
    this.tag = lane.tag;
    this.classes = new Place(lane.classes);
    this.choose();
  }

  /** Goes on behind `next`, or behind the rest of its class. */
  advance(skipClass: boolean): void {
    const {source} = this;
    if (!source) return;
    source.place.advance();
    if (skipClass || !source.place.current) this.open.splice(this.open.indexOf(source), 1);
    this.choose();
  }

  private choose(): void {
    let best: OpenClass | undefined;
    for (const one of this.open) if (!best || isBefore(one.place.current, best.place.current)) best = one;
    for (let unopened = this.classes.current; unopened; unopened = this.classes.current) {
      if (best && !isBefore(unopened.next, best.place.current)) break;
      best = {placement: unopened, place: new Place(unopened.entries)};
      this.open.push(best);
      this.classes.advance();
    }
    this.source = best;
    this.next = best?.place.current;
  }
}

/** `shareOf` is what a task that is started takes of its session's share. */
export function walkLanes(
  order: OrderedList<Lane>,
  shareOf: (task: TaskNode) => number,
  visit: (task: TaskNode, placement: PlacementClass) => Visit,
): Visited {
  const lanes = new Place(order);
  const open: OpenLane[] = [];
  for (;;) {
    let best = chooseLane(open);
    const unopened = lanes.current;
    if (unopened && (!best || isTurnOf(unopened, best))) {
      best = new OpenLane(unopened);
      open.push(best);
      lanes.advance();
    }
    if (!best?.next || !best.source) return 'all';
    const verdict = visit(best.next, best.source.placement);
    if (verdict === 'stop') return 'stopped';
    if (verdict === 'next') best.tag += shareOf(best.next);
    best.advance(verdict === 'skipClass');
    if (!best.next) open.splice(open.indexOf(best), 1);
  }
}

function chooseLane(open: readonly OpenLane[]): OpenLane | undefined {
  let best: OpenLane | undefined;
  for (const lane of open)
    if (!best || (lane.next && best.next && turnBefore(lane.next, lane.tag, best.next, best.tag)))
      best = lane;
  return best;
}

function isTurnOf({next, tag}: Lane, other: OpenLane): boolean {
  return next !== undefined && other.next !== undefined && turnBefore(next, tag, other.next, other.tag);
}

function isBefore(a: TaskNode | undefined, b: TaskNode | undefined): boolean {
  return a !== undefined && (b === undefined || taskBefore(a, b));
}

/** Within a session. */
export function taskBefore(a: TaskNode, b: TaskNode): boolean {
  if (a.spec.priority !== b.spec.priority) return a.spec.priority > b.spec.priority;
  if (a.queuedRank !== b.queuedRank) return a.queuedRank > b.queuedRank;
  return a.ticket < b.ticket;
}

/** Sessions that got about the same so far, within this many ms of work, go by the age of their next tasks. */
const TURN_MS = 600_000;

/** Between sessions, by their next tasks and their tags. */
export function turnBefore(a: TaskNode, tagOfA: number, b: TaskNode, tagOfB: number): boolean {
  if (a.spec.priority !== b.spec.priority) return a.spec.priority > b.spec.priority;
  const [first, second] = [Math.floor(tagOfA / TURN_MS), Math.floor(tagOfB / TURN_MS)];
  return first === second ? a.ticket < b.ticket : first < second;
}
