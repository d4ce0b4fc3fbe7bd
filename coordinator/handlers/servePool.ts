/** What people ask about the agents that the cluster starts by itself, and want of it. */
import type {Settings} from '../config.ts';
import type {PoolStatus} from '../protocol/commands/pool.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {Services} from './services.ts';

/** Give every handler before the hub listens. */
export function servePool(services: Services, settings: Settings): void {
  const {hub, poolRecords} = services;
  hub.handle('mcpx.pool.status', () => status(services, settings));
  hub.handle('mcpx.pool.scale', async ({size}, {principal}) => {
    const {poolMax} = settings;
    if (poolMax === 0)
      throw new ProtocolError('notAvailable', 'this coordinator starts no agents: its setting poolMax is 0');
    if (size !== undefined && size > poolMax)
      throw new ProtocolError(
        'invalidParams',
        `${size} agents are more than the setting poolMax, ${poolMax}`,
      );
    await poolRecords.setTarget(size, principal);
    return {};
  });
}

async function status({poolRecords, agents}: Services, settings: Settings): Promise<PoolStatus> {
  const [members, target, decision] = await Promise.all([
    poolRecords.members(),
    poolRecords.target(),
    poolRecords.decision(),
  ]);
  return {
    provider: settings.poolProvider,
    min: settings.poolMin,
    max: settings.poolMax,
    slots: settings.poolSlots,
    target: target?.value.size,
    decision: decision?.value,
    agents: members.map(({value}) => {
      const agent = agents.get(value.agentId);
      return {member: value, online: agent?.live !== undefined, status: agent?.record.instance.status};
    }),
  };
}
