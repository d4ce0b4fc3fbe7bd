/** Rows of a fleet in memory, as mirrors have them, which change as fast as somebody likes: what trees and pages are measured with. */
import type {DirtyRows} from '../../coordinator/client/mirror/dirtyRows.ts';
import type {FleetChange, SessionRow} from '../../coordinator/client/mirror/fleetMirror.ts';
import {rowKey} from '../../coordinator/client/viewWatch.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import {TaskRecord, type TaskState} from '../../coordinator/protocol/model/task.ts';
import {parsePlan} from '../../coordinator/protocol/plan/parse.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';
import type {FleetRows, FleetSource, SessionRows} from '../../extension/views/model/fleetRows.ts';

const BEGAN = 1_760_000_000_000;
const RECORD = {v: 1, principal: 'bench'};
/** Tasks of a layer of a plan. */
const LAYER = 50;

export function taskId(index: number): string {
  return `task-${index}`;
}

/** Layers of tasks, each of which waits for one or two of the layer before: about 1.4 edges a task. */
export function layeredPlan(tasks: number): Plan {
  const text = JSON.stringify({
    name: 'layers',
    workspace: 'none',
    tasks: Array.from({length: tasks}, (_, index) => ({
      id: taskId(index),
      run: 'true',
      ...(index < LAYER
        ? {}
        : {
            dependsOn: [
              taskId(index - LAYER),
              ...(index % 5 < 2 ? [taskId(index - LAYER + (index % LAYER === LAYER - 1 ? -1 : 1))] : []),
            ],
          }),
    })),
  });
  const parsed = parsePlan(text);
  if (parsed.kind !== 'plan') throw new Error(JSON.stringify(parsed.diagnostics.slice(0, 3)));
  return parsed.plan;
}

export function sessionRow(id: string, tasks: number, createdAt = BEGAN): SessionRow {
  const session = SessionRecord.parse({
    ...RECORD,
    id,
    name: id,
    state: 'running',
    plan: '0'.repeat(64),
    createdAt,
    strategy: 'round-robin',
    spentUsd: 0,
    counts: {total: tasks, succeeded: 0, failed: 0, cancelled: 0, running: 0, waiting: tasks},
  });
  return {kind: 'session', id, session};
}

/** `turn` is how often it changed: it goes through the states of a task, and another attempt begins at each round. */
export function taskRows(sessionId: string, index: number, turn: number): Row[] {
  const states: readonly TaskState[] = ['pending', 'ready', 'assigned', 'running', 'verifying', 'succeeded'];
  const state = states[turn % states.length] ?? 'pending';
  const number = Math.floor(turn / states.length) + 1;
  const id = taskId(index);
  const task = TaskRecord.parse({
    ...RECORD,
    sessionId,
    id,
    state,
    attempts: number,
    retries: 0,
    losses: 0,
    usage: {...NO_USAGE, turns: turn},
  });
  const row: Row = {kind: 'task', id, task};
  if (state === 'pending' || state === 'ready') return [row];
  const attemptId = `${sessionId}.${id}.${number}`;
  const attempt = AttemptRecord.parse({
    ...RECORD,
    id: attemptId,
    sessionId,
    taskId: id,
    number,
    agentId: `agent-${index % 12}`,
    agentIncarnation: 'i',
    coordinator: 'c',
    state: state === 'succeeded' ? 'ended' : state === 'verifying' ? 'verifying' : state,
    assignedAt: BEGAN + turn,
    usage: {...NO_USAGE, turns: turn},
    ...(state === 'succeeded' ? {outcome: 'succeeded', endedAt: BEGAN + turn + 1000} : {}),
  });
  return [row, {kind: 'attempt', id: attemptId, attempt}];
}

/** Tasks in flight at once. */
const IN_FLIGHT = 64;
/** From ready to succeeded. */
const STEPS = 5;

/** The step-th change of a session in which so many tasks are in flight: one of them goes on to its next state. */
export function changeAt(step: number, tasks: number): {readonly index: number; readonly turn: number} {
  const wave = Math.floor(step / (IN_FLIGHT * STEPS));
  const index = (wave * IN_FLIGHT + (step % IN_FLIGHT)) % tasks;
  const round = Math.floor((wave * IN_FLIGHT) / tasks);
  return {index, turn: round * (STEPS + 1) + 1 + (Math.floor(step / IN_FLIGHT) % STEPS)};
}

class OpenRows implements SessionRows {
  readonly isWhole = true;
  readonly rows = new Map<string, Row>();
  readonly changes = new Emitter<DirtyRows>();
  readonly onChange = this.changes.event;
}

export class FleetInMemory implements FleetSource, FleetRows {
  readonly isWhole = true;
  readonly agents = [];
  readonly waiting = [];
  private readonly known = new Map<string, SessionRow>();
  private readonly open = new Map<string, OpenRows>();
  private readonly changes = new Emitter<FleetChange>();
  readonly onChange = this.changes.event;
  readonly plans = {read: async (): Promise<Plan> => layeredPlan(1)};

  get mirror(): FleetRows {
    return this;
  }

  get sessions(): readonly SessionRow[] {
    return [...this.known.values()].sort((a, b) => b.session.createdAt - a.session.createdAt);
  }

  agent(): undefined {
    return undefined;
  }

  session(id: string): SessionRow | undefined {
    return this.known.get(id);
  }

  openSession(id: string) {
    return {mirror: this.rowsOf(id), dispose: () => undefined};
  }

  putSession(row: SessionRow): void {
    this.known.set(row.id, row);
    this.changes.emit({part: 'sessions', rows: new Set([rowKey(row)])});
  }

  dropSession(id: string): void {
    this.known.delete(id);
    this.open.delete(id);
    this.changes.emit({part: 'sessions', rows: new Set([rowKey({kind: 'session', id})])});
  }

  put(sessionId: string, rows: readonly Row[]): void {
    const open = this.rowsOf(sessionId);
    for (const row of rows) open.rows.set(rowKey(row), row);
    open.changes.emit(new Set(rows.map(rowKey)));
  }

  private rowsOf(id: string): OpenRows {
    const found = this.open.get(id) ?? new OpenRows();
    this.open.set(id, found);
    return found;
  }
}
