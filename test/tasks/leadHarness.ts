/** A real embedded store in a temporary folder, a lead on it, and what tests wait for. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {graftCommit} from '../../coordinator/artifacts/git/graftCommit.ts';
import {type Logger, silentLogger} from '../../coordinator/observability/logger.ts';
import type {SessionControl, SessionStart} from '../../coordinator/protocol/commands/session.ts';
import {type ErrorName, isProtocolError} from '../../coordinator/protocol/errors.ts';
import {DEFAULT_TENANT} from '../../coordinator/protocol/ids.ts';
import {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {
  type CommitBundle,
  FINAL_SESSION_STATES,
  SessionRecord,
  type WorkspaceSource,
} from '../../coordinator/protocol/model/session.ts';
import {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {Plan, type TaskSpecification} from '../../coordinator/protocol/plan/plan.ts';
import {type Clock, systemClock} from '../../coordinator/runtime/clock.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {seededRandom, systemRandom} from '../../coordinator/runtime/random.ts';
import type {Principal} from '../../coordinator/security/principal.ts';
import {openEmbeddedStore} from '../../coordinator/store/embedded/embeddedStore.ts';
import {readRecord, readRecords} from '../../coordinator/store/records.ts';
import type {Store} from '../../coordinator/store/store.ts';
import {Lead} from '../../coordinator/tasks/lead.ts';
import type {LeadDuty} from '../../coordinator/tasks/leadDuty.ts';
import type {LeadSettings} from '../../coordinator/tasks/settings.ts';
import type {AuditEntry, Graft, PlanStore, ResultArtifacts} from '../../coordinator/tasks/term/term.ts';
import {FakeFleet, keys} from './fakeFleet.ts';

export const client: Principal = {id: 'client:test', tenant: DEFAULT_TENANT, role: 'client'};

/** Waits short enough for tests; nothing here depends on how long they take. */
const QUICK: Partial<LeadSettings> = {
  tickMs: 10,
  sessionFlushMs: 20,
  lossGraceMs: 100,
  refusedPauseMs: 20,
  resendMs: 20,
  waitingShownAfterMs: 40,
  rateLimitWaitMs: 50,
};

export class MemoryPlans implements PlanStore {
  private readonly plans = new Map<string, string>();

  async put(_tenant: string, json: string): Promise<string> {
    const sha256 = createHash('sha256').update(json).digest('hex');
    this.plans.set(sha256, json);
    return sha256;
  }

  async get(_tenant: string, sha256: string): Promise<string> {
    const json = this.plans.get(sha256);
    if (json === undefined) throw new CoordinatorError('notFound', sha256);
    return json;
  }
}

/** Every artifact is there but those that are said to be gone. */
export class MemoryResults implements ResultArtifacts {
  readonly gone = new Set<string>();
  readonly grafts: Graft[] = [];

  async has(_tenant: string, sha256: string): Promise<boolean> {
    return !this.gone.has(sha256);
  }

  async graft(_tenant: string, graft: Graft): Promise<CommitBundle> {
    this.grafts.push(graft);
    const {commit, bundle, prerequisites} = graftCommit(graft);
    const sha256 = createHash('sha256').update(bundle).digest('hex');
    return {commit, sha256, bytes: bundle.length, prerequisites};
  }
}

/** The system's clock, which can be made to jump as after a sleep. */
export class JumpingClock implements Clock {
  private offset = 0;

  now(): number {
    return systemClock.now() + this.offset;
  }

  wallNow(): number {
    return systemClock.wallNow() + this.offset;
  }

  schedule(...args: Parameters<Clock['schedule']>): ReturnType<Clock['schedule']> {
    return systemClock.schedule(...args);
  }

  jump(byMs: number): void {
    this.offset += byMs;
  }
}

export class Harness {
  readonly clock = new JumpingClock();
  readonly plans = new MemoryPlans();
  readonly results = new MemoryResults();
  readonly audited: AuditEntry[] = [];
  readonly fleet: FakeFleet;
  lead: Lead;
  private leads = 0;

  private constructor(
    readonly store: Store,
    private readonly folder: string,
    private readonly settings: Partial<LeadSettings>,
    private readonly logger: Logger,
  ) {
    this.fleet = new FakeFleet(store);
    this.lead = this.newLead();
  }

  static async open(settings: Partial<LeadSettings> = {}, logger: Logger = silentLogger): Promise<Harness> {
    const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-lead-'));
    const store = await openEmbeddedStore({directory: folder, clock: systemClock, random: systemRandom});
    const harness = new Harness(store, folder, {...QUICK, ...settings}, logger);
    harness.lead.start();
    return harness;
  }

  newLead(
    coordinator = 'c-1',
    store = this.store,
    clock: Clock = this.clock,
    duties: readonly LeadDuty[] = [],
    settings: Partial<LeadSettings> = {},
  ): Lead {
    this.leads += 1;
    return new Lead({
      store,
      channel: this.fleet,
      plans: this.plans,
      results: this.results,
      auditedTxn: (txn, entry) => {
        this.audited.push(entry);
        return store.txn(txn);
      },
      clock,
      random: seededRandom(this.leads),
      logger: this.logger,
      coordinator,
      settings: {...this.settings, ...settings},
      duties,
    });
  }

  /** Another lead goes on from the store. */
  async changeLead(): Promise<void> {
    await this.lead.stop();
    this.lead = this.newLead();
    this.lead.start();
  }

  async control(action: SessionControl['action'], sessionId = 's-1'): Promise<SessionRecord> {
    return (await this.lead.controlSession({sessionId, action}, client)).session;
  }

  /** Resolves when the control was refused in such words. */
  refuses(action: SessionControl['action'], kind: ErrorName, message: RegExp): Promise<void> {
    return assert.rejects(this.control(action), (error: Error) => {
      assert.match(error.message, message);
      return isProtocolError(error, kind);
    });
  }

  /** Who did what was audited so, and with which detail. */
  auditedAs(action: string): unknown[] {
    return this.audited
      .filter(entry => entry.action === action)
      .map(({principal, detail}) => [principal, detail]);
  }

  async close(): Promise<void> {
    await this.lead.stop();
    await this.store.close();
    await rm(this.folder, {recursive: true, force: true});
  }

  start(
    plan: Plan,
    options: {id?: string; workspace?: WorkspaceSource; keep?: boolean; rehearsal?: boolean} = {},
  ): ReturnType<Lead['startSession']> {
    const params: SessionStart = {
      sessionId: options.id ?? 's-1',
      plan,
      workspace: options.workspace,
      keep: options.keep ?? false,
      rehearsal: options.rehearsal ?? false,
    };
    return this.lead.startSession(params, client);
  }

  async session(id = 's-1'): Promise<SessionRecord> {
    const stored = await readRecord(this.store, SessionRecord, keys.session(id));
    if (!stored) throw new Error(`no session ${id}`);
    return stored.value;
  }

  async task(taskId: string, id = 's-1'): Promise<TaskRecord> {
    const stored = await readRecord(this.store, TaskRecord, keys.task(id, taskId));
    if (!stored) throw new Error(`no task ${taskId}`);
    return stored.value;
  }

  async attempts(taskId: string, id = 's-1'): Promise<AttemptRecord[]> {
    const {records} = await readRecords(this.store, AttemptRecord, keys.attempts(id));
    return records.map(record => record.value).filter(record => record.taskId === taskId);
  }

  /** Resolves to the session's record once it satisfies `test`. */
  async untilSession(test: (record: SessionRecord) => boolean, id = 's-1'): Promise<SessionRecord> {
    return this.until(() => this.session(id), test);
  }

  untilEnded(id = 's-1'): Promise<SessionRecord> {
    return this.untilSession(record => FINAL_SESSION_STATES.has(record.state), id);
  }

  async untilTask(taskId: string, test: (record: TaskRecord) => boolean, id = 's-1'): Promise<TaskRecord> {
    return this.until(() => this.task(taskId, id), test);
  }

  /** Reads again after every change of the store below `prefix` until `test` holds. */
  async until<T>(
    read: () => Promise<T>,
    test: (value: T) => boolean,
    prefix = '',
    base: string = keys.base,
  ): Promise<T> {
    let changed: () => void = () => undefined;
    const watch = this.store.watch(`${base}${prefix}`, {}, () => changed());
    try {
      for (;;) {
        const next = new Promise<void>(resolve => {
          changed = resolve;
        });
        const value = await read();
        if (test(value)) return value;
        await next;
      }
    } finally {
      watch.dispose();
    }
  }
}

export function planOf(
  tasks: readonly (Partial<TaskSpecification> & {id: string})[],
  rest: Partial<Plan> = {},
): Plan {
  return Plan.parse({
    name: 'test plan',
    workspace: {kind: 'none'},
    mode: 'hybrid',
    strategy: 'capability-weighted',
    merge: {onConflict: 'fail'},
    gates: [],
    ...rest,
    tasks: tasks.map(task => specOf(task)),
  });
}

export function specOf(task: Partial<TaskSpecification> & {id: string}): TaskSpecification {
  return {
    work: {kind: 'noop'},
    dependsOn: [],
    requires: {},
    affinity: [],
    gates: [],
    retry: {max: 1, backoffMs: 10, maxBackoffMs: 20},
    timeoutMs: 60_000,
    priority: 0,
    onLost: 'rerun',
    maxLosses: 3,
    env: {},
    secrets: [],
    keepConflicts: false,
    ...task,
  };
}

export const promptWork: TaskSpecification['work'] = {
  kind: 'prompt',
  prompt: 'do it',
  permissions: {mode: 'acceptEdits', allow: [], deny: []},
};
