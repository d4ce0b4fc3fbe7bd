/** A result sent to where others see it: pushed to a remote, and offered as a pull request, whatever context the command line is in. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import path from 'node:path';
import * as vscode from 'vscode';
import {Messages} from '../answers.ts';
import {scratchFolder} from '../surroundings.ts';
import {Team} from '../team.ts';

const PLAN = 'name: sent\nagents: 1\ntasks:\n  - {id: write, run: "echo sent > sent.txt"}\n';

describe('results that are published', function () {
  this.timeout(240_000);
  let team: Team;
  let sessionId: string;
  let remote: string;
  before(async () => {
    team = await Team.start({'sent.mcpx.yaml': PLAN});
    sessionId = await team.run('sent.mcpx.yaml');
    await team.sessionIn(sessionId, 'succeeded');
    remote = path.join(scratchFolder(), 'remote.git');
    execFileSync('git', ['init', '--quiet', '--bare', remote]);
    await team.mcpx('context', 'add', 'nowhere', 'ws://127.0.0.1:9', '--token', 'none');
    await team.mcpx('context', 'use', 'nowhere');
  });
  after(async () => {
    await team?.mcpx('context', 'remove', 'nowhere');
    await team?.leave();
  });

  const ofRemote = (...args: string[]) =>
    execFileSync('git', ['--git-dir', remote, ...args], {encoding: 'utf8'}).trim();

  async function said(command: string): Promise<string> {
    const messages = new Messages(() => undefined);
    try {
      await vscode.commands.executeCommand(command, {target: {kind: 'session', sessionId}});
    } finally {
      messages.dispose();
    }
    return messages.shown.map(({kind, message}) => `${kind}: ${message}`).join('\n');
  }

  it('need a remote, and say how to have one', async () => {
    assert.match(
      await said('mcpx.pushResult'),
      /^showErrorMessage: .*no remote to push to git remote add origin/,
    );
  });

  it('are pushed under the name of their branch', async () => {
    team.repository.git('remote', 'add', 'origin', remote);
    const text = await said('mcpx.pushResult');
    assert.equal(text, `showInformationMessage: mcpx/${sessionId} is pushed to ${remote}.`);
    assert.equal(ofRemote('show', `mcpx/${sessionId}:sent.txt`), 'sent');
  });

  it('are offered as a pull request by a page that a person opens', async () => {
    team.repository.git('remote', 'set-url', '--push', 'origin', remote);
    team.repository.git('remote', 'set-url', 'origin', 'https://github.com/ada/greeter.git');
    const {openExternal} = vscode.env;
    const opened: string[] = [];
    Object.assign(vscode.env, {
      openExternal: (uri: vscode.Uri) => Promise.resolve(opened.push(uri.toString(true)) > 0),
    });
    let text: string;
    try {
      text = await said('mcpx.openPullRequest');
    } finally {
      Object.assign(vscode.env, {openExternal});
    }
    assert.equal(text, '');
    assert.equal(opened.length, 1);
    assert.match(
      opened[0] ?? '',
      new RegExp(`^https://github\\.com/ada/greeter/compare/.*mcpx/${sessionId}.*expand=1`),
    );
  });
});
