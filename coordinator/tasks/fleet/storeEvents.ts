/** Takes what others wrote, as the store's watch tells it, into the lead's picture. What the lead wrote itself is in there already. */
import {AccountRecord, AgentLive, AgentRecord} from '../../protocol/model/agent.ts';
import {ALL_TENANTS_PREFIX} from '../../protocol/model/keys.ts';
import {parseRecord} from '../../protocol/model/record.ts';
import type {StoreEvent} from '../../store/store.ts';
import type {Approvals} from '../controls/approvals.ts';
import type {Term} from '../term/term.ts';
import {type AgentNode, type AttemptNode, presentAttempts} from './fleet.ts';
import {takeAttempt} from './nodes.ts';

export interface PictureChanges {
  /** Its record changed: a report, or what it spent. */
  attemptChanged(attempt: AttemptNode): void;
  /** It came, went, or changed what it offers. */
  agentChanged(agent: AgentNode): void;
  accountChanged(): void;
  /** An attempt that is over spent more than is counted. */
  spentLate(tenant: string, attemptId: string): void;
}

export class StoreEvents {
  constructor(
    private readonly term: Term,
    private readonly approvals: Approvals,
    private readonly changes: PictureChanges,
  ) {}

  take(event: StoreEvent): void {
    const tenantEnd = event.key.indexOf('/', ALL_TENANTS_PREFIX.length);
    const kindEnd = event.key.indexOf('/', tenantEnd + 1);
    if (tenantEnd < 0 || kindEnd < 0) return;
    const tenant = event.key.slice(ALL_TENANTS_PREFIX.length, tenantEnd);
    const name = event.key.slice(kindEnd + 1);
    switch (event.key.slice(tenantEnd + 1, kindEnd)) {
      case 'attempts':
        this.takeAttempt(tenant, name, event);
        return;
      case 'agents':
        this.takeAgent(this.term.fleet.agent(tenant, name), event);
        return;
      case 'agentLive':
        this.takeLive(this.term.fleet.agent(tenant, name), event);
        return;
      case 'lateUsage':
        if (event.kind === 'put') this.changes.spentLate(tenant, name);
        return;
      case 'accounts':
        this.takeAccount(tenant, name, event);
        return;
      case 'approvals':
        this.takeApproval(tenant, name, event);
        return;
      default:
        return;
    }
  }

  private takeAttempt(tenant: string, name: string, {kind, key, kv}: StoreEvent): void {
    const [sessionId = '', taskId = ''] = name.split('/', 2);
    const task = this.term.fleet.session(tenant, sessionId)?.tasks.get(taskId);
    const attempt = task && presentAttempts(task).find(one => one.key === key);
    if (!attempt || kind === 'delete' || kv.modRevision <= attempt.mod) return;
    if (attempt.task.busy) attempt.seen = kv;
    else if (takeAttempt(attempt, kv)) this.changes.attemptChanged(attempt);
  }

  private takeAgent(agent: AgentNode, {kind, key, kv}: StoreEvent): void {
    agent.record = kind === 'delete' ? undefined : parseRecord(AgentRecord, key, kv.value);
    this.changed(agent);
  }

  private takeLive(agent: AgentNode, {kind, key, kv}: StoreEvent): void {
    if (kind === 'delete') agent.live = undefined;
    else agent.live = {value: parseRecord(AgentLive, key, kv.value), mod: kv.modRevision};
    this.changed(agent);
  }

  private changed(agent: AgentNode): void {
    const {fleet, scheduler} = this.term;
    agent.version += 1;
    this.changes.agentChanged(agent);
    if (agent.record || agent.live || agent.attempts.size > 0 || agent.reserved > 0) return;
    fleet.dropAgent(agent);
    scheduler.forget(agent);
  }

  private takeAccount(tenant: string, name: string, {kind, key, kv}: StoreEvent): void {
    const {accounts} = this.term.fleet;
    if (kind === 'delete') accounts.delete(`${tenant}/${name}`);
    else {
      const {pausedUntil, reason} = parseRecord(AccountRecord, key, kv.value);
      accounts.set(`${tenant}/${name}`, {until: pausedUntil, reason});
    }
    this.changes.accountChanged();
  }

  private takeApproval(tenant: string, name: string, {kind, key, kv}: StoreEvent): void {
    const session = this.term.fleet.session(tenant, name.slice(0, name.indexOf('/')));
    if (!session) return;
    if (kind === 'delete') this.approvals.drop(session, key);
    else this.approvals.take(session, kv);
  }
}
