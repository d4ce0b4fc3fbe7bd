/** The trees over a real coordinator with real agents: what they say while a session runs, waits for a person, and has ended. */
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import * as z from 'zod';
import {found} from '../../../support/waiting.ts';
import {Messages} from '../answers.ts';
import {Page} from '../page.ts';
import {Team} from '../team.ts';
import {Tree} from './tree.ts';

const SEARCH_PROMPT = 'Name, state or id of a session';

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

const Background = z.object({pid: z.number()});

/** More than a page, none of which can start before the first has ended. */
const WIDE = `name: wide
agents: 1
workspace: none
tasks:
  - { id: first, run: sleep 600 }
${Array.from({length: 250}, (_, index) => `  - { id: t${String(index).padStart(3, '0')}, run: 'true', dependsOn: first }`).join('\n')}
`;

describe('the trees of a fleet at work', function () {
  this.timeout(240_000);
  this.bail(true);
  let page: Page;
  let sessions: Tree;
  let approvals: Tree;
  let agents: Tree;
  let team: Team;
  let messages: Messages;
  let sessionId: string;
  let hostPid: number;
  let approve: (button: string) => void;

  before(async function () {
    page = Page.orSkip(this);
    sessions = new Tree(page, 'Sessions');
    approvals = new Tree(page, 'Approvals');
    agents = new Tree(page, 'Agents');
    team = await Team.start({
      'careful.mcpx.yaml': PLAN,
      'careful.rehearsal.yaml': SCRIPT,
      'wide.mcpx.yaml': WIDE,
    });
    const approved = new Promise<string>(resolve => {
      approve = resolve;
    });
    messages = new Messages(({message}) =>
      message.startsWith('careful asks to use') ? approved : undefined,
    );
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
    sessionId = await team.rehearse('careful.mcpx.yaml');
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
    const asked = await approvals.row(/^Write: notes\.txt, careful · careful team · /);
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
    await sessions.row(/^Write, notes\.txt$/);
    assert.deepEqual(
      messages.shown.map(({message, buttons}) => [message, ...buttons]),
      [['careful asks to use Write: notes.txt', 'Approve', 'Deny', 'Show']],
    );
    approve('Approve');
    const asked = await approvals.row(/^Which colour\?, careful · /);
    assert.deepEqual(await approvals.actions(asked), ['Answer Question…', 'Deny…']);
    await sessions.row(/^careful, running, waits for an answer/);
    await team.mcpx('memory', 'put', 'api/shape', '{"a":1}', '--session', sessionId);
    const state = new Tree(page, 'Shared State');
    await vscode.commands.executeCommand('mcpx.sharedState.focus');
    await state.expand(await state.row(/^careful team, /));
    await state.expand(await state.row(/^api$/));
    assert.deepEqual(await state.actions(await state.row(/^shape, \{"a":1\} · v1$/)), [
      'Open Value',
      'Show History of Key',
    ]);
    await page.screenshot('views-question');
    await team.mcpx('approvals', 'answer', (await team.approval()).id, 'Blue');
  });

  it('show how it ended, and nothing that waits', async () => {
    const session = await sessions.row(/^careful team, succeeded, 4\/4 · /, 120_000);
    assert.deepEqual(await sessions.actions(session), ['Open Session', 'Open Task Graph', 'Show Changes']);
    await sessions.row(/^last, succeeded, /);
    await page.waitFor({selector: '.part.sidebar .welcome-view-content', hasText: 'Nothing waits for you'});
    await found(
      () => messages.shown.find(({message}) => message === 'careful team is done: 4 tasks.'),
      10_000,
      'the message that it is done',
    );
    await page.screenshot('views-ended');
  });

  it('show a wide session by state and a page at a time', async () => {
    await sessions.select(await sessions.row(/^careful team, /));
    await vscode.commands.executeCommand('list.collapse');
    const answer = await team.mcpx('run', 'wide.mcpx.yaml', '--background', '--json');
    hostPid = Background.parse(JSON.parse(answer)).pid;
    await sessions.expand(await sessions.row(/^wide, 1 running/));
    await sessions.row(/^running \(1\)$/);
    await sessions.expand(await sessions.row(/^pending \(250\)$/));
    await sessions.row(/^t000, pending, waits for first$/);
    await page.screenshot('views-wide');
    await vscode.commands.executeCommand('list.focusLast');
    await sessions.select(await sessions.row(/^Show 50 more, 50 left$/));
    await sessions.row(/^t200, /);
  });

  it('find a session by its name, and a task on any page', async () => {
    await search('careful', 'succeeded');
    await page.waitFor({
      selector: '.part.sidebar .monaco-list-row.selected[aria-label^="careful team, succeeded"]',
    });
  });

  it('offer to resume a session when what ran it is killed', async () => {
    await search('wide', '1 running');
    process.kill(hostPid, 'SIGKILL');
    const session = await sessions.row(/^wide, interrupted · /, 60_000);
    assert.deepEqual(await sessions.actions(session), ['Open Session', 'Open Task Graph', 'Resume Session']);
    await vscode.workspace.getConfiguration('workbench').update('colorTheme', 'Default Dark Modern', true);
    await page.waitFor({selector: '.monaco-workbench.vs-dark'});
    await page.screenshot('views-interrupted');
  });

  async function search(name: string, state: string): Promise<void> {
    await page.runCommand('MCPX: Search Sessions…');
    await page.waitFor({selector: `.quick-input-widget input.input[placeholder="${SEARCH_PROMPT}"]`});
    await page.fill({selector: '.quick-input-widget input.input'}, name);
    await page.waitFor({
      selector: `.quick-input-list .monaco-list-row.focused[aria-label^="${name}"]`,
      hasText: state,
    });
    await page.press('Enter');
    await page.waitFor({selector: `.part.sidebar .monaco-list-row.selected[aria-label^="${name}"]`});
  }

  after(async () => {
    messages?.dispose();
    await team?.leave();
  });
});
