/** The trees over a real coordinator with real agents: what they say while a session runs, waits for a person, and has ended. */
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import {Page} from '../page.ts';
import {Team} from '../team.ts';
import {Tree} from './tree.ts';

const PLAN = `name: careful team
agents: 2
tasks:
  - id: words
    title: Words to start with
    run: echo hello > words.txt
  - id: careful
    title: Asks before it writes
    dependsOn: words
    prompt: Write a note, then ask.
    permissions: {mode: ask}
  - id: last
    dependsOn: [careful, words]
    run: cat words.txt
`;

const SCRIPT = `tasks:
  careful:
    turns:
      - calls:
          - {tool: Write, input: {file_path: "{{worktree}}/notes.txt", content: "draft\\n"}}
      - calls:
          - tool: AskUserQuestion
            input:
              questions:
                - question: Which colour?
                  header: Colour
                  multiSelect: false
                  options: [{label: Red, description: Like a rose}, {label: Blue, description: Like the sea}]
      - All was asked.
`;

describe('the trees of a fleet at work', function () {
  this.timeout(240_000);
  this.bail(true);
  let page: Page;
  let sessions: Tree;
  let approvals: Tree;
  let agents: Tree;
  let team: Team;

  before(async function () {
    page = Page.orSkip(this);
    sessions = new Tree(page, 'Sessions');
    approvals = new Tree(page, 'Approvals');
    agents = new Tree(page, 'Agents');
    team = await Team.start({'careful.mcpx.yaml': PLAN, 'careful.rehearsal.yaml': SCRIPT});
    await vscode.commands.executeCommand('workbench.view.extension.mcpx');
  });

  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await page.screenshot('views-failed');
  });

  it('find the coordinator when they are shown, and say that there is nothing yet', async () => {
    await page.waitFor({selector: '.part.sidebar .welcome-view-content', hasText: 'No sessions yet'});
    await page.waitFor({selector: '.part.sidebar .welcome-view-content', hasText: 'Nothing waits for you'});
    await page.screenshot('views-empty');
  });

  it('show the session, who waits for whom, and who waits for a person', async () => {
    await team.rehearse('careful.mcpx.yaml');
    await sessions.row(/^Today, 1 session$/);
    const session = await sessions.row(/^careful team, /);
    await sessions.expand(session);
    await sessions.row(/^last, pending, waits for careful/);
    const asks = await sessions.row(/^careful, running, waits for permission · \S+ · /, 90_000);
    await sessions.row(/^words, succeeded, /);
    await sessions.row(/^careful team, waits for you · 1\/4 · /);
    assert.deepEqual(await sessions.actions(asks), ['Attach to Attempt']);
    await page.screenshot('views-waiting');
  });

  it('count what waits, in its list, on the icon and in the status bar', async () => {
    const asked = await approvals.row(/^Write: .*notes\.txt, careful · careful team · /);
    assert.deepEqual(await approvals.actions(asked), ['Approve Once', 'Deny…']);
    await page.waitFor({
      selector: '.part.activitybar .action-item:has([aria-label*="MCPX"]) .badge-content',
      hasText: '1',
    });
    const status = await page.attribute(
      {selector: '.part.statusbar [id="mcpx.mcpx.mcpx.status"] a'},
      'aria-label',
    );
    assert.equal(status, 'MCPX: 1 session runs, 1 approval waits for you');
  });

  it('show the agents of the region with their load', async () => {
    await agents.row(/, 2 of 2 online$/);
    await agents.row(/, (active|busy) · 1\/\d/);
  });

  it('show tool calls of an attempt live, and the question that follows', async () => {
    await sessions.expand(await sessions.row(/^careful, /));
    await sessions.expand(await sessions.row(/^Attempt 1, /));
    await sessions.row(/^Write, .*notes\.txt$/);
    await team.mcpx('approvals', 'approve', (await team.approval()).id);
    const asked = await approvals.row(/^Which colour\?, careful · /);
    assert.deepEqual(await approvals.actions(asked), ['Answer Question…', 'Deny…']);
    await sessions.row(/^careful, running, waits for an answer/);
    await page.screenshot('views-question');
    await team.mcpx('approvals', 'answer', (await team.approval()).id, 'Blue');
  });

  it('show how it ended, and nothing that waits', async () => {
    const session = await sessions.row(/^careful team, succeeded, 4\/4 · /, 120_000);
    assert.deepEqual(await sessions.actions(session), ['Open Session', 'Open Task Graph', 'Show Changes']);
    await sessions.row(/^last, succeeded, /);
    await page.waitFor({selector: '.part.sidebar .welcome-view-content', hasText: 'Nothing waits for you'});
    await page.screenshot('views-ended');
  });

  after(() => team?.leave());
});
