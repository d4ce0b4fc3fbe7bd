/** What is known of the agent that has an attempt. Pure. */
import type {AttemptNode} from './fleet.ts';

/**
 * `replaced`: a new process of the agent has registered, so the attempt's own is gone. `reporting`: so it has, but it has the attempt's
 * completion and is about to send it. `left`: the attempt's own said goodbye.
 */
export type AgentPresence = 'online' | 'silent' | 'replaced' | 'reporting' | 'left';

export function agentOf({agent, record: {id, agentIncarnation}}: AttemptNode): AgentPresence {
  const {live, record} = agent;
  if (live) {
    if (live.value.incarnation === agentIncarnation) return 'online';
    return live.value.finished?.includes(id) ? 'reporting' : 'replaced';
  }
  if (!record) return 'silent';
  if (record.departed === agentIncarnation) return 'left';
  return record.incarnation === agentIncarnation ? 'silent' : 'replaced';
}
