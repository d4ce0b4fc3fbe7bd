/**
 * Agents that listen and that this coordinator was asked to dial: kept in the store, so that it dials them again after its own restart, until
 * they are removed. Another coordinator does not: who asked it knows that it reaches the agent.
 */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import type {AgentDial} from '../protocol/commands/agent.ts';
import {DialledRecord} from '../protocol/model/facts.ts';
import {SYSTEM_KEYS} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {AuditLog} from '../security/audit.ts';
import type {Principal} from '../security/principal.ts';
import {putRecord, readRecords} from '../store/records.ts';
import type {Store} from '../store/store.ts';

/** Opens the connection and keeps it open until it is disposed. */
export type Dial = (target: {
  readonly url: string;
  readonly token: string;
  readonly agentId: string;
  readonly ca?: string;
}) => Disposable;

export interface DialledAgentsOptions {
  readonly store: Store;
  readonly tenant: string;
  readonly coordinatorId: string;
  readonly audit: Pick<AuditLog, 'auditedTxn'>;
  readonly dial: Dial;
  readonly logger: Logger;
}

export class DialledAgents implements Disposable {
  private readonly connections = new Map<string, Disposable>();
  private readonly prefix: string;

  constructor(private readonly options: DialledAgentsOptions) {
    this.prefix = `${SYSTEM_KEYS.dialled}${options.coordinatorId}/${options.tenant}/`;
  }

  /** Dials those of before. Rejects as the store does. */
  async start(): Promise<void> {
    const {records} = await readRecords(this.options.store, DialledRecord, this.prefix);
    for (const {key, value} of records) this.connect(key.slice(this.prefix.length), value);
  }

  dispose(): void {
    for (const connection of this.connections.values()) connection.dispose();
    this.connections.clear();
  }

  /** Resolves once it is stored; whether the agent is reached shows in its record. An earlier address of the same agent is given up. */
  async add({agentId, url, token, ca}: AgentDial, principal: Principal): Promise<Record<string, never>> {
    const record: DialledRecord = {v: RECORD_VERSION, principal: principal.id, url, token, ca};
    await this.options.audit.auditedTxn(
      {then: [putRecord(`${this.prefix}${agentId}`, record)]},
      {action: 'agent.dial', subject: `agent ${agentId}`, detail: {url}, principal, outcome: 'done'},
    );
    this.connect(agentId, record);
    return {};
  }

  /** False for an agent that is not dialled from here. */
  forget(agentId: string): boolean {
    const connection = this.connections.get(agentId);
    if (!connection) return false;
    connection.dispose();
    this.connections.delete(agentId);
    const {store, logger} = this.options;
    store
      .txn({then: [{kind: 'delete', key: `${this.prefix}${agentId}`}]})
      .catch((error: unknown) => logger.warn('an agent that was removed is dialled again', {agentId, error}));
    return true;
  }

  private connect(agentId: string, {url, token, ca}: z.infer<typeof DialledRecord>): void {
    this.connections.get(agentId)?.dispose();
    this.connections.set(
      agentId,
      this.options.dial({url, token, agentId, ...(ca === undefined ? {} : {ca})}),
    );
  }
}
