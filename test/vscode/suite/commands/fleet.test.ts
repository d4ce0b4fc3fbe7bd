/** Agents and the whole fleet from the editor, while the command line's current context is a coordinator that is not there. */
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import {snapshotRows} from '../../../../coordinator/commands/local/connect.ts';
import type {AgentRecord} from '../../../../coordinator/protocol/model/agent.ts';
import {found} from '../../../support/waiting.ts';
import {Messages, type Shown} from '../answers.ts';
import {Page} from '../page.ts';
import {Team} from '../team.ts';
import {Tree} from '../views/tree.ts';

const HOLD = `name: hold
agents: 1
workspace: none
tasks:
  - {id: hold, run: sleep 600}
`;

/** Ends that are the machine's fault, as many as lead to a quarantine. */
const CRASHES = `name: crashes
agents: 1
workspace: none
defaults: {retry: {max: 0}}
tasks:
${['one', 'two', 'three'].map(id => `  - {id: ${id}, run: "kill -KILL $$"}`).join('\n')}
`;

describe('commands about the fleet', function () {
  this.timeout(240_000);
  let team: Team;
  before(async () => {
    team = await Team.start({'hold.mcpx.yaml': HOLD, 'crashes.mcpx.yaml': CRASHES});
    await team.mcpx('context', 'add', 'nowhere', 'ws://127.0.0.1:9', '--token', 'none');
    await team.mcpx('context', 'use', 'nowhere');
  });
  after(async () => {
    await team?.mcpx('context', 'remove', 'nowhere');
    await team?.leave();
  });

  const agent = {kind: 'agent', agentId: 'here-1'};
  const agentWhich = (fits: (agent: AgentRecord) => boolean, what: string): Promise<AgentRecord> =>
    found(
      async () =>
        (await snapshotRows(await team.client(), {view: 'agents'})).flatMap(row =>
          row.kind === 'agent' && row.agent.instance.id === agent.agentId && fits(row.agent)
            ? [row.agent]
            : [],
        )[0],
      60_000,
      what,
    );
  async function answering(button: string | undefined, ...command: [string, ...unknown[]]) {
    const messages = new Messages(({buttons}) => (button && buttons.includes(button) ? button : undefined));
    try {
      await vscode.commands.executeCommand(...command);
      return messages.shown;
    } finally {
      messages.dispose();
    }
  }
  const texts = (shown: readonly Shown[]): string[] => shown.map(({message}) => message);

  it('add an agent on this machine that stays', async () => {
    assert.deepEqual(texts(await answering(undefined, 'mcpx.addAgent')), []);
    await agentWhich(({instance}) => instance.status === 'idle', 'the agent');
    assert.match(await team.mcpx('agent', 'list'), /^here-1 .*kept by \d+/);
  });

  it('drain it, and let it take tasks again', async () => {
    assert.deepEqual(texts(await answering(undefined, 'mcpx.drainAgent', {target: agent})), []);
    await agentWhich(({draining}) => draining, 'the agent to drain');
    assert.deepEqual(texts(await answering(undefined, 'mcpx.undrainAgent', {target: agent})), []);
    await agentWhich(({draining}) => !draining, 'the agent to take tasks');
  });

  it('show why it is in quarantine, and release it', async function () {
    const page = Page.orSkip(this);
    await team.sessionIn(await team.run('crashes.mcpx.yaml', '--here'), 'failed');
    await agentWhich(({quarantine}) => quarantine?.kind === 'quarantined', 'the quarantine');
    await vscode.commands.executeCommand('mcpx.agents.focus');
    const tree = new Tree(page, 'Agents');
    const held = await tree.row(/^here-1, in quarantine until /);
    assert.deepEqual(await tree.actions(held), ['Release Agent from Quarantine']);
    await tree.select(held);
    await vscode.commands.executeCommand('list.showHover');
    await page.waitFor({
      selector: '.monaco-hover',
      hasText: 'Attempts so far: 0 succeeded, 3 failed, 0 lost',
    });
    await page.waitFor({selector: '.monaco-hover', hasText: 'ended by SIGKILL'});
    await page.screenshot('quarantine');
    assert.deepEqual(texts(await answering(undefined, 'mcpx.releaseAgent', {target: agent})), []);
    await agentWhich(({quarantine}) => quarantine === undefined, 'the agent to be released');
    await tree.row(/^here-1, idle · 0\/\d/);
  });

  it('remove it for good, once that is confirmed', async () => {
    const refused = await answering(undefined, 'mcpx.removeAgent', {target: agent});
    assert.deepEqual(texts(refused), ['Remove the agent here-1?']);
    assert.match(await team.mcpx('agent', 'list'), /^here-1 /);
    const removed = await answering('Remove Agent', 'mcpx.removeAgent', {target: agent});
    assert.deepEqual(texts(removed), ['Remove the agent here-1?']);
    assert.match(await team.mcpx('agent', 'list'), /^No agents/);
  });

  it('give a command by which another machine joins', async function () {
    const page = Page.orSkip(this);
    const giving = answering('Copy Command', 'mcpx.addMachine');
    await page.click({selector: '.quick-input-list .monaco-list-row', hasText: 'With a join command'});
    const shown = await giving;
    assert.match(shown[0]?.message ?? '', /^This coordinator listens on this machine only/);
    const command = await vscode.env.clipboard.readText();
    assert.match(
      command,
      /^MCPX_TOKEN=\S{32,} mcpx agent --join wss?:\/\/127\.0\.0\.1:\d+\S*( --ca-pin sha256:\S+)?$/,
    );
  });

  it('stop everything that runs, once that is confirmed', async () => {
    const sessionId = await team.run('hold.mcpx.yaml', '--here');
    await team.attempt(sessionId, 'hold', ({state}) => state === 'running');
    const refused = await answering(undefined, 'mcpx.stopFleet');
    assert.deepEqual(texts(refused), ['Stop every attempt on all 1 agents?']);
    assert.equal((await team.session(sessionId)).state, 'running');
    const stopped = await answering('Stop Fleet', 'mcpx.stopFleet');
    assert.equal(stopped[1]?.message, 'All agents have confirmed: 1 attempts ended, 1 sessions cancelled.');
    await team.sessionIn(sessionId, 'cancelled');
  });
});
