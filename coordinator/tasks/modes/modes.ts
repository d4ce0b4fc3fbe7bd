/** Which agents do the work: what a person chooses for the coordinator or for one session, while it runs. Nothing that runs is killed by it. */
import type {ModeGet, ModeSet, ModeStatus} from '../../protocol/commands/mode.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {tenantKeys} from '../../protocol/model/keys.ts';
import {
  type AgentMode,
  admitsMode,
  ModeRecord,
  modesOf,
  type OrchestrationMode,
} from '../../protocol/model/mode.ts';
import {parseRecord, RECORD_VERSION} from '../../protocol/model/record.ts';
import type {Principal} from '../../security/principal.ts';
import {putRecord} from '../../store/records.ts';
import type {TaskControls} from '../controls/taskControls.ts';
import {type AttemptNode, isFinalTask, isOnline, type SessionNode, type TaskNode} from '../fleet/fleet.ts';
import {type AuditAction, commitAudited, type SessionWriter} from '../sessions/sessions.ts';
import {leadLost} from '../steps/committer.ts';
import type {Conductor} from '../steps/conductor.ts';
import {nowOf, type Term} from '../term/term.ts';

export interface ModeParts {
  readonly term: Term;
  readonly conductor: Conductor;
  readonly sessions: SessionWriter;
  readonly tasks: TaskControls;
}

/** What waits for agents of one mode. */
export interface ModeDemand {
  /** Tasks. */
  readonly ready: number;
  /** The coordinator's mode, where it gives them no work. */
  readonly leftOutBy?: OrchestrationMode;
  /** Whether it gives agents of that mode work. */
  readonly admits: (mode: AgentMode) => boolean;
}

interface Chosen {
  readonly record: ModeRecord;
  readonly mod: number;
}

export class Modes {
  /** By tenant. */
  private readonly chosen = new Map<string, Chosen>();
  /** The task that was given back last: the next waits until it has another agent. */
  private moving: TaskNode | undefined;
  private givingBack = false;

  constructor(private readonly parts: ModeParts) {}

  async load(tenants: readonly string[], revision: number): Promise<void> {
    const {store} = this.parts.term;
    for (const tenant of tenants) {
      const kv = await store.get(tenantKeys(tenant).mode, {atRevision: revision});
      if (kv)
        this.chosen.set(tenant, {record: parseRecord(ModeRecord, kv.key, kv.value), mod: kv.modRevision});
    }
  }

  /** Call before anything of the session is placed. */
  adopt(session: SessionNode): void {
    session.modes = this.modesFor(session);
    for (const task of session.tasks.values()) this.parts.term.queue.reclassify(task);
  }

  modesFor({tenant, record, plan}: SessionNode): SessionNode['modes'] {
    return modesOf(this.modeOf(tenant), record.mode ?? plan.mode);
  }

  /** Errors: `notFound` (no such session runs). */
  async status({sessionId}: ModeGet, {tenant}: Principal): Promise<ModeStatus> {
    const {fleet, policy, settings} = this.parts.term;
    const session = sessionId === undefined ? undefined : this.running(tenant, sessionId);
    const agents = {internal: 0, external: 0};
    let leaving = 0;
    for (const agent of fleet.agents.values()) {
      if (agent.tenant !== tenant) continue;
      if (agent.record && isOnline(agent) && !agent.record.draining) agents[agent.record.mode] += 1;
      for (const attempt of agent.attempts)
        if (isLeftOut(attempt) && (!session || attempt.task.session === session)) leaving += 1;
    }
    return {
      mode: this.modeOf(tenant),
      setting: policy.mode,
      chosen: this.chosen.get(tenant)?.record,
      autoWaitMs: settings.autoWaitMs,
      agents,
      leaving,
      session: session?.record,
    };
  }

  /** What waits that agents of the mode may do. */
  demandFor(tenant: string, mode: AgentMode): ModeDemand {
    const own = this.modeOf(tenant);
    const admits = (one: AgentMode): boolean => admitsMode(modesOf(own, 'hybrid'), one);
    let ready = 0;
    for (const {session, entries} of this.parts.term.queue.classes())
      if (session.tenant === tenant && admitsMode(session.modes, mode)) ready += entries.size;
    return {ready, admits, ...(admits(mode) ? {} : {leftOutBy: own})};
  }

  /** Errors: `notFound` (no such session runs), `conflict` (it is ending). */
  async set(params: ModeSet, principal: Principal): Promise<ModeStatus> {
    const {sessionId, mode, running} = params;
    const audit = {principal: principal.id, detail: {mode: mode ?? 'default', running}};
    if (sessionId === undefined) await this.setOfTenant(params, principal, audit);
    else {
      const session = this.running(principal.tenant, sessionId);
      if (session.record.state === 'ending')
        throw new ProtocolError('conflict', `session ${sessionId} is ending: its mode stays as it is`);
      const givesBack = running === 'giveBack' || undefined;
      await this.parts.sessions.update(session, () => ({mode, givesBack}), {
        ...audit,
        action: 'session.mode',
      });
      this.adopt(session);
    }
    // Who waits comes first: attempts are given back for slots that are left over.
    this.parts.conductor.schedule();
    return this.status({sessionId}, principal);
  }

  /** Gives back one attempt that its mode leaves out, if another agent could begin with it now. */
  tick(): void {
    if (this.givingBack || !this.isSettled()) return;
    const attempt = this.nextToGiveBack();
    if (!attempt) return;
    const {task, agent} = attempt;
    this.moving = task;
    this.givingBack = true;
    const audit: AuditAction = {
      action: 'mode.giveBack',
      principal: this.parts.term.principal,
      detail: {task: task.spec.id, agent: agent.id},
    };
    this.parts.tasks
      .act(task.session, {kind: 'reassignTask', taskId: task.spec.id}, audit)
      .catch((error: unknown) => {
        // It ended meanwhile, or whoever could have taken it is gone: it stays.
        this.moving = undefined;
        this.parts.term.logger.debug('an attempt was not given back', {task: task.key, error});
      })
      .finally(() => {
        this.givingBack = false;
      });
  }

  private modeOf(tenant: string): OrchestrationMode {
    return this.chosen.get(tenant)?.record.mode ?? this.parts.term.policy.mode;
  }

  private running(tenant: string, sessionId: string): SessionNode {
    const session = this.parts.term.fleet.session(tenant, sessionId);
    if (session) return session;
    throw new ProtocolError('notFound', `no session ${sessionId} runs: only what runs has a mode to change`);
  }

  private async setOfTenant(
    {mode, running}: ModeSet,
    {tenant, id}: Principal,
    audit: Omit<AuditAction, 'action'>,
  ): Promise<void> {
    const {term, sessions} = this.parts;
    const key = tenantKeys(tenant).mode;
    await sessions.alone(async () => {
      const record = {
        ...{v: RECORD_VERSION, principal: term.principal, mode, running},
        ...{by: id, at: term.clock.wallNow()},
      };
      const before = this.chosen.get(tenant)?.mod ?? 0;
      const revision = await commitAudited(
        term,
        [{key, target: 'mod', op: '=', operand: before}],
        [putRecord(key, record)],
        {...audit, tenant, action: 'mode.set', subject: 'coordinator'},
      );
      if (revision === undefined) throw leadLost();
      this.chosen.set(tenant, {record, mod: revision});
    });
    for (const session of term.fleet.sessions.values()) if (session.tenant === tenant) this.adopt(session);
  }

  /** What was given back last has another agent, or needs none. */
  private isSettled(): boolean {
    const {moving} = this;
    if (!moving) return true;
    const {session, attempt} = moving;
    const waits =
      !session.closed && session.record.state === 'running' && !isFinalTask(moving) && attempt === undefined;
    if (!waits) this.moving = undefined;
    return !waits;
  }

  private nextToGiveBack(): AttemptNode | undefined {
    const {fleet, scheduler} = this.parts.term;
    const now = nowOf(this.parts.term);
    const tenants = new Set<string>();
    for (const session of fleet.sessions.values()) if (this.givesBack(session)) tenants.add(session.tenant);
    if (tenants.size === 0) return undefined;
    for (const agent of fleet.agents.values()) {
      if (!tenants.has(agent.tenant)) continue;
      for (const attempt of agent.attempts) {
        const {task, record} = attempt;
        const isWorking = record.state === 'assigned' || record.state === 'running';
        if (
          !isWorking ||
          task.attempt !== attempt ||
          task.backup ||
          task.busy ||
          task.spec.onLost !== 'rerun'
        )
          continue;
        if (task.session.record.state !== 'running' || !this.givesBack(task.session)) continue;
        if (isLeftOut(attempt) && scheduler.hasFree(task, now, agent.id)) return attempt;
      }
    }
    return undefined;
  }

  private givesBack({tenant, modes, record}: SessionNode): boolean {
    if (modes.only.length === 0) return false;
    if (record.givesBack) return true;
    const isCoordinators = modesOf(this.modeOf(tenant), 'hybrid').only.length > 0;
    return isCoordinators && this.chosen.get(tenant)?.record.running === 'giveBack';
  }
}

/** Its agent would not get the task now. */
function isLeftOut({agent, task}: AttemptNode): boolean {
  return agent.record !== undefined && !admitsMode(task.session.modes, agent.record.mode);
}
