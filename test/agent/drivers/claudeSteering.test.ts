/** What reaches Claude Code while it runs: messages, interruptions, changes of its model and mode; with the unmodified Claude Code. */
import assert from 'node:assert/strict';
import {until} from '../supervisor/support.ts';
import {allowing, ClaudeStage} from './claudeStage.ts';
import {RecordingHost} from './recordingHost.ts';

describe('claude driver', function () {
  this.timeout(60_000);
  const stage = new ClaudeStage();
  before(() => stage.open());
  after(() => stage.close());

  describe('while it runs', () => {
    const SLOW = `
tasks:
  t:
    turns:
      - {text: Slow words come one after another and another., slow: {chunks: 40, everyMs: 100}}
      - Later.
    replies:
      - when: {promptContains: urgent}
        turns: [I heard the urgent message.]
`;

    it('takes a message into account before the attempt ends', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: sleep 1}}]
      - First work done.
    replies:
      - when: {promptContains: urgent}
        turns: [I heard the urgent message.]
`);
      const {host, run, outcome} = stage.start(server, {permissions: allowing('Bash')});
      await host.when(event => event.kind === 'toolCall');
      assert(run.send('This is urgent.'));
      assert.equal((await outcome()).kind, 'succeeded');
      const said = host.of('text').map(event => `${event.role}: ${event.text}`);
      assert(said.includes('user: This is urgent.'));
      assert(said.includes('assistant: I heard the urgent message.'), said.join('\n'));
      assert.equal(run.send('too late'), false);
    });

    /** happy#1408: the first message was dropped. */
    it('loses no message that comes before Claude Code is up', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns: [First work done.]
    replies:
      - when: {promptContains: early}
        turns: [I heard the early message.]
`);
      const {host, run, outcome} = stage.start(server);
      assert(run.send('This is early.'));
      assert.equal((await outcome()).kind, 'succeeded');
      const said = host.of('text').map(event => `${event.role}: ${event.text}`);
      assert(said.includes('assistant: I heard the early message.'), said.join('\n'));
    });

    it('keeps an interrupted attempt alive until a message lets it go on', async () => {
      const server = await stage.play(SLOW);
      const {host, run, outcome} = stage.start(server);
      await until('the model answers', () => server.requests.some(request => request.taskId === 't'), 20_000);
      assert(await run.interrupt());
      await host.when(event => event.kind === 'notice' && event.text.startsWith('Interrupted'));
      assert.equal(await Promise.race([outcome(), Promise.resolve('alive')]), 'alive');
      assert.equal(await run.interrupt(), false);
      assert(run.send('This is urgent.'));
      assert.deepEqual(await outcome(), {kind: 'succeeded', summary: 'I heard the urgent message.'});
    });

    it('can be cancelled while it waits after an interruption', async () => {
      const server = await stage.play(SLOW);
      const {host, run, outcome} = stage.start(server);
      await until('the model answers', () => server.requests.some(request => request.taskId === 't'), 20_000);
      assert(await run.interrupt());
      await host.when(event => event.kind === 'notice' && event.text.startsWith('Interrupted'));
      run.cancel();
      assert.deepEqual(await outcome(), {kind: 'cancelled'});
    });

    it('changes model and permission mode', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: sleep 1}}]
      - calls: [{tool: Bash, input: {command: touch asked.txt}}]
      - Done.
`);
      const host = new RecordingHost(() => Promise.resolve({kind: 'deny'}));
      const {run, outcome} = stage.start(
        server,
        {permissions: {mode: 'acceptEdits', allow: ['Bash(sleep:*)'], deny: []}, model: 'claude-opus-4-8'},
        {host},
      );
      await host.when(event => event.kind === 'toolCall');
      assert(await run.setModel('claude-sonnet-5'));
      assert(await run.setPermissionMode('ask'));
      assert.equal(await run.setPermissionMode('bypass'), false);
      assert.equal((await outcome()).kind, 'succeeded');
      assert.equal(host.requests.length, 1);
      const models = server.requests.filter(request => request.taskId === 't').map(request => request.model);
      assert.equal(models[0], 'claude-opus-4-8');
      assert.equal(models.at(-1), 'claude-sonnet-5');
    });

    it('waits for a subagent in the background and marks what it did', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls:
          - tool: Agent
            input: {description: look, prompt: Look around., subagent_type: general-purpose}
      - I wait for it.
      - It found the treasure.
    subagents:
      - turns:
          - {calls: [{tool: Bash, input: {command: 'sleep 1; echo treasure > found.txt'}}]}
          - Found.
`);
      const {host, outcome, read} = stage.start(server, {permissions: allowing('Bash', 'Agent')});
      assert.deepEqual(await outcome(), {kind: 'succeeded', summary: 'It found the treasure.'});
      assert.equal(read('found.txt'), 'treasure\n');
      const [agentCall, bashCall] = host.of('toolCall');
      assert.equal(agentCall?.parent, undefined);
      assert.equal(bashCall?.parent, agentCall?.id);
      assert(host.of('text').some(event => event.text === 'Found.' && event.parent === agentCall?.id));
    });
  });
});
