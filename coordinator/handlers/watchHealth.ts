/** Asks every connected agent how it is, now and then: its answer's time and its faults are what others see as its health. */

import {MCPXCommand} from '../protocol/commands/table.ts';
import {type Clock, every} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {Services} from './services.ts';

/** One that left something unanswered is asked again so soon, in ms. */
const SUSPECT_MS = 5000;

/** One that hangs delays nobody: every agent is asked by itself. */
export function watchHealth(
  {hub, protocol, agents, registry, breakers}: Services,
  clock: Clock,
  {periodMs, timeoutMs}: {readonly periodMs: number; readonly timeoutMs: number},
): Disposable {
  const channel = hub.agentChannel();
  const asking = new Set<string>();
  const ask = async (agentId: string): Promise<void> => {
    if (asking.has(agentId)) return;
    asking.add(agentId);
    const askedAt = clock.now();
    try {
      await breakers.check(agentId, () =>
        protocol.sendOrchestrationCommand(agentId, MCPXCommand.HEALTH_CHECK, {}, timeoutMs),
      );
      registry.observe(agentId, {ok: true, responseMs: clock.now() - askedAt});
    } catch {
      // Why does not matter here: what became of the agent is its lease's to say.
      registry.observe(agentId, {ok: false});
    } finally {
      asking.delete(agentId);
    }
  };
  const askThose = (which: (agentId: string) => boolean): void => {
    for (const {id, live} of agents.all()) if (live && channel.isConnected(id) && which(id)) void ask(id);
  };
  const owned = new DisposableStore();
  owned.add(every(clock, periodMs, () => askThose(() => true)));
  owned.add(every(clock, SUSPECT_MS, () => askThose(id => breakers.isSuspect(id))));
  return owned;
}
