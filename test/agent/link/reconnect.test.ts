/** A lost connection costs nothing: no event lost or repeated, each completion taken once. */
import assert from 'node:assert/strict';
import type {Agent} from '../../../coordinator/agent/agent.ts';
import type {AgentOptions} from '../../../coordinator/agent/agentOptions.ts';
import type {DriverHost, DriverOutcome, DriverRun} from '../../../coordinator/agent/driver.ts';
import {ProtocolError} from '../../../coordinator/protocol/errors.ts';
import {delay, systemClock} from '../../../coordinator/runtime/clock.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import {seededRandom} from '../../../coordinator/runtime/random.ts';
import {assignment, prompt, run, startAgent} from '../agentFixture.ts';
import {FakeHub} from '../fakeHub.ts';
import {temporaryFolder, until} from '../supervisor/support.ts';

describe('agent over a connection that breaks', function () {
  this.timeout(40_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let hub: FakeHub;
  let agent: Agent | undefined;

  beforeEach(async () => {
    folder = temporaryFolder();
    hub = await FakeHub.listen();
  });
  afterEach(async () => {
    await agent?.stop('test over', {now: true});
    agent = undefined;
    await hub.close();
    folder.remove();
  });

  async function start(more: Partial<AgentOptions> = {}): Promise<Agent> {
    agent = await startAgent(folder.path, hub.url, more);
    await agent.link.whenUp();
    return agent;
  }

  it('delivers every line of a command once and in order over many cuts', async () => {
    await start();
    const assign = assignment('lines', run('for i in $(seq 1 120); do echo line $i; sleep 0.02; done'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    const random = seededRandom(7);
    const done = hub.completion(assign.attemptId);
    let over = false;
    void done.then(() => {
      over = true;
    });
    let cuts = 0;
    while (!over) {
      await delay(systemClock, 40 + random.next() * 300);
      // Before or after the effect of what is in flight.
      if (random.next() < 0.5) hub.cutBeforeAnswer = 'mcpx.status.update';
      else hub.cut();
      cuts++;
    }
    const completion = await done;
    assert.equal(completion.report.outcome, 'succeeded');
    assert(cuts >= 3, `${cuts} cuts`);
    const text = hub
      .events(assign.attemptId, 'output')
      .map(event => event.text)
      .join('');
    assert.deepEqual(
      text.trim().split('\n'),
      Array.from({length: 120}, (_, index) => `line ${index + 1}`),
    );
    assert.deepEqual(
      hub.events(assign.attemptId, 'state').map(event => event.state),
      ['preparing', 'running', 'ended'],
    );
  });

  /** multica#8529: a completion lost in a partition left the run for ever. */
  it('reports what finished while the hub was away, and again when the answer was lost', async () => {
    await start();
    const assign = assignment('away', run('sleep 0.2; echo done'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    hub.cut({stayAway: true});
    await until('it is finished', () => agent?.attempts.get(assign.attemptId)?.state.kind === 'reporting');
    assert.equal(hub.completed.size, 0);
    hub.cutBeforeAnswer = 'mcpx.orchestrate.task.complete';
    hub.welcome();
    await hub.until('two tries', () => hub.of('mcpx.orchestrate.task.complete').length === 2);
    const [first, second] = hub.of('mcpx.orchestrate.task.complete');
    assert.deepEqual(first, second);
    assert.equal(hub.events(assign.attemptId, 'output')[0]?.text, 'done\n');
    await until('nothing is left', () => agent?.attempts.get(assign.attemptId) === undefined);
    const held = hub.of('mcpx.agent.register')[1]?.attempts;
    assert.deepEqual(held, [{attemptId: assign.attemptId, fence: assign.fence, state: 'finished'}]);
  });

  it('sends the transcript ahead of the completion', async () => {
    await start();
    const assign = assignment('order', run('seq 1 2000'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await hub.completion(assign.attemptId);
    const methods = hub.calls.map(call => call.method);
    assert(methods.lastIndexOf('mcpx.status.update') < methods.indexOf('mcpx.orchestrate.task.complete'));
  });

  it('reports although the hub keeps refusing the transcript', async () => {
    await start({settings: {transcriptDrainMs: 200}});
    hub.answers['mcpx.status.update'] = () => {
      throw new ProtocolError('diskFull', 'no room');
    };
    const assign = assignment('stuck', run('echo hello'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    assert.equal((await hub.completion(assign.attemptId)).report.outcome, 'succeeded');
  });

  it('drops an attempt whose completion is refused for its fence', async () => {
    await start();
    hub.answers['mcpx.orchestrate.task.complete'] = () => {
      throw new ProtocolError('staleFence', 'superseded');
    };
    const assign = assignment('late', run('echo hello'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await hub.until('it is reported', () => hub.of('mcpx.orchestrate.task.complete').length === 1);
    await until('it is forgotten', () => agent?.attempts.get(assign.attemptId) === undefined);
    await agent?.stop('done');
    assert.equal(hub.of('mcpx.orchestrate.task.complete').length, 1);
  });

  it('kills an attempt when the hub refuses its transcript for its fence', async () => {
    await start();
    const assign = assignment('superseded', run('echo hello; sleep 300'));
    hub.answers['mcpx.status.update'] = () => {
      throw new ProtocolError('staleFence', 'superseded');
    };
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await until('it is gone', () => agent?.attempts.get(assign.attemptId) === undefined);
    assert.equal(hub.of('mcpx.orchestrate.task.complete').length, 0);
  });

  it('replaces a report that the hub cannot take by a failure that says so', async () => {
    await start();
    hub.answers['mcpx.orchestrate.task.complete'] = ({report}) => {
      if (report.outcome === 'succeeded') throw new ProtocolError('tooLarge', 'the result is too large');
      return {accepted: true, gates: false};
    };
    await hub.send('mcpx.orchestrate.task.assign', assignment('large', run('true')));
    await hub.until('two tries', () => hub.of('mcpx.orchestrate.task.complete').length === 2);
    const report = hub.of('mcpx.orchestrate.task.complete')[1]?.report;
    assert(report?.outcome === 'failed' && report.failure.kind === 'internal');
    assert.match(report.failure.message, /too large/);
  });

  it('interrupts Claude Code when the hub is away too long, and lets it go on when it is back', async () => {
    const outcome = deferred<DriverOutcome>();
    const log: string[] = [];
    const promptDriver = {
      name: 'claude' as const,
      start: (_: unknown, host: DriverHost): DriverRun => {
        host.claudeSession('c-1');
        return {
          outcome: outcome.promise,
          send: text => {
            log.push(`send ${text}`);
            outcome.resolve({kind: 'succeeded', summary: 'went on'});
            return true;
          },
          interrupt: () => {
            log.push('interrupt');
            return Promise.resolve(true);
          },
          setModel: () => Promise.resolve(false),
          setPermissionMode: () => Promise.resolve(false),
          cancel: () => outcome.resolve({kind: 'cancelled'}),
        };
      },
    };
    await start({promptDriver, settings: {maxOfflineMs: 150}});
    const assign = assignment('spending', prompt('work'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await hub.until('it runs', () =>
      hub.events(assign.attemptId, 'state').some(event => event.state === 'running'),
    );
    hub.cut({stayAway: true});
    await until('it is interrupted', () => log.length === 1);
    assert.deepEqual(log, ['interrupt']);
    hub.welcome();
    const {report} = await hub.completion(assign.attemptId);
    assert(report.outcome === 'succeeded' && report.result.summary === 'went on');
    assert.match(log[1] ?? '', /^send The connection to the coordinator was lost/);
    const notices = hub.events(assign.attemptId, 'notice').map(event => event.text);
    assert.match(notices[0] ?? '', /interrupted so that it stops spending/);
  });
});
