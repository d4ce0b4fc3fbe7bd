/** The state of an agent as people and the scheduler see it, from facts that others keep. Pure. */
import type {InstanceStatus} from '../protocol/instance.ts';

export interface AgentFacts {
  /** Its live key exists. */
  readonly live: boolean;
  readonly saidGoodbye: boolean;
  /** Its lease stands, but it is not heard, or does not hear. */
  readonly troubled: boolean;
  readonly draining: boolean;
  /** A person, a rate limit or its own faults keep it from new work now. */
  readonly paused: boolean;
  /** Live attempts. */
  readonly running: number;
  /** That it may use. */
  readonly slots: number;
}

export function agentStatus(facts: AgentFacts): InstanceStatus {
  if (!facts.live) return facts.saidGoodbye ? 'offline' : 'unreachable';
  if (facts.troubled) return 'unreachable';
  if (facts.draining || facts.paused) return 'maintenance';
  if (facts.running >= facts.slots) return 'busy';
  return facts.running > 0 ? 'active' : 'idle';
}
