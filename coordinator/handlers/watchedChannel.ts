/** A hub's way to its agents, with what becomes of each command told to the agent's breaker. */
import type {HubAgentChannel} from '../hub/agentLinks.ts';
import type {AgentBreakers} from '../pool/agentBreakers.ts';
import type {AgentChannel} from '../tasks/agentChannel.ts';

export function watchedChannel(channel: HubAgentChannel, breakers: AgentBreakers): AgentChannel {
  return {
    send(agentId, method, params, options) {
      const delivery = channel.send(agentId, method, params, options);
      // Of others their own coordinators tell.
      if (channel.isConnected(agentId)) breakers.observe(agentId, delivery);
      return delivery;
    },
  };
}
