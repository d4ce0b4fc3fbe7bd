/** Three machines of one person over TLS: a coordinator, an agent that joins by a token and a pin, and a client that runs a plan there. */
import assert from 'node:assert/strict';
import {statSync} from 'node:fs';
import path from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import * as z from 'zod';
import {jsonReport, resultCommit} from './jsonReport.ts';
import {Person, type Running} from './person.ts';
import {UserRepository} from './userRepository.ts';

const PLAN = `name: far
agents: 1
tasks:
  - {id: there, run: "echo far > far.txt"}
`;
const JOIN = /MCPX_TOKEN=(\S+) mcpx agent --join (\S+) --ca-pin (\S+)/;
const ADD = /MCPX_TOKEN=(\S+) mcpx context add NAME (\S+) --ca-pin (\S+)/;
const OTHER_PIN = `sha256:${'A'.repeat(43)}`;

describe('a coordinator for other machines', function () {
  this.timeout(90_000);
  let host: Person;
  let worker: Person;
  let client: Person;
  let coordinator: Running;
  let agent: Running;
  let repository: UserRepository;
  let [url, pin, clientToken] = ['', '', ''];

  before(async () => {
    [host, worker, client] = [new Person(), new Person(), new Person()];
    repository = UserRepository.create(path.join(client.root, 'repo'), client.env, {'far.mcpx.yaml': PLAN});
    coordinator = host.start([
      'coordinator',
      '--tls',
      '--listen',
      '127.0.0.1:0',
      '--public-name',
      '127.0.0.1',
      'localhost',
    ]);
    await coordinator.saw(/the coordinator is ready/);
  });
  after(async () => {
    agent?.signal('SIGTERM');
    assert.equal((await agent?.ended)?.code, 0);
    coordinator?.signal('SIGTERM');
    assert.equal((await coordinator?.ended)?.code, 0);
    for (const person of [client, worker, host]) await person.leave();
  });

  it('does not listen beyond this machine without TLS', async () => {
    for (const address of ['0.0.0.0:0', '[::]:0']) {
      const ended = await worker.expect(2, ['coordinator', '--listen', address]);
      assert.match(ended.stderr, /refusing to listen on \S+ without TLS.*\n.*--tls/);
    }
  });

  it('prints the command by which an agent joins, and lets it in', async () => {
    const made = await host.expect(0, [
      'token',
      'create',
      '--role',
      'agent',
      '--ttl',
      '1h',
      '--label',
      'worker',
    ]);
    const [, token = '', joinUrl = '', joinPin = ''] = JOIN.exec(made.stdout) ?? [];
    [url, pin] = [joinUrl, joinPin];
    assert.match(url, /^wss:\/\/127\.0\.0\.1:\d+/);
    const args = [
      'agent',
      '--join',
      url,
      '--ca-pin',
      pin,
      '--id',
      'far-away',
      '--claude',
      'off',
      '--region',
      'moon',
    ];
    agent = worker.start(args, {env: {MCPX_TOKEN: token}});
    await agent.saw(/registered with the hub/);
    const status = await host.expect(0, ['status']);
    assert.match(status.stdout, /far-away {2}idle {2}2 slots {2}claude: disabled {2}moon/);
  });

  it('is not joined by way of another authority, nor with a token that is unknown, expired or of the wrong role', async () => {
    const wrongPin = await worker.expect(1, ['agent', '--join', url, '--ca-pin', OTHER_PIN, '--id', 'a'], {
      env: {MCPX_TOKEN: 'x'},
    });
    assert.match(wrongPin.stderr, /has another authority than the pin names/);
    const noPin = worker.start(['agent', '--join', url, '--id', 'b', '--claude', 'off'], {
      env: {MCPX_TOKEN: 'x'},
    });
    await noPin.saw(/is not trusted/);
    noPin.signal('SIGTERM');
    await noPin.ended;

    const made = await host.expect(0, ['token', 'create', '--role', 'client', '--ttl', '1s', '--json']);
    const brief = z.object({token: z.string(), expiresAt: z.number()}).parse(JSON.parse(made.stdout));
    await pause(Math.max(0, brief.expiresAt - Date.now()) + 50);
    for (const token of ['mcpx_nonesuch', brief.token]) {
      const refused = await client.expect(1, ['status', '--connect', url, '--ca-pin', pin], {
        env: {MCPX_TOKEN: token},
      });
      assert.match(refused.stderr, /refused the token/);
    }
    const agentToken = await host.expect(0, ['token', 'create', '--role', 'agent', '--ttl', '1h', '--json']);
    const {token} = z.object({token: z.string()}).parse(JSON.parse(agentToken.stdout));
    const asClient = await client.mcpx([
      'token',
      'create',
      '--connect',
      url,
      '--ca-pin',
      pin,
      '--token',
      token,
    ]);
    assert.equal(asClient.code, 1, 'an agent makes no tokens');
    assert.doesNotMatch(asClient.stdout, /MCPX_TOKEN/);
    assert.doesNotMatch(asClient.stderr, /^\s+at /m);
  });

  it('runs a plan for a client that knows it as a context, on the agents that joined it', async () => {
    const made = await host.expect(0, ['token', 'create', '--role', 'client', '--ttl', '1h']);
    const [, token = '', address = '', itsPin = ''] = ADD.exec(made.stdout) ?? [];
    clientToken = token;
    assert.equal(address, url);
    assert.match((await client.expect(0, ['context', 'list'])).stdout, /No contexts/);
    await client.expect(0, ['context', 'add', 'moon', address, '--ca-pin', itsPin], {
      env: {MCPX_TOKEN: token},
    });
    assert.equal(statSync(path.join(client.mcpxHome, 'contexts.json')).mode & 0o777, 0o600);
    const before = repository.digest();

    const ended = await client.expect(0, ['run', 'far.mcpx.yaml', '--json', '--connect', 'moon'], {
      cwd: repository.folder,
    });
    const report = jsonReport(ended.stdout);
    assert.deepEqual(
      report.tasks.map(task => task.attempts.map(attempt => attempt.agent)),
      [['far-away']],
    );
    assert.equal(repository.show(resultCommit(report), 'far.txt'), 'far');
    assert.deepEqual(repository.digest(), before);
    assert.equal(client.endpoint, undefined, 'no coordinator was started here');
  });

  it('is used by every verb once its context is, and no more when the context is gone', async () => {
    const none = await client.expect(1, ['status']);
    assert.match(none.stderr, /no coordinator of yours runs on this machine/);
    await client.expect(2, ['context', 'use', 'mars']);
    await client.expect(0, ['context', 'use', 'moon']);
    assert.match((await client.expect(0, ['context', 'list'])).stdout, /^\* moon {2}wss:/);
    assert.match((await client.expect(0, ['status'])).stdout, /far-away/);
    assert.match((await client.expect(0, ['sessions', 'list'])).stdout, /succeeded.*far/);
    const ended = await client.expect(0, ['run', 'far.mcpx.yaml', '--json'], {cwd: repository.folder});
    assert.equal(jsonReport(ended.stdout).tasks[0]?.attempts[0]?.agent, 'far-away');
    await client.expect(0, ['context', 'remove', 'moon']);
    await client.expect(1, ['status']);
    await client.expect(2, ['run', 'far.mcpx.yaml', '--connect', 'moon'], {cwd: repository.folder});
  });

  it('runs a plan for a client that names address, token and pin', async () => {
    const connect = ['--connect', url, '--ca-pin', pin];
    const wrong = await client.expect(
      1,
      ['run', 'far.mcpx.yaml', '--json', '--connect', url, '--ca-pin', OTHER_PIN],
      {
        cwd: repository.folder,
        env: {MCPX_TOKEN: clientToken},
      },
    );
    assert.match(wrong.stderr, /has another authority than the pin names/);
    const rehearsed = await client.expect(2, ['run', 'far.mcpx.yaml', '--rehearse', ...connect], {
      cwd: repository.folder,
    });
    assert.match(rehearsed.stderr, /--rehearse runs on this machine/);
    const ended = await client.expect(0, ['run', 'far.mcpx.yaml', '--json', ...connect], {
      cwd: repository.folder,
      env: {MCPX_TOKEN: clientToken},
    });
    resultCommit(jsonReport(ended.stdout));
  });

  it('serves runs on its own machine as well, with agents that trust it', async () => {
    const own = UserRepository.create(path.join(host.root, 'repo'), host.env, {
      'far.mcpx.yaml': PLAN.replace('tasks:', 'mode: internal\ntasks:'),
    });
    const ended = await host.expect(0, ['run', 'far.mcpx.yaml', '--json'], {cwd: own.folder});
    const report = jsonReport(ended.stdout);
    assert.equal(report.tasks[0]?.attempts[0]?.agent, 'local-1');
    resultCommit(report);
  });
});
