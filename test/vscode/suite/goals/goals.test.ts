/** From a goal, and from a text that is selected, to a result: as a person does it, while the real Claude Code plays a script instead of calling a model. */
import assert from 'node:assert/strict';
import path from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../../../coordinator/agent/rehearsal/script.ts';
import {silentLogger} from '../../../../coordinator/observability/logger.ts';
import {parsePlan} from '../../../../coordinator/protocol/plan/parse.ts';
import {systemClock} from '../../../../coordinator/runtime/clock.ts';
import {found} from '../../../support/waiting.ts';
import {settled} from '../awaiting.ts';
import {Page} from '../page.ts';
import {bundledClaude} from '../planRun.ts';
import {workspaceFolder} from '../surroundings.ts';
import {Team} from '../team.ts';

const PLAN = `name: Greetings
agents: 1
tasks:
  - id: greet
    prompt: Write a greeting.
    permissions: {mode: acceptEdits}
    gates: [test -s greeting.txt]
`;
const write = (file: string, content: string) => ({
  turns: [{calls: [{tool: 'Write', input: {file_path: `{{worktree}}/${file}`, content}}]}, 'Done.'],
});
const SCRIPT = {
  tasks: {
    draft: {turns: [`Here it is.\n\n\`\`\`yaml\n${PLAN}\`\`\`\n`]},
    greet: write('greeting.txt', 'Shwmae\n'),
    task: write('farewell.txt', 'Hwyl\n'),
  },
};
const SELECTED = 'Write a farewell.';

const INPUT = '.quick-input-widget input.input';
const ROW = '.quick-input-list .monaco-list-row';
/** Above the graph of the plan. */
const RUN = {
  frames: ['iframe.webview.ready', 'iframe#active-frame'],
  selector: 'mcpx-action vscode-button',
  hasText: 'Run',
};
const Listed = z.object({sessions: z.array(z.object({id: z.string(), name: z.string()}))});

describe('a person without a plan', function () {
  this.timeout(240_000);
  let team: Team;
  let model: RehearsalServer;
  let surroundings: NodeJS.ProcessEnv;

  const configure = (value: string | undefined): Thenable<void> =>
    vscode.workspace.getConfiguration('mcpx').update('claude.path', value, true);

  before(async () => {
    team = await Team.start({'notes.md': `Notes\n\n${SELECTED}\n`});
    model = await startRehearsalServer({
      clock: systemClock,
      logger: silentLogger,
      script: parseRehearsalScript(JSON.stringify(SCRIPT), 'script'),
    });
    surroundings = {...process.env};
    // What Claude Code is started with from here on: no way to a model but this one.
    Object.assign(process.env, model.env);
    await configure(bundledClaude());
  });
  after(async () => {
    await configure(undefined);
    for (const name of Object.keys(model?.env ?? {})) {
      if (surroundings[name] === undefined) delete process.env[name];
      else process.env[name] = surroundings[name];
    }
    await model?.stop();
    await team?.leave();
  });

  /** The session of this name, once there is one. */
  const sessionNamed = (name: string): Promise<string> =>
    found(
      async () => {
        const {sessions} = Listed.parse(JSON.parse(await team.mcpx('sessions', 'list', '--json')));
        return sessions.find(session => session.name === name)?.id;
      },
      60_000,
      `the session ${name}`,
    );

  async function resultOf(session: string, file: string): Promise<string> {
    const {result} = await team.sessionIn(session, 'succeeded');
    assert.ok(result);
    await team.mcpx('sessions', 'fetch', session);
    return team.repository.show(result.commit, file);
  }

  it('says what is to be achieved, and gets a plan to look at, of which nothing has run', async function () {
    const page = Page.orSkip(this);
    await page.runCommand('MCPX: Run a Goal');
    await page.waitFor({selector: '.quick-input-widget', hasText: 'What is to be achieved in workspace?'});
    await page.fill({selector: INPUT}, 'Greet people.');
    await page.press('Enter');
    const document = await settled(
      vscode.window.onDidChangeVisibleTextEditors,
      () => vscode.window.visibleTextEditors.find(({document: {isUntitled}}) => isUntitled)?.document,
      'the draft',
      120_000,
    );
    assert.equal(path.basename(document.fileName), 'team.mcpx.yaml');
    assert.equal(document.getText(), PLAN);
    assert.equal(parsePlan(document.getText()).kind, 'plan');
    await page.waitFor({selector: '.tab', hasText: 'Greetings (plan)'});
    await page.waitFor(RUN);
    await page.screenshot('goal');
    assert.deepEqual(Listed.parse(JSON.parse(await team.mcpx('sessions', 'list', '--json'))).sessions, []);
  });

  it('runs it from there, and has the result', async function () {
    const page = Page.orSkip(this);
    await page.click(RUN);
    assert.equal(await resultOf(await sessionNamed('Greetings'), 'greeting.txt'), 'Shwmae');
    assert.equal(team.repository.read('team.mcpx.yaml'), PLAN, 'the plan was saved');
  });

  it('selects a text, says what it may cost, and has that done', async function () {
    const page = Page.orSkip(this);
    const notes = path.join(workspaceFolder(), 'notes.md');
    const document = await vscode.workspace.openTextDocument(notes);
    const from = document.positionAt(document.getText().indexOf(SELECTED));
    await vscode.window.showTextDocument(document, {
      selection: new vscode.Range(from, from.translate(0, SELECTED.length)),
    });
    await page.runCommand('MCPX: Run Selection as a Task');
    await page.click({selector: ROW, hasText: 'Run it for US$ 1 at most'});
    // The plan of before.
    await page.waitFor({selector: ROW, hasText: 'team.mcpx.yaml'});
    await page.screenshot('selection');
    await page.click({selector: ROW, hasText: 'Start from what is committed'});
    const session = await sessionNamed(SELECTED);
    assert.equal(await resultOf(session, 'farewell.txt'), 'Hwyl');
    assert.equal((await team.session(session)).budgetUsd, 1);
  });
});
