/** The emergency brake: cancels every session of a tenant and has every agent kill what it runs, with a confirmation from each. */
import type * as z from 'zod';
import type {FleetStop, FleetStopped} from '../protocol/commands/agent.ts';
import {describeError} from '../runtime/errors.ts';
import type {Principal} from '../security/principal.ts';
import {isOnline} from './fleet.ts';
import type {SessionControls} from './sessionControls.ts';
import type {Term} from './term.ts';

/** Beyond the grace that attempts get. */
const CONFIRMATION_MS = 10_000;

export async function stopFleet(
  term: Term,
  controls: SessionControls,
  params: z.output<typeof FleetStop>,
  principal: Principal,
): Promise<z.infer<typeof FleetStopped>> {
  const {fleet, channel} = term;
  const {reason, graceMs} = params;
  const sessions = [...fleet.sessions.values()].filter(session => session.tenant === principal.tenant);
  const agents = [...fleet.agents.values()].filter(
    agent => agent.tenant === principal.tenant && agent.record,
  );
  // The sessions first: an agent that has stopped must not get the next task.
  await Promise.all(
    sessions.map(({id}) =>
      controls.end({sessionId: id, mode: 'cancel', reason: `fleet stop: ${reason}`}, principal),
    ),
  );
  const answers = agents.map(async agent => {
    if (!isOnline(agent))
      return {
        agentId: agent.id,
        confirmed: false,
        killed: 0,
        message: 'not connected; what it ran is fenced off',
      };
    try {
      const {killed} = await channel.send(
        agent.id,
        'mcpx.agent.stopAll',
        {reason, graceMs},
        {timeoutMs: graceMs + CONFIRMATION_MS},
      );
      return {agentId: agent.id, confirmed: true, killed};
    } catch (error) {
      return {agentId: agent.id, confirmed: false, killed: 0, message: describeError(error).slice(0, 1024)};
    }
  });
  return {sessions: sessions.map(session => session.id), agents: await Promise.all(answers)};
}
