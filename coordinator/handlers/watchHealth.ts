/** Asks every connected agent how it is, now and then: its answer's time and its faults are what others see as its health. */

import {MCPXCommand} from '../protocol/commands/table.ts';
import {type Clock, every} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {Services} from './services.ts';

/** One that hangs delays nobody: every agent is asked by itself. */
const ANSWER_MS = 5000;

export function watchHealth(
  {hub, protocol, agents, registry}: Services,
  clock: Clock,
  periodMs: number,
): Disposable {
  const channel = hub.agentChannel();
  const ask = async (agentId: string): Promise<void> => {
    const askedAt = clock.now();
    try {
      await protocol.sendOrchestrationCommand(agentId, MCPXCommand.HEALTH_CHECK, {}, ANSWER_MS);
      registry.observe(agentId, {ok: true, responseMs: clock.now() - askedAt});
    } catch {
      // Why does not matter here: what became of the agent is its lease's to say.
      registry.observe(agentId, {ok: false});
    }
  };
  return every(clock, periodMs, () => {
    for (const {id, live} of agents.all()) if (live && channel.isConnected(id)) void ask(id);
  });
}
