/**
 * Has agents remove worktrees that were kept: what is to go is noted in the store for each agent, told while the agent is connected, and
 * forgotten when it has confirmed. What an agent keeps at an attempt's end is said to it by the dispatcher.
 */
import {AttemptRecord, type ReleaseRecord} from '../../protocol/model/attempt.ts';
import {tenantKeys} from '../../protocol/model/keys.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import {delay} from '../../runtime/clock.ts';
import {putRecord, storedRecord} from '../../store/records.ts';
import type {Op} from '../../store/store.ts';
import {type AgentNode, isOnline} from '../fleet/fleet.ts';
import {children} from '../fleet/loader.ts';
import {isPassing} from '../steps/dispatcher.ts';
import type {Term} from '../term/term.ts';

const STEP = 100;

export class Releases {
  /** Agents, as `tenant/id`, for which something is noted. */
  private readonly due = new Set<string>();
  private readonly telling = new Set<AgentNode>();

  constructor(private readonly term: Term) {}

  /** What earlier terms have left. */
  async load(tenants: readonly string[], revision: number): Promise<void> {
    for (const tenant of tenants)
      for await (const agentId of children(this.term.store, tenantKeys(tenant).releases, revision)) {
        this.due.add(`${tenant}/${agentId}`);
        // Known from now on, so that what is noted for one that was removed meanwhile goes.
        this.term.fleet.agent(tenant, agentId);
      }
  }

  /** Resolves when every worktree that the ended session may have left is noted for its agent. Agents that are forgotten have none. */
  async order(tenant: string, {id, keep}: SessionRecord): Promise<void> {
    const {store, committer, fleet, principal} = this.term;
    const keys = tenantKeys(tenant);
    let after: string | undefined;
    do {
      const page = await store.range(keys.attempts(id), {limit: STEP, after});
      const ops = page.kvs.flatMap((kv): Op[] => {
        const {value: attempt} = storedRecord(AttemptRecord, kv);
        const isKept = keep || attempt.outcome !== 'succeeded';
        if (!isKept || !fleet.agents.get(`${tenant}/${attempt.agentId}`)?.record) return [];
        this.due.add(`${tenant}/${attempt.agentId}`);
        const record: ReleaseRecord = {v: RECORD_VERSION, principal};
        return [putRecord(keys.release(attempt.agentId, attempt.id), record)];
      });
      if (ops.length > 0) await committer.run([], ops);
      after = page.more ? page.kvs.at(-1)?.key : undefined;
    } while (after !== undefined);
    for (const agent of fleet.agents.values()) if (agent.tenant === tenant) this.agentChanged(agent);
  }

  /** It may be connected now, or gone. */
  agentChanged(agent: AgentNode): void {
    if (!this.due.has(`${agent.tenant}/${agent.id}`) || this.telling.has(agent)) return;
    if (agent.record && !isOnline(agent)) return;
    this.tell(agent).catch((error: unknown) => {
      if (!this.term.signal.aborted)
        this.term.logger.warn('worktrees are not released yet', {agent: agent.id, error});
    });
  }

  private async tell(agent: AgentNode): Promise<void> {
    const {clock, settings, signal} = this.term;
    this.telling.add(agent);
    try {
      while (!(await this.tellAll(agent))) {
        // It is told when it comes back.
        if (agent.record && !isOnline(agent)) return;
        await delay(clock, settings.resendMs, signal);
      }
    } finally {
      this.telling.delete(agent);
    }
  }

  /** False where something is to be told again. */
  private async tellAll(agent: AgentNode): Promise<boolean> {
    const {store, committer} = this.term;
    const {tenant, id} = agent;
    const prefix = tenantKeys(tenant).agentReleases(id);
    for (;;) {
      const {kvs} = await store.range(prefix, {limit: STEP});
      if (kvs.length === 0) break;
      for (const {key} of kvs) {
        if (agent.record && !(await this.release(id, key.slice(prefix.length)))) return false;
        await committer.run([], [{kind: 'delete', key}]);
      }
    }
    this.due.delete(`${tenant}/${id}`);
    return true;
  }

  /** False when it is to be told again. */
  private async release(agentId: string, attemptId: string): Promise<boolean> {
    const {channel, signal, logger} = this.term;
    try {
      await channel.send(agentId, 'mcpx.attempt.release', {attemptId, keep: false}, {signal});
      return true;
    } catch (error) {
      if (isPassing(error) || signal.aborted) return false;
      logger.warn('an agent could not release a worktree', {agent: agentId, attempt: attemptId, error});
      return true;
    }
  }
}
