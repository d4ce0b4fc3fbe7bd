/**
 * Starts sessions: the plan becomes an artifact, every task a record, and last of all the session's own record makes them visible. A start
 * that was cut off before that leaves tasks without a session, which the next lead removes.
 */
import type * as z from 'zod';
import type {SessionStart, SessionStarted} from '../../protocol/commands/session.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {QualityGateConfig} from '../../protocol/gate.ts';
import {USER_TASK_ID} from '../../protocol/ids.ts';
import {type TenantKeys, tenantKeys} from '../../protocol/model/keys.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import {SessionRecord} from '../../protocol/model/session.ts';
import {graphProblems} from '../../protocol/plan/graph.ts';
import {Plan, type TaskSpecification} from '../../protocol/plan/plan.ts';
import {RESERVED_SECRET} from '../../protocol/plan/schema.ts';
import {expandPlan, partTaskId} from '../../protocol/plan/split.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {canonicalJson, parseJson} from '../../runtime/json.ts';
import type {Principal} from '../../security/principal.ts';
import {absent, putRecord, readRecord} from '../../store/records.ts';
import type {Op} from '../../store/store.ts';
import {emptyCounts, type SessionNode, type TaskNode} from '../fleet/fleet.ts';
import {linkSession, newTaskRecord, plannedTasks, sessionNode, taskNode} from '../fleet/nodes.ts';
import {requireRule} from '../placing/strategies.ts';
import {leadLost} from '../steps/committer.ts';
import type {Term} from '../term/term.ts';
import type {Admission} from './admission.ts';
import {commitAudited} from './sessions.ts';

/** A request, with what it is for where that is not its sender's. */
type Starting = SessionStart & Pick<SessionRecord, 'calibrates'>;
type Started = z.infer<typeof SessionStarted>;

const PROBLEMS_NAMED = 10;
/** Their records are small: so many fit into one transaction, with a comparison each. */
const TASKS_A_STEP = 100;
/** Half a record: the other half is for what becomes of the session. */
const MAX_WORKSPACE_BYTES = 32 * 1024;

export class SessionStarts {
  /** Starts under way, by tenant and id: a request repeated meanwhile joins the first one. */
  private readonly running = new Map<string, {digest: string; started: Promise<Started>}>();

  constructor(
    private readonly term: Term,
    private readonly admission: Admission,
    private readonly adopt: (session: SessionNode) => void,
  ) {}

  /**
   * Starts the session, or finds that it was started with this very plan. Errors: `invalidParams` (the plan has problems), `conflict` (the id is
   * taken by another plan), `notFound` (the plan's artifact), `overloaded` and `tooLarge` (more than may be open at once).
   */
  async start(
    params: SessionStart,
    principal: Principal,
    purpose: Pick<SessionRecord, 'calibrates'> = {},
  ): Promise<Started> {
    const plan = expandPlan(await this.planOf(params, principal.tenant));
    checkPlan(plan, params);
    const digest = await this.term.plans.put(principal.tenant, canonicalJson(plan));
    const name = `${principal.tenant}/${params.sessionId}`;
    const present = this.running.get(name);
    if (present) {
      if (present.digest !== digest) throw taken(params.sessionId);
      return {...(await present.started), created: false};
    }
    const started = this.create({...params, ...purpose}, plan, digest, principal).finally(() =>
      this.running.delete(name),
    );
    this.running.set(name, {digest, started});
    return started;
  }

  private async planOf(params: SessionStart, tenant: string): Promise<Plan> {
    if (!('artifact' in params.plan)) return params.plan;
    const {artifact} = params.plan;
    let json: string;
    try {
      json = await this.term.plans.get(tenant, artifact);
    } catch (error) {
      if (!isCoordinatorError(error, 'notFound')) throw error;
      throw new ProtocolError('notFound', `the plan ${artifact} was not uploaded`);
    }
    const parsed = Plan.safeParse(parseJson(json));
    if (!parsed.success)
      throw new ProtocolError('invalidParams', `the artifact ${artifact} is not a plan`, {
        issues: parsed.error.issues.slice(0, PROBLEMS_NAMED),
      });
    return parsed.data;
  }

  private async create(params: Starting, plan: Plan, digest: string, principal: Principal): Promise<Started> {
    const key = tenantKeys(principal.tenant).session(params.sessionId);
    const existing = await readRecord(this.term.store, SessionRecord, key);
    if (existing) {
      if (existing.value.plan !== digest) throw taken(params.sessionId);
      return {session: existing.value, created: false};
    }
    // Whoever repeats an accepted start is answered above, whatever the bounds.
    const place = this.admission.open({
      tenant: principal.tenant,
      sessions: 1,
      tasks: plannedTasks(plan).length,
    });
    try {
      return await this.store(params, plan, digest, principal);
    } finally {
      place.dispose();
    }
  }

  private async store(params: Starting, plan: Plan, digest: string, principal: Principal): Promise<Started> {
    const keys = tenantKeys(principal.tenant);
    const key = keys.session(params.sessionId);
    const record = this.newRecord(params, plan, digest, principal);
    const session = sessionNode(principal.tenant, plan, record, 0);
    const specs = plannedTasks(plan);
    const nodes = specs.map((spec, index) => {
      const origin = index < plan.tasks.length ? 'plan' : 'result';
      return taskNode(session, spec, newTaskRecord(record.id, spec, origin, principal.id), 0);
    });
    await removeTasks(this.term, keys, record.id);
    await this.putTasks(nodes, key);
    linkSession(session, nodes);
    const stored: SessionRecord = {...record, counts: {...session.counts}};
    const revision = await commitAudited(this.term, [absent(key)], [putRecord(key, stored)], {
      tenant: principal.tenant,
      principal: principal.id,
      action: 'session.start',
      subject: `session ${record.id}`,
      detail: {plan: digest, tasks: plan.tasks.length, rehearsal: record.rehearsal},
    });
    if (revision === undefined) throw leadLost();
    session.record = stored;
    session.mod = revision;
    session.dirty = false;
    this.adopt(session);
    return {session: stored, created: true};
  }

  private newRecord(params: Starting, plan: Plan, digest: string, principal: Principal): SessionRecord {
    return {
      v: RECORD_VERSION,
      principal: principal.id,
      id: params.sessionId,
      name: plan.name,
      state: 'running',
      plan: digest,
      workspace: plan.workspace.kind === 'git' ? params.workspace : undefined,
      createdAt: this.term.clock.wallNow(),
      keep: params.keep,
      rehearsal: params.rehearsal,
      noCache: params.noCache || undefined,
      open: params.open || undefined,
      calibrates: params.calibrates,
      strategy: plan.strategy,
      budgetUsd: plan.budgetUsd,
      spentUsd: 0,
      counts: emptyCounts(),
    };
  }

  private async putTasks(nodes: readonly TaskNode[], sessionKey: string): Promise<void> {
    const steps: Promise<void>[] = [];
    for (let at = 0; at < nodes.length; at += TASKS_A_STEP)
      steps.push(this.putSome(nodes.slice(at, at + TASKS_A_STEP), sessionKey));
    await Promise.all(steps);
  }

  private async putSome(nodes: readonly TaskNode[], sessionKey: string): Promise<void> {
    const revision = await this.term.committer.run(
      [absent(sessionKey), ...nodes.map(({key}) => absent(key))],
      nodes.map(({key, record}) => putRecord(key, record)),
    );
    if (revision === undefined)
      throw new ProtocolError('conflict', 'the session was started by somebody else');
    for (const node of nodes) node.mod = revision;
  }
}

/** Deletes the task records of a session that does not exist, in steps. */
export async function removeTasks(term: Term, keys: TenantKeys, sessionId: string): Promise<void> {
  for (;;) {
    const {kvs, more} = await term.store.range(keys.tasks(sessionId), {limit: 100});
    if (kvs.length === 0) return;
    const ops = kvs.map(({key}): Op => ({kind: 'delete', key}));
    const revision = await term.committer.run([absent(keys.session(sessionId))], ops);
    if (revision === undefined || !more) return;
  }
}

/** Throws `invalidParams`: what cannot be run is refused before anything is stored. */
export function checkPlan(plan: Plan, params: Pick<SessionStart, 'workspace' | 'open'>): void {
  if (plan.tasks.length === 0 && !params.open)
    throw new ProtocolError('invalidParams', 'a plan needs at least one task, unless its session is open', {
      field: 'plan.tasks',
    });
  const bytes = Buffer.byteLength(JSON.stringify(params.workspace ?? null));
  if (bytes > MAX_WORKSPACE_BYTES)
    throw new ProtocolError(
      'tooLarge',
      `the description of the workspace has ${bytes} bytes, at most ${MAX_WORKSPACE_BYTES} fit: send one bundle with few prerequisites`,
      {field: 'workspace', bytes, maxBytes: MAX_WORKSPACE_BYTES},
    );
  requireRule(plan.strategy, 'plan.strategy');
  for (const {strategy} of plan.tasks)
    if (strategy !== undefined) requireRule(strategy, 'plan.tasks.strategy');
  if (plan.workspace.kind === 'git' && !params.workspace)
    throw new ProtocolError(
      'invalidParams',
      'the plan works on a repository: name the commit to start from',
      {
        field: 'workspace',
      },
    );
  const ids = new Set(plan.tasks.map(({id}) => id));
  const reserved = plan.tasks.find(task => !USER_TASK_ID.test(task.id) && !isPart(task, ids));
  if (reserved)
    throw new ProtocolError('invalidParams', `"${reserved.id}" cannot be the id of a task`, {
      field: 'plan.tasks',
    });
  checkGates(plan.gates, 'plan.gates');
  plan.tasks.forEach((task, index) => {
    checkGates(task.gates, `plan.tasks[${index}].gates`);
    const secret = task.secrets.find(name => !RESERVED_SECRET.test(name));
    if (secret !== undefined)
      throw new ProtocolError('invalidParams', `"${secret}" is the agent's own and no secret for tasks`, {
        field: `plan.tasks[${index}].secrets`,
      });
  });
  const [problem] = graphProblems(
    plan.tasks.map(({id, dependsOn, after = []}) => ({id, dependsOn: [...dependsOn, ...after]})),
  );
  if (!problem) return;
  const id = plan.tasks[problem.node]?.id ?? '';
  const text =
    problem.kind === 'duplicate'
      ? `two tasks are called "${id}"`
      : problem.kind === 'unknown'
        ? `task "${id}" depends on "${problem.id}", which does not exist`
        : `tasks depend on each other in a circle: ${problem.path.join(' -> ')}`;
  throw new ProtocolError('invalidParams', text, {field: `plan.tasks[${problem.node}]`});
}

/** A part is named by its parent and its number. */
function isPart({id, parent}: TaskSpecification, ids: ReadonlySet<string>): boolean {
  return parent !== undefined && id === partTaskId(parent.taskId, parent.index) && ids.has(parent.taskId);
}

/** The evidence of a gate is kept under its name. */
function checkGates(gates: readonly QualityGateConfig[], field: string): void {
  const names = new Set<string>();
  for (const {name} of gates) {
    if (names.has(name)) throw new ProtocolError('invalidParams', `two gates are called "${name}"`, {field});
    names.add(name);
  }
}

function taken(sessionId: string): ProtocolError {
  return new ProtocolError('conflict', `session ${sessionId} was started with another plan`, {sessionId});
}
