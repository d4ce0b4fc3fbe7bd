/** A team at work, steered from the editor: what waits is answered, attempts are spoken to, sessions are paused, resumed and cancelled. */
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type {ApprovalRecord} from '../../../../coordinator/protocol/model/facts.ts';
import {found} from '../../../support/waiting.ts';
import {Messages, type Shown} from '../answers.ts';
import {Page} from '../page.ts';
import {Team} from '../team.ts';

const ASKS = `name: asks
agents: 1
tasks:
  - id: careful
    prompt: Write, then remove, then ask.
    retry: {max: 0}
    permissions: {mode: ask}
`;
const ASKS_SCRIPT = `tasks:
  careful:
    turns:
      - calls:
          - {tool: Write, input: {file_path: "{{worktree}}/notes.txt", content: "draft\\n"}}
      - calls:
          - {tool: Bash, input: {command: rm keep.txt, description: Remove a file}}
      - calls:
          - tool: AskUserQuestion
            input:
              questions:
                - question: Which colour?
                  header: Colour
                  multiSelect: false
                  options:
                    - {label: Red, description: Like a rose}
                    - {label: Blue, description: Like the sea}
                - question: Which sizes?
                  header: Size
                  multiSelect: true
                  options: [{label: S, description: small}, {label: L, description: large}]
      - calls:
          - {tool: Write, input: {file_path: "{{worktree}}/one.txt", content: "1\\n"}}
      - calls:
          - {tool: Write, input: {file_path: "{{worktree}}/two.txt", content: "2\\n"}}
      - All was asked.
`;
const TALKS = `name: talks
agents: 1
tasks:
  - id: talker
    prompt: Talk.
    permissions: {mode: acceptEdits}
`;
const TALKS_SCRIPT = `tasks:
  talker:
    turns:
      - calls: [{tool: Read, input: {file_path: "{{worktree}}/keep.txt"}}]
      - slow: {chunks: 1200, everyMs: 100}
    replies:
      - turns: [I heard you.]
`;

describe('commands that steer a team', function () {
  this.timeout(240_000);
  let team: Team;
  before(async () => {
    team = await Team.start({
      'keep.txt': 'keep\n',
      'asks.mcpx.yaml': ASKS,
      'asks.rehearsal.yaml': ASKS_SCRIPT,
      'talks.mcpx.yaml': TALKS,
      'talks.rehearsal.yaml': TALKS_SCRIPT,
    });
  });
  after(() => team?.leave());

  const target = ({sessionId, id}: ApprovalRecord) => ({kind: 'approval', sessionId, approvalId: id});
  const tool =
    (name: string, file = '') =>
    (approval: ApprovalRecord) =>
      approval.request.kind === 'permission' &&
      approval.request.tool === name &&
      JSON.stringify(approval.request.input).includes(file);

  it('answers permissions and questions, with an edited input, a word instead and several options', async function () {
    const page = Page.orSkip(this);
    const sessionId = await team.rehearse('asks.mcpx.yaml');
    const write = await team.approval(tool('Write', 'notes.txt'), 'the first file');
    await approveEdited(write);

    const remove = await team.approval(tool('Bash'), 'the removal');
    await vscode.commands.executeCommand('mcpx.deny', {target: target(remove)}, 'keep that file');

    const question = await team.approval(({request}) => request.kind === 'question', 'the question');
    const answering = vscode.commands.executeCommand('mcpx.answer', target(question));
    const row = '.quick-input-list .monaco-list-row';
    await page.waitFor({selector: row, hasText: 'Like the sea'});
    await page.screenshot('question');
    await page.click({selector: row, hasText: 'Blue'});
    await page.waitFor({selector: row, hasText: 'large'});
    for (const detail of ['small', 'large']) await page.click({selector: row, hasText: detail});
    await page.screenshot('questionWithSeveralAnswers');
    await page.press('Enter');
    await answering;

    const one = await team.approval(tool('Write', 'one.txt'), 'the second file');
    await vscode.commands.executeCommand('mcpx.approveForSession', target(one));
    const {result} = await team.sessionIn(sessionId, 'succeeded', 'failed');
    assert.ok(result);
    const {id} = await team.attempt(sessionId, 'careful', () => true);
    const denied = await team.event(id, event => event.kind === 'toolResult' && event.isError);
    assert.match(JSON.stringify(denied), /keep that file/);
    const answered = await team.event(
      id,
      event => JSON.stringify(event).includes('Which colour?') && event.kind === 'toolResult',
    );
    assert.match(JSON.stringify(answered), /Blue/);
    assert.match(JSON.stringify(answered), /S, L/);
    await team.mcpx('sessions', 'fetch', sessionId);
    assert.equal(team.repository.show(result.commit, 'notes.txt'), 'edited by a person');
    assert.equal(team.repository.show(result.commit, 'two.txt'), '2');
    assert.ok(team.repository.files(result.commit).includes('keep.txt'));
  });

  /** Once with a slip of the pen: its place is said, and the input is still there to be mended. */
  async function approveEdited(write: ApprovalRecord): Promise<void> {
    const texts = ['{"content": oops}', undefined];
    const messages = new Messages(async ({message, buttons}: Shown) => {
      if (!buttons.includes('Approve')) return undefined;
      const document = vscode.window.activeTextEditor?.document;
      assert.ok(document?.isUntitled, message);
      const [broken] = texts.splice(0, 1);
      const mended = whole.replace('draft', 'edited by a person');
      await replaceAll(document, broken ?? mended);
      return 'Approve';
    });
    const whole = `${JSON.stringify(write.request.kind === 'permission' && write.request.input)}`;
    try {
      await vscode.commands.executeCommand('mcpx.approveEdited', target(write));
    } finally {
      messages.dispose();
    }
    assert.deepEqual(
      messages.shown.map(({message}) => message),
      ['Edit what Write is called with, then approve it.', 'Line 1, column 13: this is not JSON.'],
    );
    assert.equal(vscode.workspace.textDocuments.filter(({isUntitled}) => isUntitled).length, 0);
  }

  it('says that nothing waits when nothing does', async () => {
    const messages = new Messages(() => undefined);
    try {
      await vscode.commands.executeCommand('mcpx.answer');
    } finally {
      messages.dispose();
    }
    assert.deepEqual(
      messages.shown.map(({message}) => message),
      ['No question waits for you.'],
    );
  });

  it('speaks to a running attempt, interrupts it, and shows what the agent answers', async () => {
    const sessionId = await team.rehearse('talks.mcpx.yaml');
    const {id} = await team.attempt(sessionId, 'talker', ({state}) => state === 'running');
    const attempt = {kind: 'attempt', attemptId: id};
    const messages = new Messages(() => undefined);
    try {
      await team.event(id, ({kind}) => kind === 'toolResult');
      await vscode.commands.executeCommand('mcpx.setPermissionMode', attempt, 'plan');
      await vscode.commands.executeCommand('mcpx.interrupt', {target: attempt});
      await team.event(id, event => event.kind === 'notice' && event.text.startsWith('Interrupted'));
      await vscode.commands.executeCommand('mcpx.sendMessage', attempt, 'Do you hear me?');
      await team.event(id, event => event.kind === 'text' && event.text === 'I heard you.');
    } finally {
      messages.dispose();
    }
    assert.equal(messages.shown.length, 3, JSON.stringify(messages.shown));
    for (const {kind, message} of messages.shown) {
      assert.equal(kind, 'showInformationMessage', message);
      assert.match(message, /^talker on /);
    }
    await team.sessionIn(sessionId, 'succeeded');
  });

  it('pauses, resumes and cancels a session, and asks before it cancels', async () => {
    const sessionId = await team.rehearse('talks.mcpx.yaml');
    const session = {kind: 'session', sessionId};
    await team.attempt(sessionId, 'talker', ({state}) => state === 'running');
    await vscode.commands.executeCommand('mcpx.pauseSession', {target: session});
    assert.equal((await team.session(sessionId)).state, 'paused');
    await vscode.commands.executeCommand('mcpx.resumeSession', session);
    assert.equal((await team.session(sessionId)).state, 'running');
    await vscode.commands.executeCommand('mcpx.setBudget', session, 7.5);
    assert.equal((await team.session(sessionId)).budgetUsd, 7.5);
    await shareOut({kind: 'task', sessionId, taskId: 'talker'});

    const refused = await cancel(session, undefined);
    assert.match(refused[0]?.message ?? '', /^Cancel the session talks\?/);
    assert.equal((await team.session(sessionId)).state, 'running');
    await cancel(session, 'Cancel Session');
    await team.sessionIn(sessionId, 'cancelled');
  });

  /** By another strategy, of the session and of the task alone; one that nobody knows is refused. */
  async function shareOut(task: {kind: 'task'; sessionId: string; taskId: string}): Promise<void> {
    const {sessionId} = task;
    const session = {kind: 'session', sessionId};
    const messages = new Messages(() => undefined);
    try {
      await vscode.commands.executeCommand('mcpx.setStrategy', {target: session}, 'round-robin');
      await vscode.commands.executeCommand('mcpx.setStrategy', {target: task}, 'ai-optimized');
      await vscode.commands.executeCommand('mcpx.setStrategy', session, 'by-magic');
      await vscode.commands.executeCommand('mcpx.rebalanceSession', {target: session});
    } finally {
      messages.dispose();
    }
    assert.equal((await team.session(sessionId)).strategy, 'round-robin');
    assert.equal((await team.task(sessionId, task.taskId)).strategy, 'ai-optimized');
    const [refused, stays] = messages.shown;
    assert.match(refused?.message ?? '', /"by-magic" is not known; known are .*round-robin/);
    assert.match(stays?.message ?? '', /^talks: every attempt stays where it is/);
  }

  async function cancel(session: object, button: string | undefined): Promise<readonly Shown[]> {
    const messages = new Messages(() => button);
    try {
      await vscode.commands.executeCommand('mcpx.cancelSession', session);
      return messages.shown;
    } finally {
      messages.dispose();
    }
  }

  it('retries what was cancelled, and tells the coordinator’s own refusal', async () => {
    const sessionId = await team.rehearse('talks.mcpx.yaml');
    const task = {kind: 'task', sessionId, taskId: 'talker'};
    await team.attempt(sessionId, 'talker', ({state}) => state === 'running');
    const messages = new Messages(() => undefined);
    try {
      await vscode.commands.executeCommand('mcpx.retryTask', task);
      assert.equal(messages.shown[0]?.kind, 'showErrorMessage');
      assert.match(messages.shown[0]?.message ?? '', /talker/);
    } finally {
      messages.dispose();
    }
    await vscode.commands.executeCommand('mcpx.cancelTask', task);
    await found(
      async () => ((await team.task(sessionId, 'talker')).state === 'cancelled' ? true : undefined),
      60_000,
      'the task to be cancelled',
    );
  });
});

async function replaceAll(document: vscode.TextDocument, text: string): Promise<void> {
  const edit = new vscode.WorkspaceEdit();
  edit.replace(document.uri, new vscode.Range(0, 0, document.lineCount, 0), text);
  assert.ok(await vscode.workspace.applyEdit(edit));
}
