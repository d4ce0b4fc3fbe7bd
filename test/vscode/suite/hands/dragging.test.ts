/** A task dragged from one tree onto an agent in another, and the worktree that a failed attempt left, deleted for good. */
import assert from 'node:assert/strict';
import {existsSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import {insist} from '../../../support/insist.ts';
import {found} from '../../../support/waiting.ts';
import {Messages} from '../answers.ts';
import {Page} from '../page.ts';
import {scratchFolder} from '../surroundings.ts';
import {Team} from '../team.ts';
import {Tree} from '../views/tree.ts';

const DROP_LIMIT_MS = 60_000;

const plan = (go: string): string => `name: dragged
agents: 2
defaults: {retry: {max: 0}}
tasks:
  - {id: moved, run: "while ! test -e ${go}; do sleep 0.1; done"}
  - {id: failing, run: "echo left > left.txt && false"}
`;

describe('a task in the tree of sessions', function () {
  this.timeout(240_000);
  let team: Team;
  let sessionId: string;
  let go: string;
  before(async () => {
    go = path.join(scratchFolder(), 'dragged-go');
    team = await Team.start({'dragged.mcpx.yaml': plan(go)});
    sessionId = await team.run('dragged.mcpx.yaml', '--here');
  });
  after(async () => {
    writeFileSync(go, '');
    await team?.leave();
  });

  it('is moved to another agent by dragging it there', async function () {
    const page = Page.orSkip(this);
    const first = await team.attempt(sessionId, 'moved', ({state}) => state === 'running');
    const other = first.agentId === 'local-1' ? 'local-2' : 'local-1';
    await vscode.commands.executeCommand('workbench.view.extension.mcpx');
    const [sessions, agents] = [new Tree(page, 'Sessions'), new Tree(page, 'Agents')];
    await sessions.expand(await sessions.row(/^dragged, /));
    // Rows change places when it fails.
    await sessions.row(/^failing, failed/);
    await sessions.row(/^moved, running/);
    const onto = await agents.row(new RegExp(`^${other}, `));
    await page.screenshot('drag');
    const messages = new Messages(() => undefined);
    try {
      // A drop that comes before the editor has asked what is dragged falls beside.
      await insist(async limitMs => {
        await sessions.drag(await sessions.row(/^moved, running/), agents, onto);
        await team.attempt(sessionId, 'moved', ({number}) => number === 2, limitMs);
      }, DROP_LIMIT_MS);
      const second = await team.attempt(
        sessionId,
        'moved',
        ({number, state}) => number === 2 && state === 'running',
      );
      assert.equal(second.agentId, other);
    } finally {
      messages.dispose();
    }
    // A drag that is made again may take up the neighbour, which stays where it is.
    const own = messages.shown.filter(({message}) => !message.startsWith('task failing is failed: '));
    assert.deepEqual(own, []);
  });

  it('leaves its worktree when it fails, which stays until a person confirms that it goes', async () => {
    const {worktree} = await team.attempt(sessionId, 'failing', ({state}) => state === 'ended');
    assert.ok(worktree);
    const left = path.join(worktree.path, 'left.txt');
    writeFileSync(go, '');
    await team.sessionIn(sessionId, 'failed');
    assert.equal(existsSync(left), true);
    const asked = async (answer: string | undefined): Promise<string[]> => {
      const messages = new Messages(() => answer);
      try {
        await vscode.commands.executeCommand('mcpx.releaseSession', {
          target: {kind: 'session', sessionId},
        });
      } finally {
        messages.dispose();
      }
      return messages.shown.map(({message}) => message);
    };
    assert.match((await asked(undefined))[0] ?? '', /^Delete the worktrees that agents kept of .*dragged/);
    assert.equal(existsSync(left), true);
    assert.equal((await asked('Delete')).length, 1);
    // An agent that has left with its session hears of it when it is there again.
    const next = await team.run('dragged.mcpx.yaml', '--here');
    await team.sessionIn(next, 'failed');
    await found(() => (existsSync(left) ? undefined : true), 60_000, 'the worktree to be deleted');
  });
});
