/** Asks the coordinator for an agent's past: when somebody points at it, and not before. */
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {AskAgentPast} from './model/agentTrouble.ts';

export function agentPast(clientNow: () => McpxClient | undefined): AskAgentPast {
  return async agentId => {
    const client = clientNow();
    if (!client) throw new CoordinatorError('unavailable', 'no coordinator is connected');
    const [{agents}, pool] = await Promise.all([
      client.request('mcpx.agent.history', {agentIds: [agentId]}),
      client.request('mcpx.pool.status', {}),
    ]);
    return {
      classes: agents[0]?.classes ?? [],
      member: pool.agents.find(({member}) => member.agentId === agentId)?.member,
    };
  };
}
