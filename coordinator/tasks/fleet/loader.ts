/** Reads what is unfinished from the store, at one revision, into the lead's picture. */
import type * as z from 'zod';
import {AccountRecord, AgentLive, AgentRecord} from '../../protocol/model/agent.ts';
import {AttemptRecord} from '../../protocol/model/attempt.ts';
import {SpendRecord} from '../../protocol/model/facts.ts';
import {ALL_TENANTS_PREFIX, tenantKeys} from '../../protocol/model/keys.ts';
import {parseRecord} from '../../protocol/model/record.ts';
import {FINAL_SESSION_STATES, SessionRecord} from '../../protocol/model/session.ts';
import {TaskRecord} from '../../protocol/model/task.ts';
import {Plan, type TaskSpecification} from '../../protocol/plan/plan.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../../runtime/errors.ts';
import type {KeyValue, Store} from '../../store/store.ts';
import type {Approvals} from '../controls/approvals.ts';
import {reportedResult} from '../controls/steering.ts';
import {FAILURE_HANDLING} from '../deciding/failurePolicy.ts';
import {mergeTask} from '../plan/implicitTasks.ts';
import {placeOf} from '../steps/assignments.ts';
import {subjectNodes} from '../subjects/subjectNodes.ts';
import type {Term} from '../term/term.ts';
import {type AgentNode, presentAttempts, type SessionNode, type TaskNode} from './fleet.ts';
import {attemptNode, leastOfNext, linkSession, plannedTasks, sessionNode, taskNode} from './nodes.ts';

const PAGE = 2000;

/** Every key under the prefix as of `revision`, in pages. */
export async function* pages(store: Store, prefix: string, revision: number): AsyncGenerator<KeyValue> {
  let after: string | undefined;
  for (;;) {
    const page = await store.range(prefix, {atRevision: revision, limit: PAGE, after});
    yield* page.kvs;
    after = page.kvs.at(-1)?.key;
    if (!page.more || after === undefined) return;
  }
}

/** The path elements that exist right below the prefix, such as the tenants under `t/`: one look each, whatever lies below them. */
export async function* children(store: Store, prefix: string, revision: number): AsyncGenerator<string> {
  let after: string | undefined;
  for (;;) {
    const {kvs} = await store.range(prefix, {atRevision: revision, limit: 1, after});
    const name = kvs[0]?.key.slice(prefix.length).split('/')[0];
    if (name === undefined) return;
    yield name;
    // '0' follows '/': this is behind everything below the name.
    after = `${prefix}${name}0`;
  }
}

export interface Loaded {
  readonly tenants: readonly string[];
  /** Sessions whose start was never completed. */
  readonly halfStarted: readonly {readonly tenant: string; readonly id: string}[];
  /** Attempts that spent more than is counted. */
  readonly lateUsages: readonly {readonly tenant: string; readonly attemptId: string}[];
}

export class Loader {
  /** Keys of tasks that were to be added to a session when that was cut off: they are in no plan. */
  readonly strays: string[] = [];

  constructor(
    private readonly term: Pick<Term, 'store' | 'plans' | 'fleet' | 'budgets' | 'allotments' | 'logger'>,
    private readonly approvals: Approvals,
  ) {}

  /** Everything unfinished. */
  async load(revision: number): Promise<Loaded> {
    const {store} = this.term;
    const tenants: string[] = [];
    const halfStarted: {tenant: string; id: string}[] = [];
    const lateUsages: {tenant: string; attemptId: string}[] = [];
    for await (const tenant of children(store, ALL_TENANTS_PREFIX, revision)) {
      tenants.push(tenant);
      await this.loadAgents(tenant, revision);
      const known = new Set<string>();
      for await (const kv of pages(store, tenantKeys(tenant).sessions, revision)) {
        const id = kv.key.slice(tenantKeys(tenant).sessions.length);
        known.add(id);
        await this.tryLoadSession(tenant, id, kv, revision);
      }
      for await (const id of children(store, `${tenantKeys(tenant).base}tasks/`, revision))
        if (!known.has(id)) halfStarted.push({tenant, id});
      const {lateUsages: marks} = tenantKeys(tenant);
      for await (const kv of pages(store, marks, revision))
        lateUsages.push({tenant, attemptId: kv.key.slice(marks.length)});
    }
    return {tenants, halfStarted, lateUsages};
  }

  /** Adds the session to the fleet, held. Errors: `incompatible`, `notFound` (its plan is gone), `corrupt`. */
  async loadSession(
    tenant: string,
    record: SessionRecord,
    mod: number,
    revision: number,
  ): Promise<SessionNode> {
    const {fleet, plans} = this.term;
    const plan = Plan.parse(JSON.parse(await plans.get(tenant, record.plan)));
    const session = sessionNode(tenant, plan, record, mod);
    session.held = true;
    const {tasks, attempts} = await this.readTasks(session, revision);
    const nodes: TaskNode[] = [];
    for (const spec of plannedTasks(plan)) {
      const stored = tasks.get(spec.id);
      if (!stored)
        throw new CoordinatorError('corrupt', `session ${record.id} has no record of task ${spec.id}`);
      nodes.push(taskNode(session, spec, stored.record, stored.mod));
    }
    nodes.push(...mergeNodes(session, nodes, tasks, attempts));
    nodes.push(...subjectNodes(session, nodes, tasks, attempts));
    const known = new Set(nodes.map(node => node.key));
    this.strays.push(
      ...[...tasks.keys()].map(id => session.keys.task(session.id, id)).filter(key => !known.has(key)),
    );
    linkSession(session, nodes);
    fleet.addSession(session);
    try {
      await this.placeAttempts(session, attempts, revision);
      for await (const kv of pages(this.term.store, session.keys.approvals(session.id), revision))
        this.approvals.take(session, kv);
    } catch (error) {
      this.unload(session);
      throw error;
    }
    return session;
  }

  /** Takes back what loading the session did. */
  unload(session: SessionNode): void {
    const {fleet, allotments} = this.term;
    for (const attempt of [...session.tasks.values()].flatMap(presentAttempts)) {
      attempt.agent.attempts.delete(attempt);
      allotments.release(session, attempt.record.id);
    }
    this.approvals.forget(session);
    fleet.dropSession(session);
  }

  private async tryLoadSession(tenant: string, id: string, kv: KeyValue, revision: number): Promise<void> {
    try {
      const record = parseRecord(SessionRecord, kv.key, kv.value);
      if (!FINAL_SESSION_STATES.has(record.state))
        await this.loadSession(tenant, record, kv.modRevision, revision);
    } catch (error) {
      if (isOfStore(error)) throw error;
      // One broken session must not keep the others from running.
      this.term.logger.error('a session could not be loaded and does not run', {session: id, error});
      this.term.fleet.setAside(tenant, id, describeError(error));
    }
  }

  private async loadAgents(tenant: string, revision: number): Promise<void> {
    const {store, fleet} = this.term;
    const keys = tenantKeys(tenant);
    for await (const kv of pages(store, keys.agents, revision)) {
      const record = this.readable(AgentRecord, kv);
      if (record) fleet.agent(tenant, record.instance.id).record = record;
    }
    for await (const kv of pages(store, keys.agentLives, revision)) {
      const value = this.readable(AgentLive, kv);
      const id = kv.key.slice(keys.agentLives.length);
      if (value) fleet.agent(tenant, id).live = {value, mod: kv.modRevision};
    }
    for await (const kv of pages(store, keys.accounts, revision)) {
      const record = this.readable(AccountRecord, kv);
      if (!record) continue;
      fleet.accounts.set(`${tenant}/${record.account}`, {until: record.pausedUntil, reason: record.reason});
    }
    const today = await store.get(keys.spend(this.term.budgets.today()), {atRevision: revision});
    if (today)
      this.term.budgets.load(tenant, parseRecord(SpendRecord, today.key, today.value), today.modRevision);
  }

  /** An agent whose record nobody can read gets no work. */
  private readable<S extends z.ZodType>(schema: S, {key, value}: KeyValue): z.infer<S> | undefined {
    try {
      return parseRecord(schema, key, value);
    } catch (error) {
      this.term.logger.error('a record is unreadable and left out', {key, error});
      return undefined;
    }
  }

  private async readTasks(session: SessionNode, revision: number): Promise<StoredTasks> {
    const {store} = this.term;
    const {keys, id} = session;
    const tasks = new Map<string, {record: TaskRecord; mod: number}>();
    for await (const kv of pages(store, keys.tasks(id), revision)) {
      const record = parseRecord(TaskRecord, kv.key, kv.value);
      tasks.set(record.id, {record, mod: kv.modRevision});
    }
    const attempts = new Map<string, {record: AttemptRecord; mod: number}[]>();
    for await (const kv of pages(store, keys.attempts(id), revision)) {
      const record = parseRecord(AttemptRecord, kv.key, kv.value);
      const list = attempts.get(record.taskId);
      if (list) list.push({record, mod: kv.modRevision});
      else attempts.set(record.taskId, [{record, mod: kv.modRevision}]);
    }
    return {tasks, attempts};
  }

  private async placeAttempts(
    session: SessionNode,
    attempts: StoredTasks['attempts'],
    revision: number,
  ): Promise<void> {
    const {store, fleet} = this.term;
    let spentUsd = 0;
    for (const [taskId, list] of attempts) {
      const task = session.tasks.get(taskId);
      if (!task) continue;
      for (const {record, mod} of list) {
        spentUsd += (record.counted ?? record.usage).costUsd;
        countBackup(session, record);
        const agent = fleet.agent(session.tenant, record.agentId);
        if (!isBeside(task.record, record)) task.lastAgent = placeOf(agent);
        if (record.id === task.record.recheck?.attemptId) task.recheckedResult = reportedResult(record);
        if (record.state === 'ended') rememberEnded(task, agent, record);
        else if (isPresentIn(task.record, record.id)) {
          const live = await store.get(session.keys.live(record.id), {atRevision: revision});
          const attempt = attemptNode(task, agent, record, mod, live?.createRevision ?? 0);
          attempt.accepted = record.state !== 'assigned';
          if (record.id === task.record.currentAttempt) task.attempt = attempt;
          else task.backup = attempt;
          this.term.allotments.take(attempt);
          agent.attempts.add(attempt);
        }
      }
      if (task.record.recheck && !task.recheckedResult)
        throw new CoordinatorError('corrupt', `task ${taskId} has lost the result that is to be checked`);
    }
    session.spentUsd = spentUsd;
    session.dirty = true;
  }
}

/** Then nothing can be loaded, whatever it is. */
function isOfStore(error: unknown): boolean {
  return (
    isCoordinatorError(error, 'closed') ||
    isCoordinatorError(error, 'unavailable') ||
    isCoordinatorError(error, 'timeout')
  );
}

export interface StoredTasks {
  readonly tasks: ReadonlyMap<string, {record: TaskRecord; mod: number}>;
  readonly attempts: ReadonlyMap<string, {record: AttemptRecord; mod: number}[]>;
}

/** The merge tasks that were inserted, with the tasks that they stand in for pointing at them. */
function mergeNodes(
  session: SessionNode,
  planned: readonly TaskNode[],
  tasks: StoredTasks['tasks'],
  attempts: StoredTasks['attempts'],
): TaskNode[] {
  const byId = new Map(planned.map(node => [node.spec.id, node]));
  const merges: TaskNode[] = [];
  for (const {record, mod} of tasks.values()) {
    if (record.origin !== 'merge' || record.mergeFor === undefined) continue;
    const merged = byId.get(record.mergeFor);
    const conflict = attempts
      .get(record.mergeFor)
      ?.map(attempt => attempt.record.failure?.conflict)
      .find(found => found !== undefined);
    if (!merged || !conflict)
      throw new CoordinatorError(
        'corrupt',
        `the merge task ${record.id} has lost the conflict that it is for`,
      );
    const spec: TaskSpecification = mergeTask(session.plan, merged.spec, conflict);
    merged.mergedBy = record.id;
    merges.push(taskNode(session, spec, record, mod));
  }
  return merges;
}

function isPresentIn({currentAttempt, backupAttempt}: TaskRecord, id: string): boolean {
  return id === currentAttempt || id === backupAttempt;
}

/** It is or was one of two, and what became of its task does not come from it. */
function isBeside({currentAttempt, lastAttempt}: TaskRecord, {id, rival, backupOf}: AttemptRecord): boolean {
  return (rival !== undefined || backupOf !== undefined) && id !== (currentAttempt ?? lastAttempt);
}

function countBackup({speculation}: SessionNode, {backupOf, outcome, usage, counted}: AttemptRecord): void {
  if (!backupOf) return;
  speculation.begun += 1;
  if (outcome === 'succeeded') speculation.won += 1;
  speculation.spentUsd += (counted ?? usage).costUsd;
}

/** What an attempt that is over means for those that follow. Attempts come in order of their numbers. */
function rememberEnded(task: TaskNode, agent: AgentNode, record: AttemptRecord): void {
  const {failure} = record;
  if (failure) task.leastUsd = leastOfNext(record, failure);
  if (record.outcome === 'failed' && failure && failure.kind !== 'rateLimit' && failure.kind !== 'conflict')
    task.previous = {message: failure.message, gates: record.gates ?? []};
  if (failure && FAILURE_HANDLING[failure.kind] === 'elsewhere')
    task.avoid = [...new Set([...task.avoid, record.agentId])].sort();
  // An agent that is back already has had its loss returned.
  const isBack = agent.live?.value.incarnation === record.agentIncarnation;
  // The loss of one of two cost nothing that could be given back.
  const wasAlone = record.rival === undefined && !record.backup;
  if ((record.outcome === 'lost' || record.outcome === 'stale') && !isBack && wasAlone)
    task.lostOn.add(`${record.agentId}/${record.agentIncarnation}`);
}
