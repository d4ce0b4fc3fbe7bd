/** Commands about agents and the fleet: add, drain, release from quarantine, remove, stop everything. */
import * as vscode from 'vscode';
import type {AgentRow} from '../../coordinator/client/mirror/fleetMirror.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import type {Services} from '../services.ts';
import {addAgent, addMachine, removeAdded} from './addAgents.ts';
import {confirm, told, working} from './asking.ts';
import {chooseAgent} from './choosing.ts';
import {registerCommands} from './register.ts';
import {wholeFleet} from './rows.ts';

const STOP_GRACE_MS = 5000;
const STOP_SLACK_MS = 20_000;

export function registerAgentCommands(services: Services): void {
  registerCommands(services, {
    addAgent: () => addAgent(services),
    addMachine: destination => addMachine(services, destination),
    drainAgent: argument => drain(services, argument, true),
    undrainAgent: argument => drain(services, argument, false),
    releaseAgent: argument => releaseAgent(services, argument),
    removeAgent: argument => removeAgent(services, argument),
    stopFleet: () => stopFleet(services),
  });
}

async function drain(services: Services, argument: unknown, on: boolean): Promise<void> {
  const title = on ? vscode.l10n.t('Drain Agent') : vscode.l10n.t('Let Agent Take Tasks Again');
  const row = await chooseAgent(services, argument, {
    title,
    fits: ({agent, online}) => online && agent.draining !== on,
    none: on ? vscode.l10n.t('No agent takes tasks.') : vscode.l10n.t('No agent is draining.'),
  });
  const agentId = idOf(row);
  await working(title, () => services.link.requireClient().request('mcpx.agent.drain', {agentId, drain: on}));
  told(
    on
      ? vscode.l10n.t('{0} finishes what it runs and takes nothing new', agentId)
      : vscode.l10n.t('{0} takes tasks again', agentId),
  );
}

/** Its drain, if it drains, is left as it is. */
async function releaseAgent(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Release Agent from Quarantine');
  const row = await chooseAgent(services, argument, {
    title,
    fits: ({agent}) => agent.quarantine !== undefined,
    none: vscode.l10n.t('No agent is in quarantine or on probation.'),
  });
  const agentId = idOf(row);
  await working(title, () => services.link.requireClient().request('mcpx.agent.release', {agentId}));
  told(vscode.l10n.t('{0} is trusted again: it gets work for all its slots', agentId));
}

async function removeAgent(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Remove Agent');
  const row = await chooseAgent(services, argument, {
    title,
    fits: () => true,
    none: vscode.l10n.t('There are no agents.'),
  });
  const agentId = idOf(row);
  await confirm(
    vscode.l10n.t('Remove the agent {0}?', agentId),
    row.online
      ? vscode.l10n.t('It finishes what it runs, then it leaves. Nothing that it delivered is lost.')
      : vscode.l10n.t('It is gone and is forgotten. Nothing that it delivered is lost.'),
    title,
  );
  await working(title, async () => {
    const {metadata} = row.agent.instance;
    const isAdded = metadata.reservedFor === undefined && (await removeAdded(services, agentId));
    // One that was added here has said goodbye by then, and is forgotten as any other.
    await services.link
      .requireClient()
      .request('mcpx.agent.remove', {agentId})
      .catch((error: unknown) => {
        if (!isAdded || !isProtocolError(error, 'notFound')) throw error;
      });
  });
  told(vscode.l10n.t('{0} is removed', agentId));
}

async function stopFleet(services: Services): Promise<void> {
  const title = vscode.l10n.t('Stop Fleet');
  const {agents} = await wholeFleet(services);
  const online = agents.filter(row => row.online).length;
  await confirm(
    vscode.l10n.t('Stop every attempt on all {0} agents?', online),
    vscode.l10n.t(
      'Attempts are interrupted, then killed, and all sessions are cancelled. What tasks have delivered stays.',
    ),
    title,
  );
  const stopped = await working(title, () =>
    services.link
      .requireClient()
      .request(
        'mcpx.fleet.stop',
        {reason: vscode.l10n.t('stopped in the editor'), graceMs: STOP_GRACE_MS},
        {timeoutMs: STOP_GRACE_MS + STOP_SLACK_MS},
      ),
  );
  const killed = stopped.agents.reduce((sum, agent) => sum + agent.killed, 0);
  const silent = stopped.agents.filter(({confirmed}) => !confirmed);
  if (silent.length === 0) {
    const {length} = stopped.sessions;
    void vscode.window.showInformationMessage(
      vscode.l10n.t('All agents have confirmed: {0} attempts ended, {1} sessions cancelled.', killed, length),
    );
    return;
  }
  const names = silent.map(({agentId, message}) => (message ? `${agentId} (${message})` : agentId));
  void vscode.window.showWarningMessage(
    vscode.l10n.t(
      'NOT CONFIRMED by {0}: what runs there may go on until that machine is reached. {1} attempts ended elsewhere.',
      names.join(', '),
      killed,
    ),
  );
}

function idOf({agent}: AgentRow): string {
  return agent.instance.id;
}
