/** Who asks: every command and every record carries one. */

export interface Principal {
  /** For records and audit: `agent:a-1`, `client:9f2c41`, `coordinator:c-1`. */
  readonly id: string;
  readonly tenant: string;
  /** `coordinator` has full rights here; a `peer` is another coordinator of the same store, at our door. */
  readonly role: 'agent' | 'client' | 'coordinator' | 'peer';
  /** Set for agents: what an agent may touch is what it runs. */
  readonly agentId?: string | undefined;
}
