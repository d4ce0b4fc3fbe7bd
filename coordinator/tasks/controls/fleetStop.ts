/**
 * The emergency brake: has every agent of a tenant kill what it runs, with a confirmation from each, and cancels every session. Both begin at
 * once, and neither waits for the store: what an agent was given meanwhile is killed by a second round after the ends.
 */
import type * as z from 'zod';
import type {FleetStop, FleetStopped} from '../../protocol/commands/agent.ts';
import {delay} from '../../runtime/clock.ts';
import {describeError} from '../../runtime/errors.ts';
import type {Principal} from '../../security/principal.ts';
import {type AgentNode, isOnline} from '../fleet/fleet.ts';
import type {Term} from '../term/term.ts';
import type {SessionControls} from './sessionControls.ts';

/** Beyond the grace that attempts get. */
const CONFIRMATION_MS = 10_000;

type Stop = z.output<typeof FleetStop>;
type Stopped = z.infer<typeof FleetStopped>;
type Answer = Stopped['agents'][number];

/** Never rejects: what could not be ended or stopped is said in the answer. */
export async function stopFleet(
  term: Term,
  controls: SessionControls,
  params: Stop,
  principal: Principal,
): Promise<Stopped> {
  const sessions = [...term.fleet.sessions.values()].filter(session => session.tenant === principal.tenant);
  const ids = sessions.map(session => session.id);
  const ending = Promise.all(ids.map(id => endSession(term, controls, id, params, principal)));
  const first = await stopAgents(term, params, principal);
  // A full disk must not hold up the answer; the ends are stored as soon as there is space.
  const patience = new AbortController();
  const isEnded = await Promise.race([
    ending.then(() => true),
    delay(term.clock, params.graceMs + CONFIRMATION_MS, patience.signal).then(
      () => false,
      () => false,
    ),
  ]);
  patience.abort();
  if (!isEnded) term.logger.error('the fleet was stopped, but not every session could be ended yet', {ids});
  const second = await stopAgents(term, params, principal);
  return {sessions: ids, agents: merged(first, second)};
}

async function endSession(
  {logger}: Term,
  controls: SessionControls,
  sessionId: string,
  {reason}: Stop,
  principal: Principal,
): Promise<void> {
  try {
    await controls.end(
      {sessionId, mode: 'cancel', reason: `fleet stop: ${reason}`.slice(0, 4096)},
      principal,
    );
  } catch (error) {
    // One that ended by itself meanwhile is no fault.
    logger.warn('a session could not be ended by the stop of the fleet', {session: sessionId, error});
  }
}

/** What left by its own will and holds nothing has nothing to stop. */
function isConcerned(agent: AgentNode): boolean {
  if (!agent.record) return false;
  return isOnline(agent) || agent.attempts.size > 0 || agent.record.instance.status !== 'offline';
}

function stopAgents(term: Term, params: Stop, {tenant}: Principal): Promise<Answer[]> {
  const agents = [...term.fleet.agents.values()].filter(
    agent => agent.tenant === tenant && isConcerned(agent),
  );
  return Promise.all(agents.map(agent => stopAgent(term, agent, params)));
}

async function stopAgent({channel}: Term, agent: AgentNode, {reason, graceMs}: Stop): Promise<Answer> {
  const agentId = agent.id;
  if (!isOnline(agent))
    return {agentId, confirmed: false, killed: 0, message: 'not connected; what it ran is fenced off'};
  try {
    const timeoutMs = graceMs + CONFIRMATION_MS;
    const {killed} = await channel.send(agentId, 'mcpx.agent.stopAll', {reason, graceMs}, {timeoutMs});
    return {agentId, confirmed: true, killed};
  } catch (error) {
    return {agentId, confirmed: false, killed: 0, message: describeError(error).slice(0, 1024)};
  }
}

/** The last word of each agent, with everything that it killed. */
function merged(first: readonly Answer[], second: readonly Answer[]): Answer[] {
  const answers = new Map(first.map(answer => [answer.agentId, answer]));
  for (const answer of second) {
    const killed = answer.killed + (answers.get(answer.agentId)?.killed ?? 0);
    answers.set(answer.agentId, {...answer, killed});
  }
  return [...answers.values()];
}
