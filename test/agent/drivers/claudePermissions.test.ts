/** What Claude Code may do: rules, modes, and questions to the host; with the unmodified Claude Code. */
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import path from 'node:path';
import type {ApprovalAnswer, ApprovalRequest} from '../../../coordinator/agent/driver.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import {asking, ClaudeStage} from './claudeStage.ts';
import {RecordingHost} from './recordingHost.ts';

describe('claude driver', function () {
  this.timeout(60_000);
  const stage = new ClaudeStage();
  before(() => stage.open());
  after(() => stage.close());

  describe('permissions', () => {
    const TOUCH = `
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: touch asked.txt}}]
      - Done.
`;
    const ask = (answer: (request: ApprovalRequest) => ApprovalAnswer) =>
      new RecordingHost(request => Promise.resolve(answer(request)));

    it('asks the host and runs what it allows', async () => {
      const server = await stage.play(TOUCH);
      const host = ask(() => ({kind: 'allow'}));
      const {outcome, worktree} = stage.start(server, {permissions: asking}, {host});
      assert.equal((await outcome()).kind, 'succeeded');
      const [request] = host.requests;
      assert(request?.kind === 'permission');
      assert.equal(request.tool, 'Bash');
      assert.deepEqual(request.input, {command: 'touch asked.txt'});
      assert(existsSync(path.join(worktree, 'asked.txt')));
    });

    it('does not run what the host denies, and passes the reason on', async () => {
      const server = await stage.play(TOUCH);
      const host = ask(() => ({kind: 'deny', message: 'not on my watch'}));
      const {outcome, worktree} = stage.start(server, {permissions: asking}, {host});
      assert.equal((await outcome()).kind, 'succeeded');
      assert(!existsSync(path.join(worktree, 'asked.txt')));
      const [result] = host.of('toolResult');
      assert(result?.isError);
      assert.match(result.text, /not on my watch/);
    });

    it('runs the input as the person edited it', async () => {
      const server = await stage.play(TOUCH);
      const host = ask(() => ({kind: 'allow', updatedInput: {command: 'touch edited.txt'}}));
      const {outcome, worktree} = stage.start(server, {permissions: asking}, {host});
      await outcome();
      assert(existsSync(path.join(worktree, 'edited.txt')));
      assert(!existsSync(path.join(worktree, 'asked.txt')));
    });

    it('asks once for what is allowed for the session', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: touch asked.txt}}]
      - calls: [{tool: Bash, input: {command: touch asked.txt}}]
      - Done.
`);
      const host = ask(() => ({kind: 'allow', scope: 'session'}));
      const {outcome} = stage.start(server, {permissions: asking}, {host});
      assert.equal((await outcome()).kind, 'succeeded');
      assert.equal(host.requests.length, 1);
      assert.equal(host.of('toolResult').filter(result => !result.isError).length, 2);
    });

    it('obeys allow and deny rules without asking', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls:
          - {tool: Bash, input: {command: touch allowed.txt}}
          - {tool: Bash, input: {command: rm -f allowed.txt}}
      - Done.
`);
      const {host, outcome, worktree} = stage.start(server, {
        permissions: {mode: 'dontAsk', allow: ['Bash(touch:*)'], deny: ['Bash(rm:*)']},
      });
      assert.equal((await outcome()).kind, 'succeeded');
      assert(existsSync(path.join(worktree, 'allowed.txt')));
      assert.deepEqual(
        host.of('toolResult').map(result => result.isError),
        [false, true],
      );
      assert.equal(host.requests.length, 0);
    });

    it('denies in an unattended run what only a person could allow', async () => {
      const server = await stage.play(TOUCH.replace('touch asked.txt', 'curl -s http://127.0.0.1:9/'));
      const {host, outcome} = stage.start(server);
      assert.equal((await outcome()).kind, 'succeeded');
      assert.equal(host.requests.length, 0);
      assert(host.of('toolResult')[0]?.isError);
    });

    it('changes nothing in plan mode', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Write, input: {file_path: '{{worktree}}/planned.txt', content: x}}]
      - My plan.
`);
      const {outcome, worktree} = stage.start(server, {permissions: {mode: 'plan', allow: [], deny: []}});
      assert.deepEqual(await outcome(), {kind: 'succeeded', summary: 'My plan.'});
      assert(!existsSync(path.join(worktree, 'planned.txt')));
    });

    it('refuses to bypass permissions as root outside a sandbox', async function () {
      if (process.getuid?.() !== 0) this.skip();
      const server = await stage.play(TOUCH);
      const bypass = {mode: 'bypass' as const, allow: [], deny: []};
      const refused = await stage.start(server, {permissions: bypass}).outcome();
      assert(refused.kind === 'failed');
      assert.equal(refused.reason, 'refused');
      assert.match(refused.message, /IS_SANDBOX=1/);
      const {outcome, worktree} = stage.start(server, {permissions: bypass}, {env: {IS_SANDBOX: '1'}});
      assert.equal((await outcome()).kind, 'succeeded');
      assert(existsSync(path.join(worktree, 'asked.txt')));
    });

    it('brings a question to the host and the answers back', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls:
          - tool: AskUserQuestion
            input:
              questions:
                - question: Which colour?
                  header: Colour
                  multiSelect: false
                  options:
                    - {label: Red, description: warm}
                    - {label: Blue, description: cold}
      - Done.
`);
      const host = ask(() => ({kind: 'answers', answers: {'Which colour?': 'Blue'}}));
      const {outcome} = stage.start(server, {permissions: asking}, {host});
      assert.equal((await outcome()).kind, 'succeeded');
      assert.deepEqual(
        host.requests.map(({requestId, ...request}) => request),
        [
          {
            kind: 'question',
            questions: [
              {
                question: 'Which colour?',
                header: 'Colour',
                multiSelect: false,
                options: [
                  {label: 'Red', description: 'warm'},
                  {label: 'Blue', description: 'cold'},
                ],
              },
            ],
          },
        ],
      );
      const [result] = host.of('toolResult');
      assert(result && !result.isError);
      assert.match(result.text, /Which colour\?.*Blue/);
    });

    it('withdraws an open request when the attempt is cancelled', async () => {
      const server = await stage.play(TOUCH);
      const withdrawn = deferred<void>();
      const asked = deferred<void>();
      const host = new RecordingHost((_request, signal) => {
        asked.resolve();
        return new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            withdrawn.resolve();
            reject(new Error('withdrawn'));
          });
        });
      });
      const {run, outcome} = stage.start(server, {permissions: asking}, {host});
      await asked.promise;
      run.cancel();
      await withdrawn.promise;
      assert.deepEqual(await outcome(), {kind: 'cancelled'});
    });
  });
});
