/** Who has not arrived at a synchronisation point in time. Pure: wall time is an argument. */
import type {Plan} from '../../protocol/plan/plan.ts';
import {isFinalTask, type SessionNode, type TaskNode} from '../fleet/fleet.ts';

interface TimedPoint {
  readonly name: string;
  readonly participants: readonly string[];
  readonly timeoutMs: number;
}

export interface Late {
  readonly task: TaskNode;
  readonly message: string;
}

const pointsOf = new WeakMap<Plan, readonly TimedPoint[]>();

/** The first that arrives starts the clock of its point; the shortest timeout that a task names counts. */
export function lateArrivals(session: SessionNode, wallNow: number): Late[] {
  return timedPoints(session.plan).flatMap(point => ofPoint(session, point, wallNow));
}

function ofPoint(session: SessionNode, {name, participants, timeoutMs}: TimedPoint, wallNow: number): Late[] {
  const nodes = participants.flatMap(id => session.tasks.get(id) ?? []);
  const missing = nodes.filter(node => !isFinalTask(node));
  if (missing.length === 0) return [];
  const arrived = nodes.flatMap(({record}) => (record.state === 'succeeded' ? (record.endedAt ?? []) : []));
  if (arrived.length === 0 || wallNow - Math.min(...arrived) <= timeoutMs) return [];
  const message = `did not arrive at the synchronisation point "${name}" within ${Math.round(timeoutMs / 1000)} s of the first task`;
  return missing.map(task => ({task, message}));
}

function timedPoints(plan: Plan): readonly TimedPoint[] {
  const known = pointsOf.get(plan);
  if (known) return known;
  const points = new Map<string, {name: string; participants: string[]; timeoutMs: number}>();
  for (const {id, syncPoint} of plan.tasks) {
    if (!syncPoint) continue;
    const {name, timeoutMs = Number.POSITIVE_INFINITY} = syncPoint;
    const point = points.get(name) ?? {name, participants: [], timeoutMs};
    point.participants.push(id);
    point.timeoutMs = Math.min(point.timeoutMs, timeoutMs);
    points.set(name, point);
  }
  const timed = [...points.values()].filter(point => point.timeoutMs < Number.POSITIVE_INFINITY);
  pointsOf.set(plan, timed);
  return timed;
}
