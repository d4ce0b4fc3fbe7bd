/** Who asks: every command and every record carries one. */
import type {Fence} from '../protocol/ids.ts';

/** What the token of an attempt says: good for the hub's tools, as long as its fence stands. */
export interface AttemptCredential {
  readonly fence: Fence;
  readonly agentId: string;
}

/** An attempt that is current, as its fence admits it. */
export interface AttemptGrant {
  readonly fence: Fence;
  readonly attemptId: string;
  readonly sessionId: string;
  readonly taskId: string;
  readonly agentId: string;
  /** It runs beside another one that has the fence of their task: it may look, and change nothing. */
  readonly backup: boolean;
}

export interface Principal {
  /** For records and audit: `agent:a-1`, `client:9f2c41`, `coordinator:c-1`. */
  readonly id: string;
  readonly tenant: string;
  /** `coordinator` has full rights here; a `peer` is another coordinator of the same store, at our door. */
  readonly role: 'agent' | 'client' | 'coordinator' | 'peer';
  /** Set for agents: what an agent may touch is what it runs. */
  readonly agentId?: string | undefined;
  /** Set for the Claude Code of one attempt: it opens the hub's tools and nothing else. */
  readonly attempt?: AttemptCredential | undefined;
}
