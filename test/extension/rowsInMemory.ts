/** A fleet's rows held in memory, changed by tests as a coordinator would, for what draws from mirrors. */
import type {DirtyRows} from '../../coordinator/client/mirror/dirtyRows.ts';
import type {
  AgentRow,
  ApprovalRow,
  FleetChange,
  SessionRow,
} from '../../coordinator/client/mirror/fleetMirror.ts';
import {rowKey} from '../../coordinator/client/viewWatch.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {parsePlan} from '../../coordinator/protocol/plan/parse.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';
import type {FleetRows, FleetSource, SessionRows} from '../../extension/views/model/fleetRows.ts';
import {english, type Words} from '../../extension/views/model/words.ts';
import {agentRecord} from '../tasks/nodes.ts';

const PLAN_SHA = 'a'.repeat(64);
/** The age at which a session without agents counts as abandoned is long past. */
export const NOW = Date.UTC(2026, 5, 15, 12);

class SessionInMemory implements SessionRows {
  readonly rows = new Map<string, Row>();
  readonly changes = new Emitter<DirtyRows>();
  readonly onChange = this.changes.event;
  isWhole = true;
}

export class RowsInMemory implements FleetSource, FleetRows {
  readonly clock = new ManualClock(NOW);
  readonly words: Words = {
    t: english,
    now: () => this.clock.wallNow(),
    locale: 'en-GB',
    timeZone: 'UTC',
  };
  readonly opened: string[] = [];
  isWhole = true;
  plan: Plan | undefined;
  private connected = true;
  private readonly rows = new Map<string, Row>();
  private readonly bySession = new Map<string, SessionInMemory>();
  private readonly changes = new Emitter<FleetChange | {readonly part: 'reset'}>();

  readonly onChange = this.changes.event;
  readonly plans = {
    read: (): Promise<Plan> =>
      this.plan ? Promise.resolve(this.plan) : Promise.reject(new Error('no plan')),
  };

  get mirror(): FleetRows | undefined {
    return this.connected ? this : undefined;
  }

  get agents(): readonly AgentRow[] {
    return this.of('agent');
  }

  get sessions(): readonly SessionRow[] {
    return this.of('session').sort((a, b) => b.session.createdAt - a.session.createdAt);
  }

  get waiting(): readonly ApprovalRow[] {
    return this.of('approval').sort((a, b) => a.approval.askedAt - b.approval.askedAt);
  }

  agent(id: string): AgentRow | undefined {
    return this.agents.find(row => row.id === id);
  }

  session(id: string): SessionRow | undefined {
    const row = this.rows.get(rowKey({kind: 'session', id}));
    return row?.kind === 'session' ? row : undefined;
  }

  openSession(id: string): {readonly mirror: SessionRows} & Disposable {
    this.opened.push(id);
    return {mirror: this.sessionRows(id), dispose: () => void this.opened.splice(this.opened.indexOf(id), 1)};
  }

  /** The connection goes, or comes back. */
  connect(isConnected: boolean): void {
    this.connected = isConnected;
    this.changes.emit({part: 'reset'});
  }

  putAgent(
    id: string,
    options: {
      online?: boolean;
      metadata?: Record<string, unknown>;
      patch?: Record<string, unknown>;
      instance?: Record<string, unknown>;
    } = {},
  ): void {
    const {online = true, metadata, patch, instance} = options;
    this.put('agents', {kind: 'agent', id, online, agent: agentRecord(id, metadata, patch, instance)});
  }

  putSession(id: string, patch: Partial<SessionRecord> = {}): void {
    const before = this.session(id)?.session;
    const session = SessionRecord.parse({
      v: 1,
      principal: 'test',
      id,
      name: `name of ${id}`,
      state: 'running',
      plan: PLAN_SHA,
      createdAt: NOW - 60_000,
      strategy: 'round-robin',
      spentUsd: 0,
      counts: {total: 0, succeeded: 0, failed: 0, cancelled: 0, running: 0, waiting: 0},
      ...before,
      ...patch,
    });
    const row: Row = {kind: 'session', id, session};
    this.putInSession(id, [row]);
    this.put('sessions', row);
  }

  putTasks(sessionId: string, tasks: readonly (Partial<TaskRecord> & {readonly id: string})[]): void {
    const rows = tasks.map(({id, ...patch}): Row => {
      const before = this.sessionRows(sessionId).rows.get(`task/${sessionId}/${id}`);
      const task = TaskRecord.parse({
        v: 1,
        principal: 'test',
        sessionId,
        id,
        state: 'pending',
        attempts: 0,
        retries: 0,
        losses: 0,
        usage: NO_USAGE,
        ...(before?.kind === 'task' ? before.task : {}),
        ...patch,
      });
      return {kind: 'task', id: `${sessionId}/${id}`, task};
    });
    this.putInSession(sessionId, rows);
  }

  putAttempt(sessionId: string, taskId: string, number: number, patch: Record<string, unknown> = {}): string {
    const id = `${sessionId}.${taskId}.${number}`;
    const attempt = AttemptRecord.parse({
      v: 1,
      principal: 'test',
      id,
      sessionId,
      taskId,
      number,
      agentId: 'a-1',
      agentIncarnation: 'one',
      coordinator: 'c',
      state: 'running',
      assignedAt: NOW - 30_000,
      usage: NO_USAGE,
      ...patch,
    });
    this.putInSession(sessionId, [{kind: 'attempt', id, attempt}]);
    return id;
  }

  putApproval(
    sessionId: string,
    id: string,
    request: ApprovalRecord['request'],
    patch: Partial<ApprovalRecord> = {},
  ): void {
    const approval = ApprovalRecord.parse({
      v: 1,
      principal: 'test',
      id,
      sessionId,
      taskId: 'a',
      request,
      state: {kind: 'waiting'},
      askedAt: NOW - 10_000,
      ...patch,
    });
    this.put('approvals', {kind: 'approval', id: `${sessionId}/${id}`, approval});
  }

  remove(part: FleetChange['part'], kind: Row['kind'], id: string): void {
    const key = rowKey({kind, id});
    this.rows.delete(key);
    this.changes.emit({part, rows: new Set([key])});
  }

  private put(part: FleetChange['part'], row: Row): void {
    this.rows.set(rowKey(row), row);
    this.changes.emit({part, rows: new Set([rowKey(row)])});
  }

  private putInSession(sessionId: string, rows: readonly Row[]): void {
    const session = this.sessionRows(sessionId);
    for (const row of rows) session.rows.set(rowKey(row), row);
    session.changes.emit(new Set(rows.map(rowKey)));
  }

  private sessionRows(id: string): SessionInMemory {
    const known = this.bySession.get(id) ?? new SessionInMemory();
    this.bySession.set(id, known);
    return known;
  }

  private of<K extends Row['kind']>(kind: K): Extract<Row, {kind: K}>[] {
    return [...this.rows.values()].filter((row): row is Extract<Row, {kind: K}> => row.kind === kind);
  }
}

/** Each task does nothing, after the ones that it depends on. */
export function planOf(dependsOn: Readonly<Record<string, readonly string[]>>): Plan {
  const parsed = parsePlan('name: plan\nworkspace: none\ntasks: [{id: any, run: "true"}]\n');
  const [any] = parsed.kind === 'plan' ? parsed.plan.tasks : [];
  if (parsed.kind !== 'plan' || !any) throw new Error('the plan is at fault');
  const tasks = Object.entries(dependsOn).map(([id, others]) => ({...any, id, dependsOn: [...others]}));
  return {...parsed.plan, tasks};
}
