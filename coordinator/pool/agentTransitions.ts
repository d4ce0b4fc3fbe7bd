/** The legal transitions of an agent's state, by name. Which state the facts amount to is agentStatus.ts. Pure. */
import type {InstanceStatus} from '../protocol/instance.ts';
import type {AgentTransition} from '../protocol/model/agent.ts';

interface Transition {
  readonly from: readonly InstanceStatus[];
  readonly to: readonly InstanceStatus[];
}

export const AGENT_TRANSITIONS: Readonly<Record<AgentTransition, Transition>> = {
  /** It takes up work and has slots left. */
  begin: {from: ['idle'], to: ['active']},
  /** Its last free slot is taken. */
  fill: {from: ['idle', 'active'], to: ['busy']},
  /** A slot is free again. */
  free: {from: ['busy'], to: ['active']},
  /** Its last attempt is over. */
  finish: {from: ['active', 'busy'], to: ['idle']},
  /** It gets no new work: drained, paused or quarantined. */
  hold: {from: ['idle', 'active', 'busy'], to: ['maintenance']},
  /** It gets work again. */
  release: {from: ['maintenance'], to: ['idle', 'active', 'busy']},
  /** It is not heard, or does not hear. */
  silence: {from: ['idle', 'active', 'busy', 'maintenance'], to: ['unreachable']},
  /** It is heard again. */
  return: {from: ['unreachable'], to: ['idle', 'active', 'busy', 'maintenance']},
  /** It said goodbye. */
  leave: {from: ['idle', 'active', 'busy', 'maintenance', 'unreachable'], to: ['offline']},
  /** It came, after a goodbye. */
  join: {from: ['offline'], to: ['idle', 'active', 'busy', 'maintenance']},
};

/** The one transition that leads from one state to another; undefined where none does, and where nothing changes. */
export function agentTransition(from: InstanceStatus, to: InstanceStatus): AgentTransition | undefined {
  for (const name of Object.keys(AGENT_TRANSITIONS) as AgentTransition[]) {
    const transition = AGENT_TRANSITIONS[name];
    if (transition.from.includes(from) && transition.to.includes(to)) return name;
  }
  return undefined;
}
