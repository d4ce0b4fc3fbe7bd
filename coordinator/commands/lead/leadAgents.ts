/** Who does what a lead delegates: agents that are there, or some of this machine that come for the time. */
import type {McpxClient} from '../../client/mcpxClient.ts';
import {untilView} from '../../client/orchestrator/untilView.ts';
import {snapshotRows} from '../../client/snapshotRows.ts';
import type {Row} from '../../protocol/commands/watch.ts';
import {openSlots} from '../../protocol/model/agent.ts';
import {systemClock} from '../../runtime/clock.ts';
import {LocalAgents, type LocalAgentsOptions} from '../local/localAgents.ts';

const JOIN_MS = 20_000;

type AgentRow = Extract<Row, {kind: 'agent'}>;

/** How many agents would work off a prompt of any session. */
export async function readyAgents(client: McpxClient): Promise<number> {
  const rows = await snapshotRows(client, {view: 'agents'}, systemClock);
  return rows.filter(row => row.kind === 'agent' && takesPrompts(row)).length;
}

function takesPrompts({online, agent}: AgentRow): boolean {
  const {metadata} = agent.instance;
  return (
    online &&
    !agent.draining &&
    openSlots(agent) > 0 &&
    metadata.reservedFor === undefined &&
    !metadata.rehearsal &&
    metadata.claude.kind === 'ready'
  );
}

/** For as long as the lead is there, also while its terminal has stopped it. */
export async function startLeadAgents(options: LocalAgentsOptions): Promise<LocalAgents> {
  const agents = new LocalAgents({...options, ownGroup: true});
  await agents.start();
  return agents;
}

/** So that the first look at the fleet finds them. False: some take longer, and join later. */
export async function haveJoined(
  client: McpxClient,
  {sessionId, count}: Pick<LocalAgentsOptions, 'sessionId' | 'count'>,
  signal: AbortSignal,
): Promise<boolean> {
  const late = AbortSignal.any([signal, AbortSignal.timeout(JOIN_MS)]);
  const joined = (rows: readonly Row[]): boolean =>
    rows.filter(
      row => row.kind === 'agent' && row.online && row.agent.instance.metadata.reservedFor === sessionId,
    ).length >= count;
  return untilView(client, {view: 'agents'}, joined, {signal: late}).then(
    () => true,
    () => false,
  );
}
