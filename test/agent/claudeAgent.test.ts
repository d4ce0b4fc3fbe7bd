/** An agent with the unmodified Claude Code, its model replaced by a script: readiness, permissions, and a hub that stays away. */
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import path from 'node:path';
import type {Agent} from '../../coordinator/agent/agent.ts';
import type {AgentOptions} from '../../coordinator/agent/agentOptions.ts';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {delay, systemClock} from '../../coordinator/runtime/clock.ts';
import {assignment, prompt, startAgent} from './agentFixture.ts';
import {FakeHub} from './fakeHub.ts';
import {temporaryFolder, until} from './supervisor/support.ts';

describe('agent with Claude Code', function () {
  this.timeout(90_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let hub: FakeHub;
  let agent: Agent | undefined;
  let server: RehearsalServer | undefined;
  beforeEach(async () => {
    folder = temporaryFolder();
    hub = await FakeHub.listen();
  });
  afterEach(async () => {
    await agent?.stop('test over', {now: true});
    await server?.stop();
    [agent, server] = [undefined, undefined];
    await hub.close();
    folder.remove();
  });

  async function start(script: string, more: Partial<AgentOptions> = {}): Promise<void> {
    const parsed = parseRehearsalScript(script, 'test.rehearsal.yaml');
    server = await startRehearsalServer({clock: systemClock, logger: silentLogger, script: parsed});
    const env = {PATH: process.env['PATH'], HOME: folder.path, MCPX_TOKEN: 'joined', ...server.env};
    agent = await startAgent(path.join(folder.path, 'agent'), hub.url, {
      env,
      claude: undefined,
      rehearsal: true,
      ...more,
    });
    await agent.link.whenUp();
  }

  it('says that it is ready, asks a person, and reports the work with its spend', async () => {
    await start(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: 'echo "token=$MCPX_TOKEN attempt=$MCPX_ATTEMPT_ID" > note.txt; cat note.txt'}}]
      - All done.
`);
    const [register] = hub.of('mcpx.agent.register');
    assert.equal(register?.instance.metadata.claude.kind, 'ready');
    assert.equal(register?.instance.metadata.rehearsal, true);
    hub.answers['mcpx.approval.ask'] = () => ({answer: {kind: 'allow'}});
    const assign = assignment('t', prompt('Write a note.'), {rehearsal: true});
    await hub.send('mcpx.orchestrate.task.assign', assign);
    const {report, usage} = await hub.completion(assign.attemptId);
    assert(report.outcome === 'succeeded', JSON.stringify(report));
    assert.equal(report.result.summary, 'All done.');
    assert(usage.outputTokens > 0);
    const [result] = hub.events(assign.attemptId, 'toolResult');
    assert.equal(result?.text.trim(), `token= attempt=${assign.attemptId}`);
    assert(
      existsSync(path.join(folder.path, 'agent', 'claude', 'slot-0')),
      'its slot has a configuration of its own',
    );
  });

  it('is interrupted while the hub stays away, and goes on in the same conversation afterwards', async () => {
    await start(
      `
tasks:
  t:
    turns:
      - slow: {chunks: 600, everyMs: 100}
    replies:
      - turns: [I went on.]
`,
      {settings: {maxOfflineMs: 300}},
    );
    const assign = assignment('t', prompt('Take your time.'), {rehearsal: true});
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await until('the model answers', () => (server?.requests.length ?? 0) > 0, 20_000);
    hub.cut({stayAway: true});
    // Longer than the agent waits before it interrupts.
    await delay(systemClock, 1500);
    hub.welcome();
    const {report} = await hub.completion(assign.attemptId);
    assert(report.outcome === 'succeeded', JSON.stringify(report));
    assert.equal(report.result.summary, 'I went on.');
    const notices = hub.events(assign.attemptId, 'notice').map(event => event.text);
    assert(notices.some(text => /Interrupted/.test(text)));
    assert(notices.some(text => /The hub is back/.test(text)));
  });

  it('refuses to rehearse against anything but this machine', async () => {
    const env = {
      PATH: process.env['PATH'],
      ANTHROPIC_BASE_URL: 'https://api.anthropic.com',
      ANTHROPIC_API_KEY: 'real',
    };
    const state = path.join(folder.path, 'agent');
    await assert.rejects(startAgent(state, hub.url, {env, claude: undefined, rehearsal: true}), {
      code: 'config',
    });
  });
});
