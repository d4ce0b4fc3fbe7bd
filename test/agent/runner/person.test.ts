/** Attempts that wait for a person: the question survives lost connections, and the clock stands still. */
import assert from 'node:assert/strict';
import type {Agent} from '../../../coordinator/agent/agent.ts';
import type {AgentOptions} from '../../../coordinator/agent/agentOptions.ts';
import type {
  ApprovalAnswer,
  Driver,
  DriverHost,
  DriverOutcome,
  DriverTask,
} from '../../../coordinator/agent/driver.ts';
import {delay, systemClock} from '../../../coordinator/runtime/clock.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import {assignment, prompt, startAgent} from '../agentFixture.ts';
import {FakeHub} from '../fakeHub.ts';
import {temporaryFolder, until} from '../supervisor/support.ts';

/** Asks for one permission and reports the answer; knows what it was told. */
class AskingDriver implements Driver {
  readonly name = 'claude';
  readonly tasks: DriverTask[] = [];
  readonly said: string[] = [];

  start(task: DriverTask, host: DriverHost) {
    this.tasks.push(task);
    const outcome = deferred<DriverOutcome>();
    host.claudeSession('c-1');
    host.usage({
      costUsd: 0.5,
      inputTokens: 10,
      outputTokens: 5,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      turns: 1,
    });
    const answered = (answer: ApprovalAnswer): void =>
      outcome.resolve({kind: 'succeeded', summary: JSON.stringify(answer)});
    host
      .ask({requestId: 'r-1', kind: 'permission', tool: 'Bash', input: {command: 'ls'}})
      .then(answered, () => outcome.resolve({kind: 'cancelled'}));
    return {
      outcome: outcome.promise,
      send: (text: string) => this.said.push(text) > 0,
      interrupt: () => Promise.resolve(true),
      setModel: (model: string) => Promise.resolve(this.said.push(`model ${model}`) > 0),
      setPermissionMode: () => Promise.resolve(false),
      cancel: () => undefined,
    };
  }
}

describe('attempt that waits for a person', function () {
  this.timeout(30_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let hub: FakeHub;
  let agent: Agent | undefined;
  let driver: AskingDriver;

  beforeEach(async () => {
    folder = temporaryFolder();
    hub = await FakeHub.listen();
    driver = new AskingDriver();
  });
  afterEach(async () => {
    await agent?.stop('test over', {now: true});
    agent = undefined;
    await hub.close();
    folder.remove();
  });

  async function ask(more: Partial<AgentOptions> = {}, timeoutMs = 60_000) {
    agent = await startAgent(folder.path, hub.url, {promptDriver: driver, ...more});
    await agent.link.whenUp();
    const assign = assignment('asks', prompt('do it'), {task: {timeoutMs}});
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await hub.until('a person is asked', () => hub.of('mcpx.approval.ask').length > 0);
    return assign;
  }

  it('does not run out of time while it waits, and counts only its own time', async () => {
    const {attemptId} = await ask({settings: {clockTickMs: 10}}, 150);
    await delay(systemClock, 400);
    const [request] = hub.of('mcpx.approval.ask');
    assert.deepEqual(request?.request, {kind: 'permission', tool: 'Bash', input: {command: 'ls'}});
    await hub.send('mcpx.approval.deliver', {
      attemptId,
      approvalId: request?.approvalId ?? '',
      answer: {kind: 'allow', scope: 'once'},
    });
    const completion = await hub.completion(attemptId);
    assert(completion.report.outcome === 'succeeded');
    assert.deepEqual(JSON.parse(completion.report.result.summary), {kind: 'allow', scope: 'once'});
    assert(completion.activeMs < 150, `${completion.activeMs} ms`);
    assert(completion.endedAt - completion.startedAt >= 390);
    assert.equal(completion.usage.costUsd, 0.5);
    assert.deepEqual(
      hub.events(attemptId, 'state').map(event => event.state),
      ['preparing', 'running', 'waiting', 'running', 'ended'],
    );
  });

  it('asks again under the same id after a cut, and takes an answer that was given meanwhile', async () => {
    const {attemptId} = await ask();
    hub.answers['mcpx.approval.ask'] = () => ({answer: {kind: 'deny', message: 'no'}});
    hub.cut();
    const {report} = await hub.completion(attemptId);
    assert(report.outcome === 'succeeded');
    assert.deepEqual(JSON.parse(report.result.summary), {kind: 'deny', message: 'no'});
    const asked = hub.of('mcpx.approval.ask');
    assert.equal(asked.length, 2);
    assert.equal(asked[0]?.approvalId, asked[1]?.approvalId);
  });

  it('ends when it is cancelled meanwhile', async () => {
    const {attemptId} = await ask();
    await hub.send('mcpx.attempt.cancel', {attemptId, reason: 'test'});
    assert.equal((await hub.completion(attemptId)).report.outcome, 'cancelled');
  });

  it('passes messages and model changes on, and says when the attempt takes none', async () => {
    const {attemptId} = await ask();
    const control = (action: Parameters<typeof hub.send<'mcpx.attempt.control'>>[1]['action']) =>
      hub.send('mcpx.attempt.control', {attemptId, action});
    assert.deepEqual(await control({kind: 'message', text: 'hurry'}), {done: true});
    assert.deepEqual(await control({kind: 'model', model: 'opus'}), {done: true});
    assert.equal((await control({kind: 'permissionMode', mode: 'plan'})).done, false);
    assert.deepEqual(driver.said, ['hurry', 'model opus']);
    await hub.send('mcpx.attempt.cancel', {attemptId, reason: 'test'});
    await hub.completion(attemptId);
    await until('it is forgotten', () => agent?.attempts.get(attemptId) === undefined);
    await assert.rejects(control({kind: 'interrupt'}), {kind: 'notFound'});
  });

  it('gives Claude Code its budget, where it is, and which attempt it is', async () => {
    await ask();
    const [task] = driver.tasks;
    assert(task?.work.kind === 'prompt');
    assert.equal(task.work.prompt, 'do it');
    assert.match(task.work.options.systemPromptAppend ?? '', /task asks of session s-1[\s\S]*s-1\.asks\.1/);
    assert(task.work.options.systemPromptAppend?.includes(task.worktree));
    assert.equal(task.env['MCPX_ATTEMPT_ID'], 's-1.asks.1');
    assert.equal(task.env['MCPX_HUB'], hub.url);
  });

  it('reports what it has spent while it runs', async () => {
    const {attemptId} = await ask({settings: {metricsMs: 30}});
    // It is named while it is prepared, too.
    const spent = () =>
      hub
        .of('mcpx.metrics.report')
        .flatMap(report => report.attempts)
        .find(attempt => attempt.usage.costUsd > 0);
    await hub.until('a report names it with its spend', () => spent() !== undefined);
    assert.equal(spent()?.attemptId, attemptId);
    assert.equal(spent()?.usage.costUsd, 0.5);
    await hub.until('its status names the spend too', () =>
      hub.of('mcpx.status.update').some(update => update.usage?.costUsd === 0.5),
    );
  });
});
